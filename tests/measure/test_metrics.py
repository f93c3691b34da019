"""Error measures against numbers worked out by hand."""

import math

import pytest
import torch

from marigold.core.errors import DataError
from marigold.measure.metrics import (
    ANGLES,
    DEPTH_METRICS,
    NORMALS_METRICS,
    PART,
    angular_error,
    depth_metrics,
    depth_tallies,
    normals_metrics,
    normals_tallies,
    psnr,
    require_valid,
)
from marigold.measure.tally import merge

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
    assert result["rmse_angle"].item() == pytest.approx(math.sqrt((4 + 36 + 100 + 1600) / 4))
    assert [result[f"below_{angle:g}"].item() for angle in ANGLES] == pytest.approx([0.25, 0.5, 0.75, 0.75, 0.75])


def pooled(parts):
    return {name: tally.mean for name, tally in merge(parts).items()}


def cut(map_, columns):
    return map_[..., columns]


LEFT, RIGHT = slice(0, 1), slice(1, 4)


def test_depth_pooled_over_pixels_is_that_of_all_pixels_as_one_image():
    parts = [
        depth_tallies(cut(PREDICTION, part), cut(TRUTH, part), cut(VALID, part), "pixel") for part in (LEFT, RIGHT)
    ]
    assert pooled(parts) == pytest.approx(scores())
    assert list(parts[0]) == [metric.name for metric in DEPTH_METRICS]


def test_depth_pooled_over_images_is_the_mean_of_their_scores():
    # The left image is perfect, the right one has relative errors of 1/2 and 2/4.
    parts = [
        depth_tallies(cut(PREDICTION, part), cut(TRUTH, part), cut(VALID, part), "image") for part in (LEFT, RIGHT)
    ]
    assert pooled(parts)["abs_rel"] == pytest.approx((0 + 1 / 2) / 2)
    assert pooled(parts)["rmse"] == pytest.approx((0 + math.sqrt(5 / 2)) / 2)


def test_a_map_of_several_parts_is_scored_whole():
    truth = torch.ones(1, 2 * PART + 3)
    prediction = torch.ones(1, 2 * PART + 3)
    prediction[0, 0], prediction[0, PART], prediction[0, -1] = 2, 3, 5
    found = depth_metrics(prediction, truth, torch.ones_like(truth, dtype=torch.bool))
    assert found["abs_rel"].item() * (2 * PART + 3) == pytest.approx(1 + 2 + 4)
    assert (1 - found["delta3"].item()) * (2 * PART + 3) == pytest.approx(3)


def tilted(*degrees):
    angles = torch.tensor(degrees).double().deg2rad()
    return torch.stack([angles.sin(), torch.zeros_like(angles), angles.cos()])[:, None]


def test_normals_pooled_over_pixels_are_those_of_all_pixels_as_one_image():
    images, truth = [tilted(2.0, 6.0, 8.0), tilted(40.0, 3.0, 10.0, 170.0)], torch.tensor([0, 0, 1.0]).view(3, 1, 1)
    masks = [torch.ones(1, 1, 3, dtype=torch.bool), torch.tensor([[[True, True, True, False]]])]
    parts = [
        normals_tallies(image, truth.expand_as(image), mask, "pixel") for image, mask in zip(images, masks, strict=True)
    ]
    angles = [2, 3, 6, 8, 10, 40]
    assert pooled(parts)["mean_angle"] == pytest.approx(sum(angles) / 6)
    assert pooled(parts)["rmse_angle"] == pytest.approx(math.sqrt(sum(a * a for a in angles) / 6))
    assert pooled(parts)["median_angle"] == pytest.approx(7, abs=0.00501)
    assert pooled(parts)["below_7.5"] == pytest.approx(3 / 6)
    assert list(parts[0]) == [metric.name for metric in NORMALS_METRICS]


def test_normals_pooled_over_images_average_their_medians():
    images, truth = [tilted(2.0, 6.0, 8.0), tilted(40.0, 3.0, 10.0)], torch.tensor([0, 0, 1.0]).view(3, 1, 1)
    valid = torch.ones(1, 1, 3, dtype=torch.bool)
    parts = [normals_tallies(image, truth.expand_as(image), valid, "image") for image in images]
    assert pooled(parts)["median_angle"] == pytest.approx((6 + 10) / 2)


@pytest.mark.parametrize("pooling", ["image", "pixel"])
def test_pooling_refuses_an_empty_mask(pooling):
    with pytest.raises(DataError, match="no valid pixel"):
        depth_tallies(TRUTH, TRUTH, torch.zeros_like(VALID), pooling)
    with pytest.raises(DataError, match="no valid pixel"):
        normals_tallies(tilted(1.0), tilted(1.0), torch.zeros(1, 1, 1, dtype=torch.bool), pooling)


@pytest.mark.parametrize(("ratio", "shares"), [(1.24, [1, 1, 1]), (1.3, [0, 1, 1]), (1.6, [0, 0, 1]), (2, [0, 0, 0])])
def test_every_threshold_is_a_power_of_its_own(ratio, shares):
    for prediction, truth in ((ratio, 1.0), (1.0, ratio)):
        pair = torch.full((1, 1), prediction), torch.full((1, 1), truth)
        result = depth_metrics(*pair, torch.ones(1, 1, dtype=torch.bool))
        assert [result[f"delta{k}"].item() for k in (1, 2, 3)] == shares


def test_the_metrics_are_those_of_the_tables():
    assert [metric.name for metric in DEPTH_METRICS] == (
        ["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "i_rmse", "silog", "delta1", "delta2", "delta3"]
    )
    assert [metric.name for metric in NORMALS_METRICS] == (
        ["mean_angle", "median_angle", "rmse_angle", "below_5", "below_7.5", "below_11.25", "below_22.5", "below_30"]
    )
    better = {metric.name for metric in (*DEPTH_METRICS, *NORMALS_METRICS) if metric.higher_is_better}
    assert better == {"delta1", "delta2", "delta3", "below_5", "below_7.5", "below_11.25", "below_22.5", "below_30"}
