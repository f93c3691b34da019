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
