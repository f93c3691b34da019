"""Scales and shifts of many maps from how pairs of them relate: lines by hand, and an independent solver."""

import numpy as np
import pytest

from marigold.measure.affine_graph import Relation, _banded_solution, relate, solve


def points(seed=0, count=2000):
    return np.random.default_rng(seed).uniform(0, 1, count)


def related(maps, apart=(1, 2, 4)):
    every = np.ones(len(maps[0]))
    pairs = [(j - d, j) for j in range(len(maps)) for d in apart if d <= j]
    return [found for i, j in pairs if (found := relate(i, j, maps[i], maps[j], every))]


def test_an_exact_line_is_found():
    x = points()
    found = relate(3, 5, x, 2 * x + 0.25, np.ones_like(x))
    assert (found.i, found.j) == (3, 5)
    assert found.ratio == pytest.approx(2)
    assert found.mean_j == pytest.approx(2 * found.mean_i + 0.25)


def test_exchanging_two_maps_inverts_their_ratio_in_spite_of_noise():
    noise = np.random.default_rng(1).normal(0, 0.05, 2000)
    x, y = points(), 0.5 * points() + noise
    there, back = (relate(0, 1, a, b, np.ones(2000)) for a, b in ((x, y), (y, x)))
    assert there.ratio * back.ratio == pytest.approx(1, rel=1e-6)


def test_a_quarter_of_outliers_does_not_bend_the_line():
    x = points()
    y = 2 * x + 0.25
    y[::4] = 0
    found = relate(0, 1, x, y, np.ones_like(x))
    assert found.ratio == pytest.approx(2, rel=0.01)


def test_points_without_weight_say_nothing():
    x = points()
    y = np.where(np.arange(2000) < 1200, 3 * x, 1 - x)
    found = relate(0, 1, x, y, (np.arange(2000) < 1200).astype(float))
    assert found.ratio == pytest.approx(3)


@pytest.mark.parametrize(("x", "weight"), [(np.full(2000, 0.5), 1.0), (points(), 0.01)])
def test_a_flat_map_and_too_few_points_have_no_relation(x, weight):
    assert relate(0, 1, x, points(2), np.full(2000, weight)) is None


def test_without_a_shift_the_ratio_is_that_of_multiples():
    x = points()
    found = relate(0, 1, x, 1.5 * x, np.ones_like(x), shift=False)
    assert (found.ratio, found.mean_i, found.mean_j) == (pytest.approx(1.5), 0, 0)


def test_all_maps_are_brought_together():
    rng = np.random.default_rng(0)
    scales, shifts = np.exp(rng.normal(0, 0.3, 20)), rng.normal(0, 0.2, 20)
    maps = [(points() - shift) / scale for scale, shift in zip(scales, shifts, strict=True)]
    found = solve(20, related(maps))
    together = np.stack([scale * map_ + shift for scale, shift, map_ in zip(*found, maps, strict=True)])
    assert np.ptp(together, axis=0).max() < 1e-4
    assert np.log(found[0]).mean() == pytest.approx(0, abs=1e-9)
    assert found[1].mean() == pytest.approx(0, abs=1e-9)


def test_a_pair_that_all_others_contradict_loses_its_weight():
    maps = [points() for _ in range(12)]
    wrong = Relation(4, 8, 3.0, 0.5, 0.5, related(maps)[0].certainty, 0.0)
    scales, _ = solve(12, [*related(maps), wrong])
    assert np.abs(scales - 1).max() < 0.01


def test_without_relations_maps_stay_as_they_are():
    scales, shifts = solve(5, [])
    np.testing.assert_array_equal(scales, 1)
    np.testing.assert_array_equal(shifts, 0)


def test_a_map_without_relation_is_as_the_one_before_it():
    relations = [Relation(0, 1, 2.0, 0.5, 1.0, 1.0, 1.0)]
    scales, _ = solve(3, relations)
    assert scales[0] / scales[1] == pytest.approx(2, rel=1e-4)
    assert scales[2] == pytest.approx(scales[1], rel=1e-4)


def test_banded_systems_are_solved_as_numpy_solves_them():
    rng, count, width = np.random.default_rng(0), 30, 4
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    lower = np.tril(rng.normal(size=(count, count))) * (apart <= width) + 4 * np.eye(count)
    matrix, right = lower @ lower.T, rng.normal(size=count)
    band = np.zeros((width + 1, count))
    for d in range(width + 1):
        band[d, : count - d] = np.diag(matrix, -d)
    np.testing.assert_allclose(_banded_solution(band, right), np.linalg.solve(matrix, right), atol=1e-12)
