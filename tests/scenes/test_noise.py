"""Noise has the gradient it claims, stays in range, and cells are the nearest centres."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from marigold_scenes.hashing import lattice_bits, three_bytes
from marigold_scenes.noise import cells, fade, octaves, simplex

POINTS = torch.rand(3, 4000, generator=torch.Generator().manual_seed(1)) * 12 - 4
SEED = torch.full((4000,), 9, dtype=torch.int32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_gradient_of_simplex_noise_is_its_slope(axis):
    step = torch.zeros(3, 1)
    step[axis] = 0.01
    slope = (simplex(POINTS + step, SEED)[0] - simplex(POINTS - step, SEED)[0]) / 0.02
    torch.testing.assert_close(simplex(POINTS, SEED)[1][axis], slope, atol=0.02, rtol=0)


def test_simplex_noise_is_balanced_and_fills_its_range():
    value, _ = simplex(POINTS, SEED)
    assert abs(value.mean()) < 0.02
    assert 0.6 < value.abs().max() < 1.2


def test_noise_is_continuous_across_cells():
    line = torch.linspace(-3, 3, 4000)
    value, gradient = simplex(torch.stack([line, 0.3 * line, -0.7 * line]), SEED)
    assert value.diff().abs().max() < 6 / 4000 * gradient.norm(dim=0).max() * 1.3


def test_another_seed_gives_other_noise():
    other, _ = simplex(POINTS, SEED + 1)
    assert abs(np.corrcoef(simplex(POINTS, SEED)[0], other)[0, 1]) < 0.1


def test_the_gradient_of_octaves_is_their_slope_per_period():
    period, footprint = torch.full((4000,), 0.7), torch.full((4000,), 1e-4)
    step = torch.tensor([[0.0], [0.002], [0.0]])
    above, below = (octaves(POINTS + s, period, footprint, SEED, 3)[0] for s in (step, -step))
    slope = octaves(POINTS, period, footprint, SEED, 3)[1][1]
    torch.testing.assert_close(slope, (above - below) / 0.004 * 0.7, atol=0.03, rtol=0)


def test_octaves_vanish_when_their_period_is_below_two_pixels():
    period, footprint = torch.full((4000,), 0.1), torch.full((4000,), 0.1)
    value, slope = octaves(POINTS, period, footprint, SEED, 4)
    assert value.abs().max() == 0
    assert slope.abs().max() == 0


def test_detail_fades_between_two_and_four_pixels():
    footprint = torch.tensor([0.5, 0.25, 1 / 3, 0.1, 10.0])
    torch.testing.assert_close(fade(1.0, footprint), torch.tensor([0.0, 1.0, 0.5, 1.0, 0.0]))


def test_cells_are_those_of_the_nearest_two_centres():
    side = torch.arange(-6, 11, dtype=torch.int32)
    lattice = torch.stack(torch.meshgrid(side, side, side, indexing="ij")).flatten(1)
    bits = lattice_bits(*lattice, torch.tensor(9, dtype=torch.int32))
    centres = (lattice + 0.15 + 0.7 * three_bytes(bits)).T.numpy()
    distance, index = cKDTree(centres).query(POINTS.T.numpy(), k=2)
    found = cells(POINTS, SEED)
    same = np.isclose(found.nearest.numpy(), distance[:, 0], atol=1e-4)
    assert same.mean() > 0.99
    assert np.isclose(found.edge.numpy(), distance[:, 1] - distance[:, 0], atol=1e-4).mean() > 0.9
    assert (found.bits.numpy() == bits.numpy()[index[:, 0]])[same].all()
    torch.testing.assert_close(found.away.norm(dim=0), found.nearest, atol=1e-3, rtol=0)
