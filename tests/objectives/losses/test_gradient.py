"""Multi-scale gradients: values by hand."""

import pytest
import torch

from marigold.objectives.losses.gradient import Gradient
from toys.outcomes import outcome, random, value


def ramp(slope: float, side: int = 8) -> torch.Tensor:
    """An image [1, 1, 3, side, side] that rises to the right."""
    return (slope * torch.arange(side, dtype=torch.float64)).expand(1, 1, 3, side, side)


def loss(predicted: torch.Tensor, truth: torch.Tensor, scales: int, valid: torch.Tensor | None = None) -> float:
    return float(value(Gradient(scales), outcome(predicted, truth, valid)))


def test_a_shift_costs_nothing():
    truth = random(1, 1, 3, 8, 8, seed=1)
    assert loss(truth + 0.3, truth, 4) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("scales", "expected"), [(1, 7 / 8), (2, 7 / 8 + 2 * 3 / 4), (3, 7 / 8 + 2 * 3 / 4 + 4 / 2)])
def test_an_error_that_rises_by_one_a_pixel(scales, expected):
    # At scale k the 8 / 2^k columns rise by 2^k, and one of them has no neighbour.
    assert loss(ramp(1.0), torch.zeros(1, 1, 3, 8, 8, dtype=torch.float64), scales) == pytest.approx(expected)


def test_down_counts_as_right_does():
    truth = torch.zeros(1, 1, 3, 8, 8, dtype=torch.float64)
    assert loss(ramp(1.0).transpose(-1, -2), truth, 3) == pytest.approx(loss(ramp(1.0), truth, 3))


def test_a_pair_counts_where_both_of_its_pixels_are_valid():
    # Of four columns the third is not valid: one pair of the first two is left, and three valid pixels a row.
    valid = torch.ones(1, 1, 1, 4, 4, dtype=torch.bool)
    valid[..., 2] = False
    truth = torch.zeros(1, 1, 3, 4, 4, dtype=torch.float64)
    assert loss(ramp(1.0, 4), truth, 1, valid) == pytest.approx(1 / 3)


def test_scales_beyond_the_image_add_nothing():
    truth = torch.zeros(1, 1, 3, 8, 8, dtype=torch.float64)
    assert loss(ramp(1.0), truth, 6) == pytest.approx(loss(ramp(1.0), truth, 3))
