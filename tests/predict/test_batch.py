"""Which photos are meant, what their results are called, and runs that outlive bad files."""

import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import OutputError
from marigold.predict.batch import find_photos, predict_photos, result_names
from marigold.predict.predictor import Predictor
from marigold.predict.request import Request
from toys.identity import identity_estimator


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "deep/c.tif", "notes.txt", "._a.png"):
        (tmp_path / "in" / name).write_bytes(b"x")
    return tmp_path / "in"


def named(paths, root):
    return [path.relative_to(root).as_posix() for path in paths]


def test_a_folder_stands_for_the_photos_directly_in_it(folder):
    photos, failures = find_photos([str(folder)])
    assert named(photos, folder) == ["a.png", "b.JPG"] and failures == []


def test_a_pattern_stands_for_all_photos_that_match(folder):
    assert named(find_photos([str(folder / "*")])[0], folder) == ["a.png", "b.JPG"]
    assert named(find_photos([str(folder / "**" / "*")])[0], folder) == ["a.png", "b.JPG", "deep/c.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folder):
    (folder / "view[1].jpg").write_bytes(b"x")
    assert named(find_photos([str(folder / "view[1].jpg")])[0], folder) == ["view[1].jpg"]


def test_a_photo_named_twice_is_predicted_once(folder):
    photos, _ = find_photos([str(folder / "a.png"), str(folder), str(folder / "deep" / ".." / "a.png")])
    assert named(photos, folder) == ["a.png", "b.JPG"]


def test_a_name_without_photos_is_reported_and_the_others_count(folder):
    (folder / "empty").mkdir()
    photos, failures = find_photos([str(folder / "empty"), str(folder / "*.webp"), str(folder / "a.png")])
    assert named(photos, folder) == ["a.png"]
    assert "empty: no photo in this folder; put files" in failures[0]
    assert "*.webp: no photo matches this pattern; check" in failures[1]


def test_a_missing_file_is_kept_for_reading_to_complain_about():
    assert find_photos(["nowhere.jpg"]) == ([Path("nowhere.jpg")], [])


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (["x/a.jpg", "x/b.jpg"], ["a", "b"]),
        (["x/a.jpg", "x/a.png", "x/b.jpg"], ["a_jpg", "a_png", "b"]),
        (["x/A.jpg", "x/a.jpg"], ["A_jpg_1", "a_jpg_2"]),
        (["/p/x/a.jpg", "/p/y/a.jpg"], ["x_a_jpg", "y_a_jpg"]),
        (["/p/x/a.jpg", "/q/x/a.jpg"], ["p_x_a_jpg", "q_x_a_jpg"]),
        (["/p/a.jpg", "/p/a.png", "/p/a_png.jpg"], ["a_jpg", "p_a_png", "a_png_jpg"]),
        (["/p/no_ending"], ["no_ending"]),
    ],
)
def test_results_are_called_by_as_much_of_the_path_as_it_takes(photos, names):
    found = result_names([Path(photo) for photo in photos])
    assert len({name.casefold() for name in found}) == len(photos)
    assert found == names


def photo(path, value):
    PIL.Image.fromarray(np.full((16, 24, 3), value, np.uint8)).save(path)
    return path


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path):
    photos = [photo(tmp_path / "a.png", 0), photo(tmp_path / "a.bmp", 255)]
    outcome = predict_photos(Predictor(identity_estimator()), photos, Request(), tmp_path / "out")
    assert outcome.done == 2 and len(set(outcome.files)) == 8
    assert np.load(tmp_path / "out" / "a_png_depth.npy").max() == 0
    assert np.load(tmp_path / "out" / "a_bmp_depth.npy").min() == 1


def test_bad_photos_are_skipped_and_listed_and_the_good_ones_finished(tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no photo")
    photos = [tmp_path / "bad.jpg", photo(tmp_path / "good.png", 9), tmp_path / "missing.jpg"]
    outcome = predict_photos(Predictor(identity_estimator()), photos, Request(), tmp_path / "out")
    assert outcome.done == 1 and (tmp_path / "out" / "good_depth.npy").exists()
    assert "bad.jpg: not an image" in outcome.failures[0] and "missing.jpg: no such" in outcome.failures[1]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("bad.jpg: skipped") and "good.png: 24 x 16, " in lines[1]
    assert lines[1].endswith(os.path.join("out", "good_depth_colored.png"))


def test_a_photo_s_map_does_not_depend_on_what_ran_before_it(tmp_path):
    photos = [photo(tmp_path / "a.png", 50), photo(tmp_path / "b.png", 90)]
    predictor = Predictor(identity_estimator(leak=0.1))
    predict_photos(predictor, photos, Request(seed=2), tmp_path / "both")
    predict_photos(predictor, photos[1:], Request(seed=2), tmp_path / "one")
    together, alone = (np.load(tmp_path / run / "b_depth.npy") for run in ("both", "one"))
    np.testing.assert_array_equal(together, alone)


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        predict_photos(Predictor(identity_estimator()), [photo(tmp_path / "a.png", 0)], Request(), tmp_path / "file")
