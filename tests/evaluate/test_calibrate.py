"""Calibrating: what is observed, what is fitted to it, and that it holds its promise."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.cli import _calibrate
from marigold.core.errors import CheckpointError, ConfigError, DataError
from marigold.core.sample import Sample
from marigold.estimator import Estimator
from marigold.evaluate.calibrate import LEVELS, Observation, coverage, fit, fitted, observe
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from toys.identity import identity_estimator
from toys.scenes import NETWORK, Toy

KEYS = [f"test/{number}" for number in range(8)]


def settings(**request):
    return Request(**{"ensemble": 4, "steps": 1, "resolution": 16, **request}).settings({})


def made_up(count, seed=0):
    """Images whose errors are Laplace distributed around what the members' deviation says."""
    generator = torch.Generator().manual_seed(seed)
    images = []
    for number in range(count):
        deviation = torch.rand(400, generator=generator) * 0.05
        error = -torch.rand(400, generator=generator).log() * 2 * (deviation + 0.01)
        images.append(Observation(str(number), {"depth": (error, deviation)}))
    return images


def test_errors_are_in_the_units_of_the_map_where_the_truth_is_known():
    values = torch.linspace(0, 1, 16).view(1, 4, 4)
    depth = 2 * values + 5
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    valid[0, 0] = False
    sample = Sample("a", torch.rand(3, 4, 4), {"depth": depth}, {"depth": valid})
    errors, deviations = observe(values, values * 0.1, sample, Depth())["depth"]
    torch.testing.assert_close(errors, torch.zeros(12), atol=1e-6, rtol=0)
    torch.testing.assert_close(deviations, values[valid] * 0.1)


def test_channels_count_as_pixels_of_their_map():
    maps = {"albedo": torch.zeros(3, 4, 4), "roughness": torch.full((1, 4, 4), 0.5), "metallicity": torch.ones(1, 4, 4)}
    sample = Sample("a", torch.rand(3, 4, 4), maps, {name: torch.ones(1, 4, 4, dtype=torch.bool) for name in maps})
    found = observe(torch.full((5, 4, 4), 0.25), torch.full((1, 4, 4), 0.1), sample, Appearance())
    assert {name: (len(errors), float(errors.max())) for name, (errors, _) in found.items()} == {
        "albedo": (48, 0.25),
        "roughness": (16, 0.25),
        "metallicity": (16, 0.75),
    }


def test_a_large_image_is_looked_at_on_a_grid():
    sample = Sample("a", torch.rand(3, 256, 300), {"depth": torch.rand(1, 256, 300) + 1}, {})
    sample.valid["depth"] = torch.ones(1, 256, 300, dtype=torch.bool)
    errors, _ = observe(torch.rand(1, 256, 300), torch.rand(1, 256, 300), sample, Depth())["depth"]
    assert len(errors) == 64 * 75


def test_what_is_fitted_holds_the_truth_of_other_images():
    calibration = fitted(made_up(60), settings(), Depth(), "made up")
    assert (calibration.images, calibration.ensemble, calibration.data) == (60, 4, "made up")
    spread = calibration.outputs["depth"]
    assert spread.scale == pytest.approx(2, rel=0.15) and spread.floor == pytest.approx(0.01, rel=0.3)
    # Of a Laplace distribution the share `level` lies within -log(1 - level) times its scale.
    for level in (0.5, 0.8, 0.9):
        shares = coverage(made_up(100, seed=1), calibration, level)["depth"]
        assert len(shares) == 100 and float(shares.mean()) == pytest.approx(level, abs=0.02)


def test_levels_that_few_images_cannot_promise_are_left_out():
    assert fitted(made_up(9), settings(), Depth(), "made up").levels == LEVELS[:18]  # up to 0.9
    assert fitted(made_up(19), settings(), Depth(), "made up").levels == LEVELS[:19]  # up to 0.95
    assert fitted(made_up(99), settings(), Depth(), "made up").levels == LEVELS


