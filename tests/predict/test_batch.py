"""Runs over many photos: what is skipped, what is logged, what ends a run, and that nothing piles up."""

import os

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import OutputError
from marigold.predict.batch import predict_photos
from marigold.predict.predictor import Predictor
from marigold.predict.request import Request
from marigold.predict.together import Together
from toys.identity import identity_estimator


def identity(**options):
    return Together([Predictor(identity_estimator(**options))])


def photo(path, value):
    PIL.Image.fromarray(np.full((16, 24, 3), value, np.uint8)).save(path)
    return path


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path):
    photos = [photo(tmp_path / "a.png", 0), photo(tmp_path / "a.bmp", 255)]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out")
    assert outcome.done == 2 and len(os.listdir(tmp_path / "out")) == 8
    assert np.load(tmp_path / "out" / "a_png_depth.npy").max() == 0
    assert np.load(tmp_path / "out" / "a_bmp_depth.npy").min() == 1


def test_bad_photos_are_skipped_and_listed_and_the_good_ones_finished(tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no photo")
    photos = [tmp_path / "bad.jpg", photo(tmp_path / "good.png", 9), tmp_path / "missing.jpg"]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out")
    assert outcome.done == 1 and (tmp_path / "out" / "good_depth.npy").exists()
    assert "bad.jpg: not an image" in outcome.failures[0] and "missing.jpg: no such" in outcome.failures[1]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("bad.jpg: skipped") and "good.png: 24 x 16, " in lines[1]
    assert lines[1].endswith(os.path.join("out", "good_depth_colored.png"))


def test_a_photo_s_map_does_not_depend_on_what_ran_before_it(tmp_path):
    photos = [photo(tmp_path / "a.png", 50), photo(tmp_path / "b.png", 90)]
    predictor = identity(leak=0.1)
    predict_photos(predictor, photos, Request(seed=2), tmp_path / "both")
    predict_photos(predictor, photos[1:], Request(seed=2), tmp_path / "one")
    together, alone = (np.load(tmp_path / run / "b_depth.npy") for run in ("both", "one"))
    np.testing.assert_array_equal(together, alone)


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        predict_photos(identity(), [photo(tmp_path / "a.png", 0)], Request(), tmp_path / "file")
