"""Uncertainty against errors: by hand, by loops, by scipy and by numerical integration."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm, spearmanr

from marigold.measure.tally import Tally, risk
from marigold.measure.uncertainty import (
    ence,
    gaussian_crps,
    gaussian_nll,
    risk_area,
    sparsification,
    spearman,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double()


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values).double()


def test_areas_of_three_pixels():
    # Errors 1, 2, 3 of mean 2. Left out by uncertainty, 1 goes first, then 3, then 2; by error 3, 2, 1.
    found = sparsification(tensor(1, 2, 3), tensor(9, 1, 5))
    by_uncertainty, by_error = (2 + 2.5 + 2) / 3, (2 + 1.5 + 1) / 3
    assert found["ause"].item() == pytest.approx((by_uncertainty - by_error) / 2)
    assert found["aurg"].item() == pytest.approx(1 - by_uncertainty / 2)


def test_an_uncertainty_in_the_order_of_the_errors_is_perfect():
    error = random(50)
    perfect = sparsification(error, error.square())
    worst = sparsification(error, -error)
    assert perfect["ause"].item() == pytest.approx(0, abs=1e-12)
    assert perfect["aurg"].item() > 0 > worst["aurg"].item()


def test_an_uncertainty_that_is_the_same_everywhere_is_chance():
    error = random(50)
    assert sparsification(error, torch.ones(50))["aurg"].item() == pytest.approx(0, abs=1e-12)


def test_equal_uncertainties_are_left_out_in_any_order():
    error, stated = tensor(1, 5, 3, 2), tensor(2, 1, 1, 0)
    order = [2, 1, 3, 0]
    one, other = sparsification(error, stated), sparsification(error[order], stated[order])
    assert one["ause"].item() == pytest.approx(other["ause"].item(), rel=1e-12)
    # 5 and 3 share an uncertainty, so that both count as 4.
    by_uncertainty = (11 / 4 + 10 / 3 + 6 / 2 + 2) / 4
    assert one["aurg"].item() == pytest.approx(1 - by_uncertainty / (11 / 4))


def test_a_prediction_without_error_has_no_areas():
    assert all(value.isnan() for value in sparsification(torch.zeros(4).double(), random(4)).values())


@pytest.mark.parametrize("levels", [3, 1000])
def test_rank_correlation_is_scipys(levels):
    x, y = (random(200, seed=1) * levels).floor(), (random(200, seed=2) * levels).floor()
    y = y + x
    assert spearman(x, y).item() == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic, rel=1e-12)


def test_a_constant_has_no_rank_correlation():
    assert spearman(torch.ones(5), random(5)).isnan()


def test_calibration_by_bins_of_equal_size():
    # Two bins: sigmas 1, 1 with residuals 2, 2 and sigmas 4, 4 with residuals 3, -5.
    residual, sigma = tensor(3, 2, -5, -2), tensor(4, 1, 4, 1)
    expected = (abs(1 - 2) / 1 + abs(4 - math.sqrt((9 + 25) / 2)) / 4) / 2
    assert ence(residual, sigma, bins=2).item() == pytest.approx(expected)
    assert ence(sigma, sigma).item() == 0
    assert ence(3 * sigma, sigma).item() == pytest.approx(2)


def test_likelihood_is_scipys():
    residual, sigma = random(20) - 0.5, random(20, seed=1) + 0.1
    expected = -norm.logpdf(residual.numpy(), scale=sigma.numpy())
    np.testing.assert_allclose(gaussian_nll(residual, sigma).numpy(), expected)


@pytest.mark.parametrize(("residual", "sigma"), [(0.0, 1.0), (0.7, 0.4), (-2.0, 0.9)])
def test_crps_is_the_integral_of_the_squared_difference_of_distributions(residual, sigma):
    below, _ = quad(lambda x: norm.cdf(x, scale=sigma) ** 2, -20, residual)
    above, _ = quad(lambda x: (1 - norm.cdf(x, scale=sigma)) ** 2, residual, 20)
    assert gaussian_crps(tensor(residual), tensor(sigma)).item() == pytest.approx(below + above, rel=1e-6)


def test_crps_of_a_sure_answer_is_its_absolute_error():
    assert gaussian_crps(tensor(-0.3), tensor(1e-9)).item() == pytest.approx(0.3)


def test_risk_is_the_mean_error_of_the_images_kept():
    # Most certain first: errors 1, 4, 1.
    area = risk_area(tensor(4, 1, 1), tensor(0.2, 0.1, 0.3))
    assert area.item() == pytest.approx((1 + 5 / 2 + 6 / 3) / 3)


def test_risk_of_images_merges_in_any_order():
    parts = [risk(0.2, 4), risk(0.1, 1), risk(0.3, 1), risk(0.1, 1)]
    one = sum(parts, Tally()).mean
    other = ((parts[3] + parts[2]) + (parts[1] + parts[0])).mean
    assert one == other == pytest.approx((1 + 1 + 6 / 3 + 7 / 4) / 4)
    assert risk(0.5, 3).mean == 3
