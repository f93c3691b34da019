"""Errors of albedo and light that leave one scale open, whole or in windows, and the error of putting them together."""

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.measure.intrinsic import best_scale, mean_absolute_error
from marigold.measure.metrics import masked_mean, psnr, require_valid

WINDOW, STEP = 20, 10
"""The side of a window and the distance between windows, in pixels (Grosse et al. 2009)."""
DARK = 1e-5
"""A window of a prediction with less energy than this has no scale: it is taken as black (Grosse et al. 2009)."""


def scale_invariant_mse(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean of (scale * prediction - truth)^2 over valid pixels and channels, with the best scale, [...], float64.

    Maps are [..., C, H, W] in linear light, `valid` [..., 1, H, W]; one scale for all channels (Barron and Malik 2015,
    si-MSE). Raises `DataError` when an image has no valid pixel.
    """
    require_valid(valid[..., 0, :, :])
    scale = best_scale(prediction, truth, valid)[..., None, None, None]
    away = torch.where(valid, scale * prediction.double() - truth.double(), 0.0)
    return masked_mean(away.square().mean(dim=-3), valid[..., 0, :, :])


def local_mse(prediction: Tensor, truth: Tensor, valid: Tensor, window: int = WINDOW, step: int = STEP) -> Tensor:
    """The LMSE of one map (Grosse et al. 2009): squared errors in windows of their own best scales, over the energy.

    The sum over windows of `sum (scale * prediction - truth)^2`, with the window's best scale, divided by that of
    `sum truth^2`: 0 is right, and an answer of black scores 1. Maps are [C, H, W] in linear light, `valid` [1, H, W];
    a window has one scale for all channels. Windows that would reach beyond the map are left out, as in the published
    code; a map smaller than a window is one window. 0-dimensional, float64; NaN for a truth that is black in all
    windows. Raises `DataError` without a valid pixel.
    """
    require_valid(valid[0])
    size = (min(window, prediction.shape[-2]), min(window, prediction.shape[-1]))
    p, g = (torch.where(valid, map_, 0.0).double() for map_ in (prediction, truth))

    def summed(product: Tensor) -> Tensor:
        return F.avg_pool2d(product.sum(dim=0)[None, None], size, step, divisor_override=1)

    # Least squares leaves sum g^2 - (sum p g)^2 / sum p^2.
    energy, square, mixed = summed(g * g), summed(p * p), summed(p * g)
    explained = torch.where(square > DARK, mixed.square() / square.clamp(min=DARK), 0.0)
    return (energy - explained).clamp(min=0).sum() / energy.sum()


def recomposition(albedo: Tensor, shading: Tensor, residual: Tensor, photo: Tensor, light_is_scaled: bool) -> Tensor:
    """What albedo * shading + residual makes of a photo, [3, H, W] in linear light; all are [3, H, W] in linear light.

    Where the light is right only up to a scale, the one that brings the result closest to the photo is used.
    """
    composed = albedo.double() * shading.double() + residual.double()
    if not light_is_scaled:
        return composed
    return best_scale(composed, photo, torch.ones_like(photo[:1], dtype=torch.bool)) * composed


def recomposition_errors(composed: Tensor, photo: Tensor) -> dict[str, Tensor]:
    """The peak signal-to-noise ratio in decibel and the mean absolute error of light [3, H, W], over all pixels.

    Both are clipped to 0 to 1 first, as the photo was when it was taken.
    """
    everywhere = torch.ones_like(photo[:1], dtype=torch.bool)
    shown = composed.clamp(0, 1)
    return {
        "recomposition_psnr": psnr(shown, photo, everywhere),
        "recomposition_error": mean_absolute_error(
            shown.flatten(0, 1)[None], photo.flatten(0, 1)[None], everywhere.expand(3, -1, -1).flatten(0, 1)[None]
        ),
    }