def test_images_without_a_known_pixel_do_not_count():
    empty = Observation("empty", {"depth": (torch.zeros(0), torch.zeros(0))})
    images = made_up(20)
    with_empty, without = (fitted(some, settings(), Depth(), "") for some in ([*images, empty], images))
    assert with_empty.outputs == without.outputs
    assert len(coverage([*images, empty], without, 0.5)["depth"]) == 20
    with pytest.raises(DataError, match="depth: no image has a pixel whose truth is known; calibrate on other"):
        fitted([empty], settings(), Depth(), "")


def test_a_predictor_is_calibrated_on_a_data_set():
    card = Card("toy", "depth", revision="r1", defaults={"steps": 1, "resolution": 0, "ensemble": 3})
    predictor = Predictor(identity_estimator(card=card, leak=0.3))
    found = fit(predictor, Toy(), Path(), KEYS, progress=False)
    assert (found.images, found.ensemble, found.resolution, found.data) == (8, 3, 0, "toys.scenes, 8 images")
    predictor.estimator.card = replace(card, calibration=(found,))
    photo = Toy().read(Path(), KEYS[0]).image
    ends = predictor.predict(photo, interval=0.5).bounds["depth"]
    assert (ends["lower"] <= ends["upper"]).all()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(ensemble=2), "ensemble: 2 members do not tell how far they disagree; give --ensemble 3 or more"),
        (Request(), "ensemble: 1 members"),
        (Request(ensemble=3, compat="diffusers"), "compat: intervals are not calibrated with diffusers"),
        (Request(ensemble=3, reduction="mean"), "reduction: intervals are not calibrated with mean"),
    ],
)
def test_settings_without_a_usable_uncertainty_are_refused(request_, words):
    with pytest.raises(ConfigError, match=words):
        fit(Predictor(identity_estimator()), Toy(), Path(), KEYS, request_, progress=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    card = Card("small", "depth", defaults={"steps": 1, "resolution": 24, "ensemble": 3})
    folder = tmp_path_factory.mktemp("checkpoints") / "small"
    checkpoint.save(Estimator(backbone, Depth(), card).eval(), folder)
    return folder


def test_the_command_writes_the_card_and_keeps_other_settings(small, capsys):
    arguments = [str(small), "procedural", "--count", "2", "--set", "height=24", "--set", "width=24"]
    for more in ([], ["--ensemble", "4"], ["--resolution", "16"], []):
        assert _calibrate.run(_calibrate.parse([*arguments, *more])) == 0
    found = Card.read(small).calibration
    assert sorted((one.ensemble, one.resolution) for one in found) == [(3, 16), (3, 24), (4, 24)]
    assert {one.data for one in found} == {"procedural val, the first 2"}
    assert found[0].levels == LEVELS[:13]  # two images promise 2/3 at most
    assert "| depth |" in capsys.readouterr().out
    assert json.loads((small / "card.json").read_text())["name"] == "small"


def test_the_command_needs_a_card_to_write(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no card.json that could hold a calibration; name the checkpoint's"):
        _calibrate.run(_calibrate.parse(["depth", "procedural", "--output", str(tmp_path)]))


def test_the_card_of_other_weights_is_left_alone(small, tmp_path):
    Card("other", "depth", revision="else").write(tmp_path)
    before = (tmp_path / "card.json").read_bytes()
    with pytest.raises(CheckpointError, match="is the folder of other weights than small; name its own"):
        _calibrate.run(_calibrate.parse([str(small), "procedural", "--output", str(tmp_path)]))
    assert (tmp_path / "card.json").read_bytes() == before


def test_data_without_the_truth_is_refused(small, tmp_path):
    with pytest.raises(DataError, match="photos: has no depth, which `depth` is measured by"):
        _calibrate.run(_calibrate.parse([str(small), "photos", "--split", "test", "--root", str(tmp_path)]))


def test_a_negative_count_is_refused(small):
    with pytest.raises(ConfigError, match="--count -1: must be at least 0"):
        _calibrate.run(_calibrate.parse([str(small), "procedural", "--count", "-1"]))
