"""Runs over several modalities: their files, their sheet and their report, complete together."""

import json
import os

import PIL.Image
import pytest

from toys.runs import both, photo, run


def test_several_modalities_write_their_files_a_sheet_and_a_report_at_last(tmp_path, capsys):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "out", both(), formats="npy,normal_map")
    out = sorted(os.listdir(tmp_path / "out"))
    assert {"a_depth.npy", "a_normals.npy", "a_depth.json", "a_normals.json", "a_all.jpg", "a_all.json"} <= set(out)
    assert capsys.readouterr().out.rstrip().endswith("a_all.jpg")
    with PIL.Image.open(tmp_path / "out" / "a_all.jpg") as sheet:
        assert sheet.width * sheet.height > 3 * 480 * 320
    report = json.loads((tmp_path / "out" / "a_all.json").read_text())
    assert report["files"] == ["a_all.jpg", "a_all.json"]
    assert report["depth"]["checkpoint"]["revision"] == "r1" and report["normals"]["checkpoint"]["revision"] == "n1"


def test_a_set_of_textures_is_made_from_several_modalities_at_once(tmp_path):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "out", both(), formats="npy,pbr", log=tmp_path / "log.jsonl")
    files = json.loads((tmp_path / "out" / "a_all.json").read_text())["files"]
    assert {"a_pbr/blender/a_normal.png", "a_pbr/blender/a_height.png"} <= set(files)
    assert set(files) <= set(json.loads((tmp_path / "log.jsonl").read_text())["files"])
    assert all((tmp_path / "out" / file).is_file() for file in files)
    assert run(photos, tmp_path / "out", both(), formats="npy,pbr").skipped == 1
    (tmp_path / "out" / "a_pbr" / "blender" / "a_normal.png").unlink()
    assert run(photos, tmp_path / "out", both(), formats="npy,pbr").done == 1


@pytest.mark.parametrize("lost", [None, "a_all.jpg", "a_normals.npy", "a_depth.json"])
def test_several_modalities_are_complete_together(tmp_path, lost):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "out", both())
    if lost:
        (tmp_path / "out" / lost).unlink()
    outcome = run(photos, tmp_path / "out", both())
    assert (outcome.done, outcome.skipped) == ((1, 0) if lost else (0, 1))


def test_several_modalities_show_what_one_of_them_shows_alone(tmp_path):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "alone")
    run(photos, tmp_path / "out", both())
    for name in ("a_depth.npy", "a_depth_16bit.png", "a_depth_colored.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert run(photos, tmp_path / "out").skipped == 1  # depth alone is complete too
