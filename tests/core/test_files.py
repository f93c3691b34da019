"""Files are written whole or not at all."""

import errno
import json
import os
import resource
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import OutputError
from marigold.core.files import (
    as_path,
    delete_leftovers,
    file_name,
    make_folder,
    prepare,
    whole_file,
    whole_folder,
    write_json,
)


def test_a_file_appears_when_it_is_complete(tmp_path):
    with whole_file(tmp_path / "a.bin") as file:
        file.write(b"abc")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"abc"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_whatever_stops_a_write_leaves_the_old_file(tmp_path, stop):
    (tmp_path / "a.bin").write_bytes(b"old")
    with pytest.raises(stop), whole_file(tmp_path / "a.bin") as file:
        file.write(b"half")
        raise stop
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk_is_an_output_error(tmp_path):
    message = r"a\.bin: cannot be written \(no space left on device\); choose"
    with pytest.raises(OutputError, match=message), whole_file(tmp_path / "a.bin"):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_folder_takes_the_place_of_the_one_before_it(tmp_path):
    for content in ("old", "new"):
        with whole_folder(tmp_path / "deep" / "a") as folder:
            (folder / content).write_text(content)
    assert os.listdir(tmp_path / "deep") == ["a"] and os.listdir(tmp_path / "deep" / "a") == ["new"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_what_stops_a_folder_leaves_the_one_before_it(tmp_path, stop):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    with pytest.raises((KeyboardInterrupt, OutputError)), whole_folder(tmp_path / "a") as folder:
        (folder / "half").write_text("half")
        raise stop
    assert os.listdir(tmp_path) == ["a"] and os.listdir(tmp_path / "a") == ["old"]


@pytest.mark.parametrize("library", ["numpy", "pillow"])
def test_why_a_library_could_not_go_on_writing_is_known(tmp_path, library):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"\(file too large\)") as raised, whole_file(tmp_path / "a") as file:
            np.save(file, noise) if library == "numpy" else PIL.Image.fromarray(noise).save(file, format="PNG")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.__cause__.errno == errno.EFBIG and os.listdir(tmp_path) == []


