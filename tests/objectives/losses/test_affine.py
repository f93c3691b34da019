"""Depth in metres after a fit: values by hand, and the fit as numpy finds it."""

import numpy as np
import pytest
import torch

from marigold.objectives.losses.affine import Affine, scale_and_shift
from toys.outcomes import outcome, random, value


def grey(*rows: float) -> torch.Tensor:
    """One target image [1, 1, 3, 1, W] whose decoded depth these are."""
    return (torch.tensor(rows, dtype=torch.float64) * 2 - 1).expand(1, 1, 3, 1, -1)


def metres(*rows: float) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).view(1, 1, 1, -1)


def loss(predicted: torch.Tensor, depth: torch.Tensor, **options) -> float:
    return float(value(Affine(**options), outcome(predicted, torch.zeros_like(predicted), depth=depth)))


def test_what_is_right_up_to_scale_and_shift_has_no_error():
    assert loss(grey(0.1, 0.2, 0.4, 0.8), metres(3, 4, 6, 10), low=0.0, high=1.0) == pytest.approx(0, abs=1e-9)


def test_the_error_is_in_metres():
    # The line through (0, 1), (0.5, 4), (1, 1) is level at 2: errors of 1, 2 and 1 metres.
    assert loss(grey(0.0, 0.5, 1.0), metres(1, 4, 1), low=0.0, high=1.0) == pytest.approx(4 / 3)


def test_a_scene_ten_times_as_large_counts_ten_times_as_much():
    predicted, depth = random(1, 1, 3, 4, 5, seed=1), 3 + random(1, 1, 4, 5, seed=2)
    assert loss(predicted, 10 * depth) == pytest.approx(10 * loss(predicted, depth))


def test_depth_beyond_the_quantiles_is_clipped_to_them():
    depth = metres(*range(1, 101))
    predicted = torch.linspace(0, 1, 100, dtype=torch.float64).tolist()
    clipped = depth.clamp(*np.quantile(depth.numpy(), [0.02, 0.98]).tolist())
    assert loss(grey(*predicted), depth) == pytest.approx(loss(grey(*predicted), clipped, low=0.0, high=1.0))


def test_a_constant_prediction_is_taken_as_zero_depth_and_teaches_nothing():
    predicted = grey(0.3, 0.3, 0.3).clone().requires_grad_(True)
    found = value(Affine(low=0.0, high=1.0), outcome(predicted, torch.zeros(1, 1, 3, 1, 3), depth=metres(1, 2, 6)))
    found.backward()
    assert found.item() == pytest.approx(3)
    assert predicted.grad is not None and bool((predicted.grad == 0).all())


def test_the_fit_is_that_of_numpy():
    x, y = random(3, 1, 5, 6, seed=1), random(3, 1, 5, 6, seed=2)
    valid = random(3, 1, 5, 6, seed=3) > -0.4
    scale, shift = scale_and_shift(x, y, valid)
    for number in range(3):
        line = np.polyfit(x[number][valid[number]].numpy(), y[number][valid[number]].numpy(), 1)
        assert [float(scale[number]), float(shift[number])] == pytest.approx(list(line))


def test_its_slope_flows_through_the_fit():
    # Twice the prediction is the same after the fit: along itself the loss does not change.
    predicted = random(1, 1, 3, 3, 4, seed=1).requires_grad_(True)
    depth = 3 + random(1, 1, 3, 4, seed=2)
    value(Affine(low=0.0, high=1.0), outcome(predicted, torch.zeros(1, 1, 3, 3, 4), depth=depth)).backward()
    assert predicted.grad is not None
    assert float((predicted.grad * (predicted.detach() + 1)).sum()) == pytest.approx(0, abs=1e-9)
    assert float(predicted.grad.abs().sum()) > 0.1
