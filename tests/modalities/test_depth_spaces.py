"""Depth encoded as disparity, its root or a logarithm: the user gets the same values."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import MarigoldDepthPipeline

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch, Sample
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold_scenes.procedural import Procedural
from toys.scenes import NETWORK

SPACES = ["disparity", "log", "sqrt-disparity"]


def sample(depth: torch.Tensor, valid: torch.Tensor | None = None) -> Sample:
    """A sample of this depth [H, W]."""
    valid = torch.ones_like(depth, dtype=torch.bool) if valid is None else valid
    return Sample("scene/0", torch.zeros(3, *depth.shape), {"depth": depth[None]}, {"depth": valid[None]})


def random_depth(nearest: float = 1.0, farthest: float = 20.0) -> torch.Tensor:
    share = torch.rand(30, 40, generator=torch.Generator().manual_seed(0))
    return nearest * (farthest / nearest) ** share


def there_and_back(modality: Depth, truth: Sample) -> torch.Tensor:
    """The values [H, W] of a prediction without error."""
    return modality.decode(modality.encode(truth)[0][None])[0, 0]


def encoded(modality: Depth, depth: list[float]) -> list[float]:
    return modality.encode(sample(torch.tensor([depth])))[0][0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("disparity", [1, (1 / 2 - 1 / 4) / (1 - 1 / 4) * 2 - 1, -1]),
        ("log", [-1, 0, 1]),
        ("sqrt-disparity", [1, (2**-0.5 - 1 / 2) / (1 - 1 / 2) * 2 - 1, -1]),
    ],
)
@pytest.mark.parametrize("fixed_ratio", [True, False])
def test_what_is_encoded_spans_the_ratio(space, expected, fixed_ratio):
    modality = Depth(target_space=space, ratio=4, fixed_ratio=fixed_ratio, low=0, high=1)
    assert encoded(modality, [3.0, 6.0, 12.0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("metres", [1e-2, 1.0, 1e3])
def test_values_are_those_of_depth_encoded_as_it_is(space, metres):
    truth = sample(metres * random_depth())
    expected = there_and_back(Depth(), truth)
    torch.testing.assert_close(there_and_back(Depth(target_space=space), truth), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("space", SPACES)
def test_values_are_the_same_beside_holes_too(space):
    depth = random_depth()
    depth[:8] = torch.nan
    truth = sample(depth, torch.rand(30, 40, generator=torch.Generator().manual_seed(1)) < 0.7)
    expected = there_and_back(Depth(), truth)
    torch.testing.assert_close(there_and_back(Depth(target_space=space), truth), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("space", SPACES)
def test_values_without_shift_are_depth_over_the_far_end(space):
    modality = Depth(target_space=space, shift_invariant=False, low=0, high=1)
    depth = random_depth(2, 30)
    torch.testing.assert_close(there_and_back(modality, sample(depth)), depth / depth.max(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("fixed_ratio", [True, False])
@pytest.mark.parametrize("farthest", [1.5, 20, 1e4])
def test_values_keep_the_order_of_depth(space, fixed_ratio, farthest):
    depth = random_depth(farthest=farthest).flatten().sort().values.view(30, 40)
    values = there_and_back(Depth(target_space=space, fixed_ratio=fixed_ratio), sample(depth)).flatten()
    assert values.diff().min() >= -1e-6
    assert values[0] == 0
    assert values[-1] == 1


@pytest.mark.parametrize("space", SPACES)
def test_the_scenes_own_range_is_exact_when_it_has_the_assumed_ratio(space):
    depth = random_depth(3, 30)
    ratio = (depth.max() / depth.min()).item()
    modality = Depth(target_space=space, fixed_ratio=False, assumed_ratio=ratio, low=0, high=1)
    expected = (depth - depth.min()) / (depth.max() - depth.min())
    torch.testing.assert_close(there_and_back(modality, sample(depth)), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("fixed_ratio", [True, False])
def test_a_scene_of_one_depth_or_none_is_encoded_and_read(space, fixed_ratio):
    modality = Depth(target_space=space, fixed_ratio=fixed_ratio)
    flat = sample(torch.full((4, 4), 3.3))
    empty = sample(torch.zeros(4, 4), torch.zeros(4, 4, dtype=torch.bool))
    for scene in (flat, empty):
        pixels, _ = modality.encode(scene)
        assert pixels.isfinite().all()
        assert pixels.unique().numel() == 1
        assert there_and_back(modality, scene).unique().numel() == 1


@pytest.mark.parametrize("space", SPACES)
def test_reading_has_a_finite_gradient_everywhere(space):
    pixels = torch.linspace(-1, 1, 48).view(1, 1, 3, 4, 4).requires_grad_()
    Depth(target_space=space).decode(pixels).square().sum().backward()
    assert pixels.grad.isfinite().all()
    assert pixels.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_space": "disparty"}, "no space named `disparty`; did you mean `disparity`"),
        ({"ratio": 1.0}, "ratio: 1.0 cannot be used"),
        ({"assumed_ratio": 0.5}, "assumed_ratio: 0.5 cannot be used"),
        ({"low": 0.9, "high": 0.1}, "low, high"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Depth(**settings)


@pytest.mark.parametrize("space", SPACES)
def test_a_checkpoint_remembers_its_space_and_opens_in_diffusers(tmp_path, space):
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    modality = Depth(target_space=space, ratio=20)
    checkpoint.save(Estimator(backbone, modality, Card("toy", "")), tmp_path / "toy")
    assert checkpoint.open(tmp_path / "toy").modality == modality
    assert isinstance(MarigoldDepthPipeline.from_pretrained(tmp_path / "toy"), MarigoldDepthPipeline)
    index = json.loads((tmp_path / "toy" / "model_index.json").read_text())
    # What diffusers shows is what is encoded: near is bright in both disparities.
    assert index["prediction_type"] == ("depth" if space == "log" else "disparity")


def test_disparity_of_others_spans_each_scenes_own_range():
    found = Depth.stored({"prediction_type": "disparity", "scale_invariant": True, "unknown": 1})
    assert found == Depth(target_space="disparity", fixed_ratio=False)


def test_the_usual_ratio_holds_rendered_scenes():
    scenes = Procedural(32, 32)
    rendered = scenes.read_many(Path(), list(scenes.scan(Path(), "test")[:16]), "cpu")
    for depth, valid in zip(rendered.maps["depth"], rendered.valid["depth"], strict=True):
        near, far = np.quantile(depth[valid].numpy(), [0.02, 0.98])
        assert far / near < Depth().ratio


@pytest.mark.parametrize("space", SPACES)
def test_the_loss_is_the_error_by_distance(space):
    # Distances 1, 2, 2, 1 in units of the near end; the answer's best line is 3/2 everywhere.
    scene = sample(torch.tensor([[3.0, 6.0, 6.0, 3.0]]))
    modality = Depth(target_space=space, low=0, high=1)
    pixels, valid = modality.encode(scene)
    shown = Batch(scene.image, pixels[None], valid[None], scene)
    values = torch.tensor([0.0, 1, 2, 3]).view(1, 1, 1, 4) / 3
    assert modality.loss(values, shown).item() == pytest.approx((0.5 + 0.25 + 0.25 + 0.5) / 4, rel=1e-5)
    assert modality.loss(modality.decode(pixels[None]), shown).item() == pytest.approx(0, abs=1e-5)
