"""A run that is started again: what is complete is left alone, and whatever differs is predicted again."""

import numpy as np
import pytest

from marigold.checkpoints.card import Card
from marigold.folders import batch
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import identity_estimator
from toys.runs import identity, photo, run


def test_what_is_complete_is_skipped_and_left_alone(tmp_path, capsys):
    photos = [photo(tmp_path / f"{name}.png", level) for name, level in (("a", 10), ("b", 20))]
    run(photos, tmp_path / "out")
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    outcome = run(photos, tmp_path / "out")
    assert (outcome.done, outcome.skipped, outcome.failures) == (0, 2, [])
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()} == stamps
    assert capsys.readouterr().out.splitlines() == [f"{path}: complete already" for path in photos]


def test_what_is_complete_is_not_even_decoded(tmp_path, monkeypatch):
    photos = [photo(tmp_path / "a.png", 10)]
    run(photos, tmp_path / "out")
    monkeypatch.setattr(batch, "read_photo", None)
    assert run(photos, tmp_path / "out").skipped == 1


@pytest.mark.parametrize(
    "change",
    [
        {"request": Request(seed=1)},
        {"formats": "npy"},
        {"overwrite": True},
        {"predictors": MultiPredictor([Predictor(identity_estimator(Card("identity", "depth", revision="r2")))])},
    ],
    ids=["seed", "formats", "overwrite", "checkpoint"],
)
def test_whatever_is_asked_for_otherwise_is_predicted_again(tmp_path, change):
    photos = [photo(tmp_path / "a.png", 10)]
    run(photos, tmp_path / "out")
    assert run(photos, tmp_path / "out", **change).done == 1


def test_a_photo_that_has_changed_or_lost_a_file_is_predicted_again(tmp_path):
    photos = [photo(tmp_path / f"{name}.png", 10) for name in "abc"]
    run(photos, tmp_path / "out")
    photo(photos[0], 200)
    (tmp_path / "out" / "b_depth_colored.png").unlink()
    outcome = run(photos, tmp_path / "out")
    assert (outcome.done, outcome.skipped) == (2, 1)
    assert np.load(tmp_path / "out" / "a_depth.npy").max() == pytest.approx(200 / 255, abs=1e-6)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    photos = [photo(tmp_path / f"{number}.png", number) for number in range(6)]
    predictors = identity()
    (predictor,) = predictors.predictors.values()
    predict, calls = predictor.predict_request, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return predict(*arguments, **options)

    predictor.predict_request = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(photos, tmp_path / "out", predictors)
    assert not list((tmp_path / "out").glob(".*"))
    outcome = run(photos, tmp_path / "out", predictors)
    assert (outcome.done, outcome.skipped) == (3, 3)
