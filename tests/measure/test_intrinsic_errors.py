"""Scale-invariant errors against the published loops and by hand."""

import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.measure.intrinsic_errors import (
    local_mse,
    recomposition,
    recomposition_errors,
    scale_invariant_mse,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


EVERYWHERE = torch.ones(1, 47, 35, dtype=torch.bool)


def grosse(truth, prediction, mask, window, step):
    """The loops of Grosse et al. 2009, over grey maps [H, W]."""
    squares = total = 0.0
    for i in range(0, truth.shape[0] - window + 1, step):
        for j in range(0, truth.shape[1] - window + 1, step):
            g, p, m = (x[i : i + window, j : j + window] for x in (truth, prediction, mask))
            energy = np.sum(p**2 * m)
            scale = np.sum(g * p * m) / energy if energy > 1e-5 else 0.0
            squares += np.sum(m * (g - scale * p) ** 2)
            total += np.sum(m * g**2)
    return squares / total


@pytest.mark.parametrize(("window", "step"), [(20, 10), (7, 3)])
def test_lmse_is_that_of_the_published_loops(window, step):
    truth, prediction, valid = random(1, 47, 35), random(1, 47, 35, seed=1), random(1, 47, 35, seed=2) > 0.3
    prediction[:, :22, :22] = 0
    arrays = [x[0].double().numpy() for x in (truth, prediction, valid)]
    expected = grosse(*arrays, window, step)
    assert local_mse(prediction, truth, valid, window, step).item() == pytest.approx(expected, rel=1e-9)


def test_lmse_forgives_a_scale_of_each_window_and_nothing_else():
    truth = random(3, 20, 40) + 0.1
    # Two of the three windows lie on one side of the middle; the third one straddles it.
    scaled = truth.clone()
    scaled[..., 20:] *= 5
    side = torch.ones(1, 20, 40, dtype=torch.bool)
    assert local_mse(3 * truth, truth, side).item() == pytest.approx(0, abs=1e-12)
    assert local_mse(scaled, truth, side, step=20).item() == pytest.approx(0, abs=1e-12)
    assert local_mse(scaled, truth, side).item() > 0.01


def test_an_answer_of_black_has_an_lmse_of_one():
    assert local_mse(torch.zeros(3, 47, 35), random(3, 47, 35), EVERYWHERE).item() == 1


def test_a_window_has_one_scale_for_all_channels():
    truth, prediction = torch.ones(3, 4, 4), torch.ones(3, 4, 4)
    prediction[0] = 2
    # Per pixel: truth (1, 1, 1), prediction (2, 1, 1); best scale 4 / 6, error 3 - 16 / 6, energy 3.
    found = local_mse(prediction, truth, torch.ones(1, 4, 4, dtype=torch.bool))
    assert found.item() == pytest.approx((3 - 16 / 6) / 3)


def test_lmse_of_a_black_truth_is_no_number():
    assert local_mse(random(3, 47, 35), torch.zeros(3, 47, 35), EVERYWHERE).isnan()


def test_the_scale_invariant_error_is_what_least_squares_leaves():
    truth, prediction, valid = random(3, 47, 35), random(3, 47, 35, seed=1), random(1, 47, 35, seed=2) > 0.3
    inside = valid.expand(3, -1, -1)
    p, g = prediction[inside].double().numpy(), truth[inside].double().numpy()
    residual = np.linalg.lstsq(p[:, None], g, rcond=None)[1][0]
    assert scale_invariant_mse(prediction, truth, valid).item() == pytest.approx(residual / len(p), rel=1e-6)
    hidden = torch.where(valid, truth, torch.nan)
    assert scale_invariant_mse(prediction, hidden, valid) == scale_invariant_mse(prediction, truth, valid)


@pytest.mark.parametrize("measure", [scale_invariant_mse, local_mse])
def test_an_empty_mask_raises(measure):
    with pytest.raises(DataError, match="no valid pixel"):
        measure(torch.ones(3, 2, 2), torch.ones(3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool))


def test_a_photo_is_put_together_again():
    albedo, shading, residual = random(3, 4, 5), random(3, 4, 5, seed=1), 0.1 * random(3, 4, 5, seed=2)
    photo = albedo * shading + residual
    whole = recomposition(albedo, shading, residual, photo, False)
    torch.testing.assert_close(whole, photo.double(), rtol=1e-6, atol=1e-6)
    scaled = recomposition(albedo, shading / 4, residual / 4, photo, True)
    torch.testing.assert_close(scaled, photo.double(), rtol=1e-6, atol=1e-6)
    unscaled = recomposition(albedo, shading / 4, residual / 4, photo, False)
    torch.testing.assert_close(unscaled, photo.double() / 4, rtol=1e-6, atol=1e-6)


def test_the_error_of_a_composition_is_counted_in_linear_light_after_clipping():
    photo = torch.full((3, 2, 2), 0.5)
    composed = photo.clone()
    composed[0] = 0.6
    found = recomposition_errors(composed, photo)
    assert found["recomposition_error"].item() == pytest.approx(0.1 / 3, rel=1e-5)
    assert found["recomposition_psnr"].item() == pytest.approx(-10 * np.log10(0.01 / 3), rel=1e-5)
    white = torch.ones(3, 2, 2)
    assert recomposition_errors(7 * white, white)["recomposition_error"].item() == 0