def test_json_gives_back_names_that_are_no_utf_8(tmp_path):
    names = [os.fsdecode(b"caf\xe9.png"), "été 深度.png", r"a\udce9.png", "a\nb"]
    write_json(tmp_path / "a.json", names)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == names
    assert "été 深度" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_a_folder_in_the_way_of_a_file_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        make_folder(tmp_path / "file" / "inside")
    with pytest.raises(OutputError, match="cannot be written"), whole_file(tmp_path / "missing" / "a.bin"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder: cannot be written"), whole_file(tmp_path / "folder"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("name", ["file/a.bin", "x" * 250])
def test_a_place_where_no_file_can_be_is_an_output_error(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"), whole_file(tmp_path / name):
        pass
    with pytest.raises(OutputError, match="cannot be written"):
        prepare(tmp_path / name)


def test_a_place_is_prepared_without_a_trace_of_the_file(tmp_path):
    assert prepare(tmp_path / "deep" / "a.bin") == tmp_path / "deep" / "a.bin"
    assert os.listdir(tmp_path / "deep") == []
    (tmp_path / "deep" / "a.bin").write_bytes(b"old")
    prepare(tmp_path / "deep" / "a.bin")
    assert (tmp_path / "deep" / "a.bin").read_bytes() == b"old"
    with pytest.raises(OutputError, match="deep: is a folder; give the name of a file"):
        prepare(tmp_path / "deep")


def test_json_keeps_letters_of_every_alphabet(tmp_path):
    write_json(tmp_path / "a.json", {"é": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "é": 1\n}\n'


@pytest.mark.parametrize("name", ["a", "depth-tiny_2.0", "été 深度", "x" * 200, os.fsdecode(b"caf\xe9")])
def test_a_plain_name_names_a_file(name):
    assert file_name(name, "the card's name") == name


ELSEWHERE = [".", "..", "../x", "/x", "a/b", "a\\b", ".hidden"]
UNFIT = ["", "a\0b", "a\nb", " a", "a ", "x" * 201, "é" * 101, "\ud800", "\x1b[2J", "a\u202eb", "a\u2028b"]


@pytest.mark.parametrize("name", ELSEWHERE + UNFIT)
def test_a_name_that_leads_elsewhere_or_is_none_is_refused(name):
    with pytest.raises(OutputError, match=r"^the card's name `.*` cannot name a file; use letters") as raised:
        file_name(name, "the card's name")
    assert str(raised.value).isprintable()


def test_what_a_killed_process_left_is_deleted_and_what_lives_stays(tmp_path):
    (tmp_path / ".a.bin.0123abcd.part").write_text("half")
    (tmp_path / ".b.89abcdef.part").mkdir()
    (tmp_path / ".b.89abcdef.part" / "half").write_text("half")
    for mine in (".c.part", "c.0123abcd.part", ".c.0123abcg.part", ".0123abcd.part"):
        (tmp_path / mine).write_text("mine")
    with whole_file(tmp_path / "d") as file, whole_folder(tmp_path / "e") as folder:
        delete_leftovers(tmp_path)
        file.write(b"d")
        (folder / "e").write_text("e")
    mine = [".0123abcd.part", ".c.0123abcg.part", ".c.part", "c.0123abcd.part"]
    assert sorted(os.listdir(tmp_path)) == sorted([*mine, "d", "e"])
    assert os.listdir(tmp_path / "e") == ["e"]


def test_a_folder_that_was_lost_between_two_names_comes_back(tmp_path):
    (tmp_path / ".a.0123abcd.part" / "earlier").mkdir(parents=True)
    (tmp_path / ".a.0123abcd.part" / "earlier" / "old").write_text("old")
    delete_leftovers(tmp_path, "a")
    assert os.listdir(tmp_path) == ["a"] and os.listdir(tmp_path / "a") == ["old"]


@pytest.mark.parametrize("exchange", [True, False])
def test_two_that_write_one_folder_leave_a_whole_one(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr("marigold.core.files._swap", lambda part, folder: False)
    with whole_folder(tmp_path / "a") as first, whole_folder(tmp_path / "a") as second:
        for name in ("x", "y"):
            (first / name).write_text("first")
            (second / name).write_text("second")
    assert os.listdir(tmp_path) == ["a"]
    assert [(tmp_path / "a" / name).read_text() for name in ("x", "y")] == ["first", "first"]


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "mine").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "far")
    with whole_folder(tmp_path / "a") as folder:
        (folder / "new").write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["a", "far"] and not (tmp_path / "a").is_symlink()
    assert os.listdir(tmp_path / "a") == ["new"] and os.listdir(tmp_path / "far") == ["mine"]


@pytest.mark.parametrize("path", [None, 0, 3.5, True, [], b"x", "", "\0", "a\0b", "\ud800", Path("a\0")])
def test_what_is_no_path_is_told_as_that(path):
    with pytest.raises(OutputError, match=r"^folder: .* is no path; give one as text") as caught:
        as_path(path, "folder")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("path", ["a", "a/b", "~", ".", "\udce9", "é ü"])
def test_every_other_text_is_a_path(path):
    assert as_path(path, "folder") == Path(path) == as_path(Path(path), "folder")


@pytest.mark.parametrize("name", [None, 0, b"x", Path("x"), []])
def test_a_name_that_is_no_text_names_no_file(name):
    with pytest.raises(OutputError, match=r"name is of type .* give it as text"):
        file_name(name, "name")


@pytest.mark.parametrize("value", [object(), b"x", {"a": {1, 2}}, {("a",): 1}])
def test_what_json_does_not_know_leaves_no_file(tmp_path, value):
    with pytest.raises(OutputError, match=r"a\.json: holds what JSON cannot"):
        write_json(tmp_path / "a.json", value)
    assert not list(tmp_path.iterdir())
