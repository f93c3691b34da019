"""The log: one JSON object a line, appended."""

import json
import os

import pytest

from marigold.core.errors import OutputError
from marigold.folders.log import Log


def test_entries_are_lines_of_json_with_the_time(tmp_path):
    for number in range(2):
        Log(tmp_path / "deep" / "log.jsonl").add(photo=f"ä{number}.jpg", error=None)
    lines = [json.loads(line) for line in (tmp_path / "deep" / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["photo"] for line in lines] == ["ä0.jpg", "ä1.jpg"]
    assert all(list(line) == ["time", "photo", "error"] and "+00:00" in line["time"] for line in lines)


def test_names_that_are_no_utf_8_are_those_of_the_files(tmp_path):
    names = [os.fsdecode(b"caf\xe9.png"), "a\nb\x1b.png"]
    log = Log(tmp_path / "log.jsonl")
    for name in names:
        log.add(photo=name)
    lines = (tmp_path / "log.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["photo"] for line in lines] == names


def test_a_line_is_there_as_soon_as_it_is_added(tmp_path):
    Log(tmp_path / "log.jsonl").add(photo="a.jpg")
    assert (tmp_path / "log.jsonl").read_text().endswith("}\n")


def test_no_path_is_no_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Log(None).add(photo="a.jpg")
    assert not os.listdir(tmp_path)


def test_a_log_that_cannot_be_opened_says_what_to_do(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder: cannot be written .*; choose another place with --log"):
        Log(tmp_path / "folder")


@pytest.mark.parametrize("target", ["mine.txt", "nowhere", "log.jsonl"])
def test_a_link_is_not_followed(tmp_path, target):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "log.jsonl").symlink_to(target)
    with pytest.raises(OutputError, match=r"log.jsonl: a link, which is not followed; remove it or name another"):
        Log(tmp_path / "log.jsonl")
    assert (tmp_path / "mine.txt").read_text() == "mine" and not (tmp_path / "nowhere").exists()


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path.__class__("/dev/null")):
        with pytest.raises(OutputError, match=r"cannot be written \(a pipe, device or socket\); choose another place"):
            Log(path)


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"photo": "a')
    Log(path).add(photo="b")
    Log(path).add(photo="c")
    first, *others = path.read_text().splitlines()
    assert first == '{"photo": "a' and [json.loads(line)["photo"] for line in others] == ["b", "c"]


def test_a_line_neither_breaks_nor_steers_a_terminal(tmp_path):
    name = "a\u2028b\x85c\x9b2Jd\u202ee\x1b[2J\r.png"
    Log(tmp_path / "log.jsonl").add(photo=name)
    (line,) = (tmp_path / "log.jsonl").read_text("utf-8").splitlines()
    assert line.isprintable() and json.loads(line)["photo"] == name
