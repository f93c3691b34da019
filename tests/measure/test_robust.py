"""Robust lines against linear programming, closed forms and numpy."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from marigold.measure.robust import IRLS_POINTS, least_absolute, median_of, ransac


def least_sum(x, y):
    """The least sum of absolute deviations of a line, by linear programming: y - (a x + b) = up - down."""
    count = len(x)
    columns = np.hstack([x[:, None], np.ones((count, 1)), np.eye(count), -np.eye(count)])
    cost = np.concatenate([[0, 0], np.ones(2 * count)])
    return linprog(cost, A_eq=columns, b_eq=y, bounds=[(None, None)] * 2 + [(0, None)] * 2 * count).fun


def points(seed, count, outliers):
    rng = np.random.default_rng(seed)
    x = rng.random(count)
    y = 3 * x + 2 + 0.05 * rng.normal(size=count)
    y[: int(outliers * count)] += 20 * rng.random(int(outliers * count))
    return x, y


@pytest.mark.parametrize(("seed", "outliers"), [(0, 0.0), (1, 0.2), (2, 0.45)])
def test_the_sum_of_absolute_deviations_is_the_least(seed, outliers):
    x, y = points(seed, 150, outliers)
    scale, shift = least_absolute(torch.from_numpy(x), torch.from_numpy(y))
    assert np.abs(scale * x + shift - y).sum() == pytest.approx(least_sum(x, y), rel=1e-3)


def test_all_points_count_when_there_are_more_than_the_subset():
    # Every second point, which an even subset of these would leave out, lies on another line; one more lies on it.
    count = 2 * IRLS_POINTS + 1
    x = torch.linspace(0, 1, count).double()
    y = torch.where(torch.arange(count) % 2 == 0, 2 * x, 2 * x + 1)
    scale, shift = least_absolute(x, y)
    assert scale == pytest.approx(2, abs=1e-3)
    found = (scale * x + shift - y).abs().sum().item()
    assert found == pytest.approx(IRLS_POINTS, rel=1e-3)


def test_lines_of_no_point_one_point_and_one_place():
    none, one = torch.zeros(0).double(), torch.ones(1).double()
    for fit in (least_absolute, ransac):
        assert fit(none, none) == (0, 0)
        assert fit(one, 5 * one) == (0, 5)
        scale, shift = fit(torch.ones(5).double(), torch.tensor([1.0, 1, 1, 1, 1]).double())
        assert (scale, shift) == (0, 1)


def test_ransac_fits_the_majority_by_least_squares_and_nothing_else():
    x, y = points(3, 400, 0)
    wrong = y.copy()
    wrong[:160] += 30 + 20 * x[:160]
    # Every right point is within the threshold, the median absolute deviation; no wrong one is.
    assert np.abs(3 * x + 2 - y).max() < np.median(np.abs(wrong - np.median(wrong))) / 2 < 15
    found = ransac(torch.from_numpy(x), torch.from_numpy(wrong))
    assert found == pytest.approx(tuple(np.polyfit(x[160:], y[160:], 1)), rel=1e-9)


def test_ransac_is_the_same_every_time():
    x, y = (torch.from_numpy(some) for some in points(4, 300, 0.3))
    torch.manual_seed(1)
    first = ransac(x, y)
    torch.manual_seed(2)
    assert ransac(x, y) == first


def test_ransac_of_a_truth_that_is_mostly_one_value():
    x = torch.linspace(0, 1, 100).double()
    y = torch.full((100,), 4.0).double()
    y[:20] = 9
    scale, shift = ransac(x, y)
    assert (scale, shift) == (pytest.approx(0, abs=1e-6), pytest.approx(4, abs=1e-6))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11])
def test_the_median_is_numpys(count):
    values = np.random.default_rng(count).integers(0, 5, count).astype(float)
    assert median_of(torch.from_numpy(values)) == np.median(values)


def test_the_median_of_nothing_is_zero():
    assert median_of(torch.zeros(0)) == 0


def test_ransac_of_a_steep_line_far_from_zero():
    x, y = points(5, 400, 0)
    x = x / 10 + 10
    y[:100] -= 40
    found = ransac(torch.from_numpy(x), torch.from_numpy(y))
    assert found == pytest.approx(tuple(np.polyfit(x[100:], y[100:], 1)), rel=1e-6)
