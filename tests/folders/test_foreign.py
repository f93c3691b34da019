"""Output folders that hold what this program has not written: it keeps its content, and no photo is lost to it."""

import json
import os
import socket

import numpy as np
import pytest

from marigold.core.errors import OutputError
from marigold.folders.photos import find_photos
from marigold.predict.together import MultiPredictor
from toys.runs import both, photo, run


def a_pipe(path):
    os.mkfifo(path)


def a_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def linked(target):
    return lambda path: path.symlink_to(target)


def holding(content):
    return lambda path: path.write_bytes(content)


def a_large_file(path):
    with path.open("wb") as file:
        file.truncate(1 << 30)


THINGS = {
    "pipe": a_pipe,
    "socket": a_socket,
    "folder": lambda path: path.mkdir(),
    "endless link": lambda path: path.symlink_to(path.name),
    "dangling link": linked("nowhere"),
    "link to a device": linked("/dev/zero"),
    "gigabyte": a_large_file,
    "nothing": holding(b""),
    "half a document": holding(b'{"files": ["a_dep'),
    "latin-1": holding(b'{"name": "caf\xe9"}'),
    "nested": holding(b"[" * 100_000 + b"]" * 100_000),
    "another program's": holding(b'{"files": 3, "made_from": [1], "notes": {}}'),
    "other names": holding(b'{"files": ["../a.png", "/etc/passwd", "a_\\u0000", "\\ud800", "x.json", "a_depth.json"]}'),
    "no names": holding(b'{"files": [1, null, "x.json", "a_depth.json"]}'),
    "a long number": holding(b'{"files": ' + b"9" * 5000 + b"}"),
}


@pytest.mark.parametrize("what", THINGS)
def test_whatever_is_called_like_a_report_hinders_no_run(tmp_path, what):
    out = tmp_path / "out"
    out.mkdir()
    THINGS[what](out / "x.json")
    photos = [photo(tmp_path / "a.png", 9)]
    assert find_photos([str(tmp_path)], out) == (photos, [])
    assert run(photos, out).done == 1 and run(photos, out).skipped == 1
    assert os.path.lexists(out / "x.json") and run(photos, out, formats="npy").done == 1


@pytest.mark.parametrize("what", [what for what in THINGS if what != "folder"])
def test_whatever_is_in_the_place_of_a_report_gets_another_name(tmp_path, what, capsys):
    out = tmp_path / "out"
    out.mkdir()
    THINGS[what](out / "a_depth.json")
    before = os.lstat(out / "a_depth.json")
    assert run([photo(tmp_path / "a.png", 9)], out).done == 1
    assert os.path.samestat(before, os.lstat(out / "a_depth.json.kept"))
    note = "a_depth.json was there and is in no report: it is called a_depth.json.kept now"
    assert note in capsys.readouterr().out and note in json.loads((out / "a_depth.json").read_text())["notes"]


def test_a_map_of_somebody_else_keeps_its_content_each_time(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    photos = [photo(tmp_path / "a.png", 255)]
    for number in range(2):
        (out / "a_depth.npy").write_text(f"mine {number}")
        (out / "a_all.jpg").write_text("my picture")
        assert run(photos, out, both(), formats="npy").done == 1
        assert np.load(out / "a_depth.npy").min() == 1
        for report in out.glob("*.json"):
            report.unlink()
    assert (out / "a_depth.npy.kept").read_text() == "mine 0" and (out / "a_depth.npy.kept1").read_text() == "mine 1"
    assert (out / "a_all.jpg.kept").read_text() == "my picture"


def test_folders_and_links_in_the_way_cost_one_photo_and_change_nothing(tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine"
    for folder in (out / "a_depth.npy", mine):
        folder.mkdir(parents=True)
    (out / "b_pbr").symlink_to(mine)
    (out / "c_pbr").write_text("no folder")
    photos = [photo(tmp_path / f"{name}.png", 9) for name in "abcd"]
    outcome = run(photos, out, formats="npy,pbr")
    assert outcome.done == 1 and len(outcome.failures) == 3
    assert "a_depth.npy: cannot be written (is a directory)" in outcome.failures[0]
    assert "a link, which is not followed" in outcome.failures[1] and "c_pbr: cannot" in outcome.failures[2]
    assert not list(mine.iterdir()) and {path.name[0] for path in out.glob("*.json")} == {"d"}


@pytest.mark.parametrize("first", ["npy,glb,ply", "exr,preview", "pbr,png16", "npy,png16,preview"])
@pytest.mark.parametrize("second", ["png16", "pbr"])
@pytest.mark.parametrize(("one", "other"), [(both, both), (None, both), (both, None)], ids=["all", "more", "fewer"])
def test_no_file_is_left_that_no_report_lists(tmp_path, first, second, one, other):
    photos = [photo(tmp_path / "a.png", 9), photo(tmp_path / "b.png", 9)]
    run(photos, tmp_path / "out", one and one(), formats=first)
    run(photos, tmp_path / "out", other and other(), formats=second)
    out = tmp_path / "out"
    listed = {file for report in out.glob("*.json") for file in json.loads(report.read_text())["files"]}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == listed
    assert all(list(path.iterdir()) for path in out.rglob("*") if path.is_dir())


def test_a_lock_that_nobody_holds_and_files_of_a_killed_run_are_no_hindrance(tmp_path):
    out = tmp_path / "out"
    (out / ".results.0123abcd.part").mkdir(parents=True)
    (out / ".results.0123abcd.part" / "a_depth.npy").write_text("half")
    (out / ".marigold.lock").write_text("process 1 on elsewhere")
    assert run([photo(tmp_path / "a.png", 9)], out).done == 1
    assert not [name for name in os.listdir(out) if name.startswith(".")]


def test_a_folder_that_cannot_be_written_ends_the_run_before_a_network_is_loaded(tmp_path):
    class Unloaded(MultiPredictor):
        def loaded(self):
            raise AssertionError

    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="file: cannot be written"):
        run([photo(tmp_path / "a.png", 9)], tmp_path / "file", Unloaded(list(both().predictors.values())))
    assert (tmp_path / "file").read_text() == "mine"


def test_an_output_that_is_an_endless_link_is_an_error(tmp_path):
    (tmp_path / "out").symlink_to("out")
    with pytest.raises(OutputError, match="out: cannot be written"):
        run([photo(tmp_path / "a.png", 9)], tmp_path / "out")
