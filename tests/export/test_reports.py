"""Results that take the place of others: what the earlier ones alone had goes, and nothing else does."""

import json
import os

import numpy as np
import pytest

from marigold.core.errors import OutputError
from marigold.export._listing import files_of, stored
from marigold.export._reports import Reports
from marigold.folders.photos import find_photos
from marigold.modalities.depth import Depth
from marigold.predict.prediction import Prediction
from marigold.predict.settings import Request
from toys.runs import both, photo, run

USUAL = ["a_depth.json", "a_depth.npy", "a_depth_16bit.png", "a_depth_colored.png"]


def old_report(folder, *files, name="a_depth"):
    """A report that claims these files, and all of them that can be made."""
    (folder / f"{name}.json").write_text(json.dumps({"files": [*files, f"{name}.json"]}))
    for file in files:
        if (folder / file).parent.is_dir() and not (folder / file).exists():
            (folder / file).write_bytes(b"x")


def save_depth(folder):
    Prediction({"depth": np.zeros((4, 5), np.float32)}, None, Depth(), name="a").save(folder)


def test_a_run_with_fewer_outputs_leaves_no_old_file_and_no_new_photo(tmp_path):
    photos = [photo(tmp_path / "a.png", 10)]
    run(photos, tmp_path, request=Request(ensemble=3))
    assert (tmp_path / "a_depth_uncertainty.png").exists() and (tmp_path / "a_depth_uncertainty.npy").exists()
    run(photos, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["a.png", *USUAL]
    assert find_photos([str(tmp_path)], tmp_path) == (photos, [])


def test_files_of_formats_that_are_not_asked_for_any_more_go(tmp_path):
    photos = [photo(tmp_path / f"{name}.png", 10) for name in "ab"]
    run(photos, tmp_path / "out")
    run(photos, tmp_path / "out", formats="npy")
    assert sorted(os.listdir(tmp_path / "out")) == ["a_depth.json", "a_depth.npy", "b_depth.json", "b_depth.npy"]


def test_what_several_modalities_made_together_goes_and_what_each_has_alone_stays(tmp_path):
    photos = [photo(tmp_path / "a.png", 10)]
    run(photos, tmp_path / "out", both(), formats="npy")
    old_report(tmp_path / "out", "a_all.jpg", "a_all_set.png", "a_normals.npy", name="a_all")
    run(photos, tmp_path / "out", both(), formats="npy", overwrite=True)
    left = ["a_all.jpg", "a_all.json", "a_depth.json", "a_depth.npy", "a_normals.json", "a_normals.npy"]
    assert sorted(os.listdir(tmp_path / "out")) == left


def test_a_file_that_another_report_lists_stays(tmp_path):
    old_report(tmp_path, "a_depth_x.png", name="a_all")
    old_report(tmp_path, "a_depth_x.png", "a_depth_y.png")
    save_depth(tmp_path)
    assert (tmp_path / "a_depth_x.png").exists() and not (tmp_path / "a_depth_y.png").exists()


@pytest.mark.parametrize(
    "file", ["a.png", "b_depth.npy", "../a_depth_x.npy", "a_deep/x.png", "a_deep/../../a_depth_x.npy"]
)
def test_a_report_that_lists_what_no_result_of_the_photo_is_deletes_nothing(tmp_path, file):
    folder = tmp_path / "out"
    (folder / "a_deep").mkdir(parents=True)
    old_report(folder, file, str(tmp_path / "a_whole_path.npy"))
    save_depth(folder)
    assert (folder / file).read_bytes() == b"x" and (tmp_path / "a_whole_path.npy").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"files": ["a_\0.npy", "a_\ud800.npy", "a_" + "x" * 300, "a_depth.json"], "made_from": {"photo": "x"}},
        {"files": "a_depth.json", "made_from": 3},
        {"files": {"a_depth.json": 1}, "made_from": []},
        ["files"],
        [[[[]]]] * 3,
    ],
)
def test_a_report_that_names_what_can_be_no_file_is_no_hindrance(tmp_path, content):
    photos = [photo(tmp_path / "a.png", 10)]
    (tmp_path / "a_depth.json").write_text(json.dumps(content))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert find_photos([str(tmp_path)], tmp_path) == (photos, [])
    assert run(photos, tmp_path).done == 1 and run(photos, tmp_path).skipped == 1


def test_links_and_folders_that_a_report_lists_stay(tmp_path):
    (tmp_path / "mine.png").write_bytes(b"mine")
    (tmp_path / "a_link.png").symlink_to(tmp_path / "mine.png")
    (tmp_path / "a_folder").mkdir()
    old_report(tmp_path, "a_link.png", "a_folder")
    save_depth(tmp_path)
    assert (tmp_path / "a_link.png").is_symlink() and (tmp_path / "mine.png").read_bytes() == b"mine"
    assert (tmp_path / "a_folder").is_dir()


def test_an_old_name_of_a_file_that_is_there_anew_is_no_leftover(tmp_path):
    old_report(tmp_path, "a_Depth.npy", "a_depth.npy")
    save_depth(tmp_path)
    assert (tmp_path / "a_depth.npy").exists() and (tmp_path / "a_Depth.npy").exists()


def test_an_old_result_that_is_a_photo_of_the_run_stays(tmp_path):
    photos = [photo(tmp_path / "a.png", 10)]
    run(photos, tmp_path, request=Request(ensemble=3))
    outcome = run([*photos, tmp_path / "a_depth_uncertainty.png"], tmp_path)
    assert outcome.done == 2 and (tmp_path / "a_depth_uncertainty.png").exists()


def test_every_report_is_read_once_in_a_run(tmp_path, monkeypatch):
    photos = [photo(tmp_path / f"{number}.png", number) for number in range(5)]
    run(photos, tmp_path / "out")
    globs = []
    glob = type(tmp_path).glob
    monkeypatch.setattr(type(tmp_path), "glob", lambda *arguments: globs.append(arguments) or glob(*arguments))
    run(photos, tmp_path / "out", formats="npy")
    assert len(globs) == 1


def test_nothing_old_goes_before_everything_new_is_there(tmp_path, monkeypatch):
    old_report(tmp_path, "a_depth_old.png")

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_depth(tmp_path)
    assert (tmp_path / "a_depth_old.png").exists()


def test_an_old_file_that_cannot_be_deleted_is_an_output_error(tmp_path, monkeypatch):
    (tmp_path / "a_old.png").touch()

    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "unlink", refused)
    with pytest.raises(OutputError, match=r"a_old.png: .* cannot be deleted \(permission denied\); delete it yourself"):
        Reports(tmp_path).delete_leftovers(["a_old.png"], "a", {})


def test_names_in_reports_are_bytes_whatever_the_locale(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps({"files": ["é_\udce9.npy", "a.json"]}))
    assert files_of(tmp_path / "a.json") == ["é_\udce9.npy", "a.json"] and stored("é_\udce9.npy") == "é_\udce9.npy"
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("ascii", "surrogateescape"))
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("ascii", "surrogateescape"))
    assert files_of(tmp_path / "a.json") == ["\udcc3\udca9_\udce9.npy", "a.json"]
    assert stored("\udcc3\udca9_\udce9.npy") == "é_\udce9.npy"


def test_a_name_that_no_file_can_have_is_stored_as_it_is():
    assert stored("half\ud800.png") == "half\ud800.png"
