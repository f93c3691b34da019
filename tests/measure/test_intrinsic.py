"""Median merges, and errors of light up to its scale."""

import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.measure.intrinsic import best_scale, exposed, exposure, mean_absolute_error, merge
from marigold.measure.metrics import psnr


def light_psnr(prediction: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return psnr(*exposed(prediction, truth, valid), valid)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_members_merge_like_numpy_medians(count):
    members = random(count, 3, 4, 5)
    merged, deviation = merge(members)
    expected = np.median(members.numpy(), axis=0)
    np.testing.assert_allclose(merged.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(deviation.numpy(), np.median(np.abs(members.numpy() - expected), axis=0), atol=1e-7)


def test_the_best_scale_is_that_of_least_squares_over_valid_pixels():
    prediction, truth = random(2, 3, 6, 7), random(2, 3, 6, 7, seed=1)
    valid = random(2, 1, 6, 7, seed=2) > 0.4
    scales = best_scale(prediction, truth, valid)
    for p, g, mask, scale in zip(prediction, truth, valid, scales, strict=True):
        inside = mask.expand(3, -1, -1)
        expected = np.linalg.lstsq(p[inside].numpy()[:, None], g[inside].numpy(), rcond=None)[0][0]
        assert scale.item() == pytest.approx(expected, rel=1e-5)


def test_a_black_prediction_has_scale_zero():
    assert best_scale(torch.zeros(3, 2, 2), torch.ones(3, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)) == 0


def test_light_is_exposed_and_clipped_before_it_is_compared():
    truth, prediction = random(3, 8, 9).square() * 6, random(3, 8, 9, seed=1)
    valid = random(1, 8, 9, seed=2) > 0.3
    g, p = (x.double().numpy().transpose(1, 2, 0)[valid[0].numpy()] for x in (truth, prediction))
    p = p * (p * g).sum() / (p * p).sum()
    exposure = 0.8 / np.quantile(g @ [0.3, 0.59, 0.11], 0.9)
    error = np.mean((np.clip(p * exposure, 0, 1) - np.clip(g * exposure, 0, 1)) ** 2)
    assert light_psnr(prediction, truth, valid).item() == pytest.approx(-10 * np.log10(error), rel=1e-6)


def test_each_image_of_a_batch_is_exposed_alone():
    truth = random(2, 3, 8, 9) * torch.tensor([1.0, 9.0]).view(2, 1, 1, 1)
    prediction, valid = random(2, 3, 8, 9, seed=1), torch.ones(2, 1, 8, 9, dtype=torch.bool)
    together = light_psnr(prediction, truth, valid)
    for index in range(2):
        assert together[index] == light_psnr(prediction[index], truth[index], valid[index])


def test_a_black_truth_has_no_exposure():
    assert exposure(torch.full((3, 4, 4), 9e-5), torch.ones(1, 4, 4, dtype=torch.bool)) == 0


def test_a_prediction_of_no_number_has_no_score():
    truth, valid = random(3, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)
    assert light_psnr(torch.full((3, 4, 4), torch.nan), truth, valid).isnan()


def test_what_lies_outside_the_mask_does_not_count():
    truth, prediction = random(3, 4, 4), random(3, 4, 4, seed=1)
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    valid[..., 0] = False
    expected = light_psnr(prediction, truth, valid)
    truth[..., 0], prediction[..., 0] = torch.nan, torch.inf
    assert light_psnr(prediction, truth, valid) == expected


def test_the_absolute_error_is_a_mean_over_valid_pixels():
    truth = torch.tensor([[[0.0, 0.5, torch.nan]]])
    prediction = torch.tensor([[[0.2, 0.1, 0.0]]])
    valid = torch.tensor([[[True, True, False]]])
    assert mean_absolute_error(prediction, truth, valid).item() == pytest.approx(0.3)


@pytest.mark.parametrize("measure", [light_psnr, mean_absolute_error])
def test_an_empty_mask_raises(measure):
    with pytest.raises(DataError, match="no valid pixel"):
        measure(torch.ones(3, 2, 2), torch.ones(3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool))
