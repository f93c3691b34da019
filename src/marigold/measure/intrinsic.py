"""Intrinsic images: merging the members of an ensemble, and errors of maps that are right only up to one scale."""

import torch
from torch import Tensor

from marigold.measure.metrics import masked_mean, require_valid
from marigold.measure.quantiles import deviation, masked_quantiles, median

BRIGHT = 0.8
"""What the 90th percentile of the true brightness becomes before light is compared."""
DARKEST = 1e-4
"""A truth whose 90th percentile of brightness is below this is black: nothing to compare with."""


def merge(members: Tensor, reduction: str = "median") -> tuple[Tensor, Tensor]:
    """The median over members [E, C, H, W] and the median absolute deviation from it, [C, H, W] each.

    Or, with `mean`, the mean and the standard deviation.
    """
    if reduction == "mean":
        return members.mean(dim=0), deviation(members)
    merged = median(members)
    return merged, median((members - merged).abs())


def best_scale(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The factor [...] that minimises the sum of (factor * prediction - truth)^2 over valid pixels and all channels.

    `prediction` and `truth` are [..., C, H, W], `valid` is [..., 1, H, W], bool. A black prediction has factor 0.
    """
    p, g = (torch.where(valid, map_, 0.0).double() for map_ in (prediction, truth))
    square = p.square().sum(dim=(-3, -2, -1))
    return (p * g).sum(dim=(-3, -2, -1)) / torch.where(square > 0, square, 1.0)


def mean_absolute_error(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean over valid pixels of |prediction - truth|, [...], float64; maps are [..., 1, H, W].

    Raises `DataError` when an image has no valid pixel.
    """
    require_valid(valid[..., 0, :, :])
    return masked_mean((prediction.double() - truth.double()).abs()[..., 0, :, :], valid[..., 0, :, :])


def exposure(truth: Tensor, valid: Tensor) -> Tensor:
    """The factor [...] that brings the 90th percentile of brightness over valid pixels to `BRIGHT`; 0 for a black map.

    `truth` is linear light [..., 3, H, W], `valid` [..., 1, H, W], bool; brightness is 0.3 R + 0.59 G + 0.11 B.
    """
    red, green, blue = torch.where(valid, truth, 0.0).double().unbind(-3)
    brightness = 0.3 * red + 0.59 * green + 0.11 * blue
    (bright,) = masked_quantiles(brightness.flatten(-2), valid.flatten(-3), (0.9,))
    return torch.where(bright < DARKEST, 0.0, BRIGHT / bright.clamp(min=DARKEST))


def exposed(prediction: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Prediction and truth [..., 3, H, W] as light of unknown scale is compared (Ke et al. 2025), 0 to 1, float64.

    The prediction is multiplied by `best_scale`, then both by the truth's `exposure`, and clipped. A black truth has
    exposure 0, which makes anything compared with it black too.
    """
    bright = exposure(truth, valid)
    factor = bright * best_scale(prediction, truth, valid)
    shown, wanted = (
        (scale[..., None, None, None] * map_).clamp(0, 1) for scale, map_ in ((factor, prediction), (bright, truth))
    )
    return shown, wanted
