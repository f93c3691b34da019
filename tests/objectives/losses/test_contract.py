"""What every loss promises: the slope that differences show, nothing without a valid pixel, nothing for the truth."""

import dataclasses

import pytest
import torch
from torch import nn

from marigold.core.errors import ConfigError
from marigold.core.find import implementation, name_of, names
from marigold.objectives.losses.base import MapLoss, Outcome
from marigold.objectives.losses.sink import Sink
from toys.outcomes import ExactDepth, ExactLighting, ExactNormals, outcome, random, value

FOR_MAPS = {"angle": ExactNormals(), "value": ExactNormals(), "recomposition": ExactLighting()}
OPTIONS = {"gradient": {"scales": 2}, "sink": {"block": 3}}


class Convolved(nn.Module):
    """Stands for a network of features: one smooth layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layer = nn.Conv2d(3, 4, 3).double().requires_grad_(False)

    def forward(self, images):
        return [self.layer(images).tanh()]


class Case:
    """A loss with a modality that it suits, and outcomes of two samples of 6 x 7 pixels."""

    def __init__(self, name: str) -> None:
        self.loss = implementation(MapLoss, name)(**OPTIONS.get(name, {}))
        self.modality = FOR_MAPS.get(name, ExactDepth())
        self.kept = Convolved()
        targets = len(self.modality.targets)
        self.pixels, self.truth = random(2, targets, 3, 6, 7, seed=1), random(2, targets, 3, 6, 7, seed=2)
        self.maps = {"depth": 2 + random(2, 1, 6, 7, seed=3)} if "depth" in self.loss.fields else {}

    def outcome(self, pixels: torch.Tensor, valid: torch.Tensor | None = None) -> Outcome:
        return outcome(pixels, self.truth, valid, **self.maps)

    def value(self, shown: Outcome) -> torch.Tensor:
        return value(self.loss, shown, self.modality, self.kept)

    def mask(self, filled: bool) -> torch.Tensor:
        return torch.full((2, len(self.modality.targets), 1, 6, 7), filled)


@pytest.fixture(params=names(MapLoss))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_its_slope_is_that_of_finite_differences(case):
    valid = case.mask(True)
    valid[0, :, :, 2, 3] = valid[1, :, :, :, :2] = False

    def loss(pixels: torch.Tensor) -> torch.Tensor:
        return case.value(case.outcome(pixels, valid))

    assert torch.autograd.gradcheck(loss, (case.pixels.requires_grad_(True),), eps=1e-6, atol=1e-5, rtol=1e-3)


def test_without_a_valid_pixel_it_is_zero_and_so_is_its_slope(case):
    pixels = case.pixels.requires_grad_(True)
    loss = case.value(case.outcome(pixels, case.mask(False)))
    loss.backward()
    assert loss.item() == 0
    assert pixels.grad is None or bool((pixels.grad == 0).all())


def test_a_sample_without_a_valid_pixel_changes_nothing_beside_another_one(case):
    valid = case.mask(True)
    valid[1] = False
    pixels = case.pixels.requires_grad_(True)
    shown = case.outcome(pixels, valid)
    loss = case.value(shown)
    loss.backward()
    assert bool(loss.isfinite())
    assert pixels.grad is not None and bool(pixels.grad.isfinite().all())
    assert bool((pixels.grad[1] == 0).all())


def test_what_is_not_valid_may_be_no_number(case):
    valid, pixels = case.mask(True), case.pixels.clone()
    valid[:, :, :, 0, 0] = False
    expected = case.value(case.outcome(pixels, valid))
    for map_ in case.maps.values():
        map_[..., 0, 0] = torch.nan
    torch.testing.assert_close(case.value(case.outcome(pixels, valid)), expected)


def test_it_is_found_by_its_name(case):
    assert type(case.loss) is implementation(MapLoss, name_of(case.loss))


@pytest.mark.parametrize("name", ["angle", "feature", "gradient", "latent", "value"])
def test_the_truth_has_no_error(name):
    case = Case(name)
    assert float(case.value(case.outcome(case.truth))) == pytest.approx(0, abs=1e-7)


NUMBERS = [
    (name, field.name)
    for name in names(MapLoss)
    for field in dataclasses.fields(implementation(MapLoss, name))
    if type(field.default) in (int, float)
]


def test_there_are_such_numbers():
    assert len(NUMBERS) >= 8


@pytest.mark.parametrize(("name", "field"), NUMBERS)
@pytest.mark.parametrize("wrong", [-1, 1e300, float("nan"), float("inf"), "1", None, [1]])
def test_a_number_out_of_its_ends_is_refused_by_name(name, field, wrong):
    with pytest.raises(ConfigError, match=f"{field}: .* cannot be used; it must be "):
        implementation(MapLoss, name)(**{field: wrong})


def test_a_temperature_near_zero_is_refused():
    with pytest.raises(ConfigError, match=r"sink: temperature: 0.0 cannot be used; it must be at least 0\.001"):
        Sink(temperature=0.0)
