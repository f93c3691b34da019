"""Transport of values in blocks: limits that are known, and Sinkhorn's iterations in numpy, without logarithms."""

from itertools import permutations

import numpy as np
import pytest
import torch

from marigold.objectives.losses.sink import Sink, transport
from toys.outcomes import outcome, random, value


def loss(predicted: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor | None = None, **options) -> float:
    return float(value(Sink(**options), outcome(predicted, truth, valid)))


def grey(rows: torch.Tensor) -> torch.Tensor:
    """[H, W] as a target image [1, 1, 3, H, W]."""
    return rows.double().expand(1, 1, 3, *rows.shape)


def of_numpy(p: np.ndarray, q: np.ndarray, iterations: int, temperature: float) -> float:
    """The mean cost of a plan by scaling rows and columns of the kernel in turn; p and q are [P, C]."""
    cost = np.abs(p[:, None] - q[None]).mean(axis=-1)
    kernel, u, v = np.exp(-cost / temperature), np.ones(len(p)), np.ones(len(q))
    for _ in range(iterations):
        u = 1 / len(p) / (kernel @ v)
        v = 1 / len(q) / (kernel.T @ u)
    plan = u[:, None] * kernel * v
    return float((plan * cost).sum() / plan.sum())


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_one_block_is_as_numpy_has_it(temperature):
    predicted, truth = random(1, 1, 3, 5, 5, seed=1), random(1, 1, 3, 5, 5, seed=2)
    p, q = (x[0, 0].flatten(1).T.numpy() for x in (predicted, truth))
    assert loss(predicted, truth, temperature=temperature) == pytest.approx(of_numpy(p, q, 5, temperature), rel=1e-9)


def test_pixels_that_are_not_valid_have_no_mass():
    predicted, truth = random(1, 1, 3, 3, 3, seed=1), random(1, 1, 3, 3, 3, seed=2)
    valid = torch.tensor([1, 1, 0, 1, 0, 1, 1, 1, 1], dtype=torch.bool)
    p, q = (x[0, 0].flatten(1).T[valid].numpy() for x in (predicted, truth))
    found = loss(predicted, truth, valid.view(1, 1, 1, 3, 3), block=3)
    assert found == pytest.approx(of_numpy(p, q, 5, 0.1), rel=1e-9)


def test_blocks_of_one_pixel_are_the_absolute_error():
    predicted, truth = random(2, 1, 3, 4, 5, seed=1), random(2, 1, 3, 4, 5, seed=2)
    assert loss(predicted, truth, block=1) == pytest.approx(float((predicted - truth).abs().mean()))


def test_a_hot_plan_pairs_every_pixel_with_every_other():
    predicted, truth = random(1, 1, 3, 3, 3, seed=1), random(1, 1, 3, 3, 3, seed=2)
    p, q = (x[0, 0].flatten(1).T for x in (predicted, truth))
    expected = float((p[:, None] - q[None]).abs().mean())
    assert loss(predicted, truth, block=3, temperature=100.0) == pytest.approx(expected, rel=1e-2)


def test_a_cold_plan_pairs_the_values_in_the_cheapest_way():
    p, q = random(1, 4, 1, seed=1), random(1, 4, 1, seed=2)
    valid = torch.ones(1, 4, dtype=torch.bool)
    cheapest = min(float((p[0] - q[0, list(order)]).abs().mean()) for order in permutations(range(4)))
    assert float(transport(p, q, valid, 1000, 2e-3)) == pytest.approx(cheapest, abs=1e-4)


def test_an_edge_that_is_a_pixel_off_costs_next_to_nothing_and_a_soft_one_does():
    columns = torch.arange(5)
    truth, shifted = (grey(columns.ge(first).double().expand(5, 5) * 1.6 - 0.8) for first in (2, 3))
    soft = truth.clone()
    soft[..., 1:4] = torch.tensor([-0.4, 0.0, 0.4], dtype=torch.float64)
    # Pixel by pixel the soft edge would have the smaller error.
    assert float((shifted - truth).abs().mean()) == pytest.approx(1.6 / 5)
    assert float((soft - truth).abs().mean()) == pytest.approx((0.4 + 0.8 + 0.4) / 5)
    assert loss(shifted, truth) < 1e-3
    # The middle column is 0.8 away from both surfaces, and its neighbours 0.4 from one.
    assert loss(soft, truth) > 0.2


def test_where_in_its_block_a_value_is_does_not_matter():
    truth = random(1, 1, 3, 5, 5, seed=1)
    moved = truth.flip(-1).roll(2, dims=-2)
    assert loss(moved, truth) == pytest.approx(loss(truth, truth))


def test_blocks_that_the_image_ends_in_count_with_what_they_have():
    predicted, truth = random(1, 1, 3, 5, 7, seed=1), random(1, 1, 3, 5, 7, seed=2)
    whole = loss(predicted[..., :5], truth[..., :5])
    rest = [x[0, 0, :, :, 5:].flatten(1).T.numpy() for x in (predicted, truth)]
    assert loss(predicted, truth) == pytest.approx((whole + of_numpy(*rest, 5, 0.1)) / 2, rel=1e-9)
