"""Whatever a report or a log in the output folder holds: results are written, and nobody's files change."""

import json
import os

from marigold.core.errors import OutputError
from marigold.export._listing import content_of, files_of, photo_of
from marigold.export._reports import Reports, Result, result_files
from marigold.folders.complete import is_complete
from marigold.folders.log import Log
from toys.mutations import as_text, damaged_bytes, damaged_values, survives

MADE_FROM = {"photo": "abc", "settings": {"steps": 4, "seed": 0}, "formats": {"npy": {}, "glb": {"far": 3.0}}}
REPORT = {
    "checkpoint": {"name": "tiny", "revision": "r1"},
    "seconds": {"write": 0.1},
    "notes": ["worked at 38 x 27 pixels"],
    "made_from": MADE_FROM,
    "files": ["a_depth.npy", "a_pbr/blender/a_height.png", "a_depth.json"],
}
FOREIGN = {"a_notes.txt", "b_depth.npy", "a.png", "a_pbr/mine.png", "name", "x", "../outside.txt"}


def folder_of(tmp_path):
    """An output folder among files of the user's, whose content is their name."""
    out = tmp_path / "out"
    (out / "a_pbr").mkdir(parents=True)
    for name in FOREIGN:
        (out / name).write_text(name)
    return out


def replace(out):
    """Publishes one staged file of photo `a` and returns the files."""
    reports = Reports(out)
    with reports.staged() as stage:
        (stage / "a_depth.npy").write_bytes(b"new")
        return reports.publish(stage, "a", [Result("depth", ["a_depth.npy"], {"made_from": MADE_FROM})]).files


def checked(out, report, content):
    report.write_bytes(content)
    content_of(report), files_of(report), photo_of(report), result_files(out)
    is_complete(report, MADE_FROM)
    assert replace(out) == [out / "a_depth.npy", report]
    assert json.loads(report.read_bytes())["files"] == ["a_depth.npy", "a_depth.json"]
    assert all((out / name).read_text() == name for name in FOREIGN)
    assert is_complete(report, MADE_FROM) and (out / "a_depth.npy").read_bytes() == b"new"


def test_a_damaged_report_hinders_no_result_and_costs_no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    out = folder_of(tmp_path)
    variants = [*damaged_bytes(as_text(REPORT), 150), *map(as_text, damaged_values(REPORT, 170))]
    for number, content in enumerate(variants):
        survives(lambda content=content: checked(out, out / "a_depth.json", content), (), f"report {number}")
        for kept in out.glob("*.kept*"):
            kept.unlink()


def test_a_damaged_log_gets_whole_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    line = as_text({"time": "2026-01-31T12:00:00+00:00", "photo": "a.png", "status": "done", "files": []}) + b"\n"
    for number, content in enumerate(damaged_bytes(line * 2, 60)):
        path.write_bytes(content)
        survives(lambda: Log(path).add(photo="b.png"), (OutputError,), f"log {number}")
        assert path.read_bytes().startswith(content)
        assert json.loads(path.read_bytes().split(b"\n")[-2])["photo"] == "b.png"
