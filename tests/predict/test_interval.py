"""Intervals: from a card's numbers to ends, which calibration is taken, and what is said about it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from marigold.checkpoints.calibration import Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.interval import bounds, choose, quantile
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from toys.identity import identity_estimator

DEPTH = Calibration(1, 4, 0, "longest", "none", 60, "toy scenes", (0.5, 0.9), {"depth": Spread(2.0, 0.05, (0.5, 1.5))})
PHOTO = np.random.default_rng(0).random((20, 28, 3), dtype=np.float32)


def card(*calibrations, modality="depth"):
    defaults = {"steps": 1, "resolution": 0, "ensemble": 4}
    return Card("toy", modality, revision="r1", defaults=defaults, calibration=calibrations)


def settings(**request):
    return Request(**{"interval": 0.9, **request}).settings(card().defaults)


def test_an_interval_is_a_quantile_of_the_expected_error_on_either_side():
    values, uncertainty = torch.tensor([[[0.5, 0.95]]]), torch.tensor([[[0.05, 0.0]]])
    lower, upper = bounds(values, uncertainty, DEPTH, 0.9, Depth())
    # 1.5 * 2 * (0.05 + 0.05) = 0.3 and 1.5 * 2 * 0.05 = 0.15; a map ends at 1.
    torch.testing.assert_close(lower, torch.tensor([[[0.2, 0.8]]]))
    torch.testing.assert_close(upper, torch.tensor([[[0.8, 1.0]]]))


@pytest.mark.parametrize(("level", "times"), [(0.25, 0.25), (0.5, 0.5), (0.7, 1.0), (0.9, 1.5)])
def test_between_levels_a_quantile_is_linear(level, times):
    assert quantile(DEPTH, "depth", level) == pytest.approx(times)


def test_intervals_of_a_higher_level_hold_those_of_a_lower():
    values, uncertainty = torch.rand(1, 6, 6), torch.rand(1, 6, 6) * 0.1
    ends = [bounds(values, uncertainty, DEPTH, level, Depth()) for level in (0.3, 0.6, 0.9)]
    for (lower, upper), (wider_lower, wider_upper) in pairwise(ends):
        assert (wider_lower <= lower).all() and (upper <= wider_upper).all()


def test_every_output_has_its_own_spread():
    scales = dict(zip(Appearance.outputs, (1.0, 2.0, 3.0), strict=True))
    spreads = {name: Spread(scale, 0.0, (1.0, 1.0)) for name, scale in scales.items()}
    made = replace(DEPTH, outputs=spreads)
    lower, upper = bounds(torch.full((5, 2, 2), 0.5), torch.full((1, 2, 2), 0.1), made, 0.9, Appearance())
    assert ((upper - lower)[:, 0, 0] / 2).tolist() == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.3])


def test_an_output_that_is_not_calibrated_is_named():
    with pytest.raises(ConfigError, match="knows no `normals` of normals; calibrate the checkpoint again"):
        bounds(torch.rand(3, 2, 2), torch.rand(1, 2, 2), DEPTH, 0.9, Normals())


def test_the_same_settings_are_taken_without_a_word():
    chosen = choose(card(replace(DEPTH, tta="flip-scale"), DEPTH, replace(DEPTH, resolution=64)), settings())
    assert chosen.calibration == DEPTH and chosen.notes == () and chosen.level == 0.9


@pytest.mark.parametrize(("asked", "taken"), [(3, 4), (4, 4), (5, 4), (7, 4), (8, 8), (9, 8), (30, 16)])
def test_of_several_ensembles_the_nearest_that_is_not_larger_is_taken(asked, taken):
    calibrations = [replace(DEPTH, ensemble=size) for size in (16, 4, 8)]
    chosen = choose(card(*calibrations), settings(ensemble=asked))
    assert chosen.calibration.ensemble == taken
    words = (f"interval: calibrated with ensemble {taken} and not {asked}; it may hold another share",)
    assert chosen.notes == (() if asked == taken else words)


def test_every_setting_that_differs_is_named():
    asked = settings(steps=4, tta="flip-scale", reduction="mean", ensemble=5)
    (note,) = choose(card(DEPTH), asked).notes
    for words in ("steps 1 and not 4", "tta none and not flip-scale", "reduction and not mean", "ensemble 4 and not 5"):
        assert words in note


def test_a_checkpoint_that_is_not_calibrated_is_refused():
    told = r"`toy` is not calibrated as it is used here, with its autoencoder; run `marigold evaluate calibrate`.*leave"
    with pytest.raises(ConfigError, match=told):
        choose(card(), settings())


def test_a_share_beyond_the_calibrated_ones_is_refused():
    with pytest.raises(ConfigError, match=r"interval: 0\.95 is more than toy is calibrated for; choose up to 0\.9"):
        choose(card(DEPTH), settings(interval=0.95))


@pytest.mark.parametrize("interval", [0, 1, -0.5, 1.5, 90, float("nan"), float("inf"), True, "0.9", [0.9], 10**400])
def test_what_is_no_share_is_refused(interval):
    with pytest.raises(ConfigError, match=r"interval: .* is no share of pixels; use a number above 0 and below 1"):
        Request(interval=interval)


@pytest.mark.parametrize("ensemble", [1, 2])
def test_too_few_members_are_refused(ensemble):
    with pytest.raises(ConfigError, match=f"interval: .* there are {ensemble}; give an ensemble of 3 or more"):
        settings(ensemble=ensemble)


def test_a_prediction_has_its_ends_and_says_what_they_come_from():
    predictor = Predictor(identity_estimator(card=card(DEPTH), leak=0.1))
    prediction = predictor.predict(PHOTO, interval=0.9)
    depth, half = prediction.maps["depth"], 1.5 * 2.0 * (prediction.uncertainty + 0.05)
    np.testing.assert_allclose(prediction.bounds["depth"]["lower"], (depth - half).clip(0, 1), atol=1e-6)
    np.testing.assert_allclose(prediction.bounds["depth"]["upper"], (depth + half).clip(0, 1), atol=1e-6)
    assert prediction.report["settings"]["interval"] == 0.9
    assert prediction.report["calibration"] == {"data": "toy scenes", "images": 60}
    assert prediction.report["notes"] == []


def test_a_prediction_without_an_interval_says_nothing_of_one():
    prediction = Predictor(identity_estimator(card=card(DEPTH), leak=0.1)).predict(PHOTO)
    assert prediction.bounds == {} and "calibration" not in prediction.report
    assert "interval" not in prediction.report["settings"]


def test_the_cone_of_normals_is_one_map():
    made = replace(DEPTH, outputs={"normals": Spread(180.0, 0.05, (0.5, 1.0))})
    estimator = identity_estimator(card=card(made, modality="normals"), modality=Normals(), leak=0.1)
    prediction = Predictor(estimator).predict(PHOTO, interval=0.9)
    assert list(prediction.bounds["normals"]) == ["cone"]
    np.testing.assert_allclose(prediction.bounds["normals"]["cone"], 180 * (prediction.uncertainty + 0.05), rtol=1e-5)


def test_the_notes_of_an_interval_are_those_of_the_prediction():
    predictor = Predictor(identity_estimator(card=card(DEPTH), leak=0.1))
    report = predictor.predict(PHOTO, ensemble=3, interval=0.5).report
    assert report["notes"] == ["interval: calibrated with ensemble 4 and not 3; it may hold another share"]


def test_files_of_the_ends_lie_beside_those_of_the_map(tmp_path):
    prediction = Predictor(identity_estimator(card=card(DEPTH), leak=0.1)).predict(PHOTO, interval=0.9)
    names = {file.name for file in prediction.save(tmp_path, "a")}
    ends = {f"a_depth_{end}{ending}" for end in ("lower", "upper") for ending in (".npy", "_16bit.png")}
    assert ends <= names
    np.testing.assert_array_equal(np.load(tmp_path / "a_depth_lower.npy"), prediction.bounds["depth"]["lower"])
    prediction = Predictor(identity_estimator(card=card(DEPTH), leak=0.1)).predict(PHOTO)
    prediction.save(tmp_path, "a")
    assert not list(tmp_path.glob("*_lower*"))
