"""Error measures against numbers worked out by hand."""

import math

import pytest
import torch

from marigold.core.errors import DataError
from marigold.measure.metrics import (
    ANGLES,
    DEPTH_METRICS,
    angular_error,
    depth_metrics,
    normals_metrics,
    psnr,
    require_valid,
)

TRUTH = torch.tensor([[1.0, 2.0, 4.0, 5.0]])
PREDICTION = torch.tensor([[1.0, 3.0, 2.0, 99.0]])
VALID = torch.tensor([[True, True, True, False]])


def scores() -> dict[str, float]:
    return {name: value.item() for name, value in depth_metrics(PREDICTION, TRUTH, VALID).items()}


def test_relative_and_squared_errors():
    # Errors 0, 1, -2 at depths 1, 2, 4.
    assert scores()["abs_rel"] == pytest.approx((0 + 1 / 2 + 2 / 4) / 3)
    assert scores()["sq_rel"] == pytest.approx((0 + 1 / 2 + 4 / 4) / 3)
    assert scores()["rmse"] == pytest.approx(math.sqrt((0 + 1 + 4) / 3))
    assert scores()["i_rmse"] == pytest.approx(math.sqrt((0 + (1 / 3 - 1 / 2) ** 2 + (1 / 2 - 1 / 4) ** 2) / 3))


def test_logarithmic_errors():
    # Logarithms of the ratios 1, 3/2, 1/2.
    logs = [0, math.log(1.5), -math.log(2)]
    mean, square = sum(logs) / 3, sum(x * x for x in logs) / 3
    assert scores()["rmse_log"] == pytest.approx(math.sqrt(square))
    assert scores()["log10"] == pytest.approx((math.log10(1.5) + math.log10(2)) / 3)
    assert scores()["silog"] == pytest.approx(100 * math.sqrt(square - mean**2))


def test_shares_within_a_factor():
    # Ratios 1, 1.5, 2 against 1.25, 1.5625, 1.953125.
    assert [scores()[f"delta{k}"] for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])


def test_a_ratio_of_exactly_the_threshold_is_outside():
    result = depth_metrics(torch.tensor([[1.25]]), torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool))
    assert result["delta1"].item() == 0


def test_every_named_depth_metric_is_given():
    assert list(scores()) == [metric.name for metric in DEPTH_METRICS]


def test_each_image_of_a_batch_has_its_own_score():
    pair = depth_metrics(torch.stack([PREDICTION, TRUTH]), torch.stack([TRUTH, TRUTH]), torch.stack([VALID, VALID]))
    assert pair["abs_rel"].tolist() == pytest.approx([1 / 3, 0])
    assert pair["delta1"].tolist() == pytest.approx([1 / 3, 1])


def test_a_global_factor_costs_no_scale_invariant_error():
    result = depth_metrics(TRUTH * 3, TRUTH, VALID)
    assert result["silog"].item() == pytest.approx(0, abs=1e-5)
    assert result["abs_rel"].item() == pytest.approx(2)


def test_one_empty_mask_in_a_batch_raises():
    valid = torch.ones(2, 3, 3, dtype=torch.bool)
    valid[1] = False
    with pytest.raises(DataError, match="no valid pixel"):
        require_valid(valid)


def test_psnr_of_an_error_of_a_tenth_is_20_decibel():
    truth = torch.full((3, 4, 4), 0.5)
    assert psnr(truth + 0.1, truth, torch.ones(1, 4, 4, dtype=torch.bool)).item() == pytest.approx(20, abs=1e-5)


def test_psnr_ignores_masked_pixels_and_has_a_ceiling():
    prediction = torch.zeros(3, 1, 2)
    prediction[:, 0, 1] = 1
    assert psnr(prediction, torch.zeros(3, 1, 2), torch.tensor([[[True, False]]])).item() == 100


def test_known_angles():
    x, y = torch.tensor([1.0, 0, 0]).view(3, 1, 1), torch.tensor([0, 2.0, 0]).view(3, 1, 1)
    assert angular_error(x, y).item() == pytest.approx(90)
    assert angular_error(x, -x).item() == pytest.approx(180)
    assert angular_error(x, x * 7).item() == 0


def test_small_angles_keep_their_digits():
    tiny = math.radians(1e-5)
    a = torch.tensor([0, 0, 1.0]).double().view(3, 1, 1)
    b = torch.tensor([math.sin(tiny), 0, math.cos(tiny)]).double().view(3, 1, 1)
    assert angular_error(a, b).item() == pytest.approx(1e-5, rel=1e-9)


def test_normals_scores_of_four_known_angles():
    degrees = torch.tensor([2.0, 6.0, 10.0, 40.0, 170.0]).double()
    prediction = torch.stack([degrees.deg2rad().sin(), torch.zeros(5), degrees.deg2rad().cos()])[:, None]
    truth = torch.tensor([0, 0, 1.0]).view(3, 1, 1).expand(3, 1, 5)
    valid = torch.tensor([[[True, True, True, True, False]]])
    result = normals_metrics(prediction, truth, valid)
    assert result["mean_angle"].item() == pytest.approx(58 / 4)
    assert result["median_angle"].item() == pytest.approx(8)
    assert [result[f"below_{angle:g}"].item() for angle in ANGLES] == pytest.approx([0.25, 0.5, 0.75, 0.75, 0.75])
