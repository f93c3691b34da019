"""Errors to train by, end to end: differentiable, and zero with zero gradient at an empty mask."""

import torch
from torch import Tensor

from marigold.measure.alignment import least_squares

LEAST_SQUARE = 1e-6
"""A mean square error far below what can be seen, so that its root has a slope at zero."""
ENOUGH = 40.0
"""A peak signal-to-noise ratio in decibel beyond which nobody sees an error."""


def masked_square(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean of (prediction - truth)^2 over the valid elements of a batch.

    Maps are [..., H, W]; `valid` is bool and broadcasts.
    """
    valid = valid.expand_as(prediction)
    return _mean(torch.where(valid, prediction - truth, 0.0).square(), valid)


def masked_absolute(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean of |prediction - truth| over the valid elements; as `masked_square`."""
    valid = valid.expand_as(prediction)
    return _mean(torch.where(valid, prediction - truth, 0.0).abs(), valid)


def affine_invariant(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean absolute error after each image's own least-squares scale and shift (Garcia et al. 2025, eq. 4).

    All are [..., H, W], `valid` is bool. The gradient flows through scale and shift too. Every valid pixel of the batch
    weighs the same.
    """
    return _mean(torch.where(valid, _aligned(prediction, truth, valid) - truth, 0.0).abs(), valid).float()


def relative(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean over images of the mean of |aligned - truth| / truth after each one's least-squares scale and shift.

    The AbsRel of the depth tables. All are [..., H, W], `truth` above 0, `valid` is bool; images without a valid pixel
    are left out.
    """
    positive = torch.where(valid, truth, 1.0)
    error = torch.where(valid, _aligned(prediction, truth, valid) - positive, 0.0).abs() / positive
    each = error.sum(dim=(-2, -1)) / valid.sum(dim=(-2, -1)).clamp(min=1)
    return _mean(each, valid.any(dim=-1).any(dim=-1)).float()


def root_square(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean over images of the root of each one's mean squared error, [B, C, H, W].

    Between the squared error, where the worst images count most, and its logarithm, where the best do. `valid` is bool
    and broadcasts; images without valid elements are left out.
    """
    square, known = _squares(prediction, truth, valid)
    return _mean((square + LEAST_SQUARE).sqrt() - LEAST_SQUARE**0.5, known)


def decibels(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """How far the peak signal-to-noise ratio of [B, C, H, W] in 0 to 1 stays below `ENOUGH`, the mean over images.

    Its gradient is that of the score itself, but for errors near `ENOUGH`, where it levels off. As `root_square`
    otherwise.
    """
    square, known = _squares(prediction, truth, valid)
    return _mean(10 * torch.log10(1 + square * 10 ** (ENOUGH / 10)), known)


def angle(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The mean angle in radians between vectors [..., 3, H, W] over the valid pixels [..., 1, H, W].

    By the arc tangent of sine and cosine: the slope of an arc cosine is infinite where the angle is zero.
    """
    safe = torch.where(valid, truth, prediction.detach())
    sine = torch.linalg.cross(prediction, safe, dim=-3).norm(dim=-3, keepdim=True)
    cosine = (prediction * safe).sum(dim=-3, keepdim=True)
    return _mean(torch.where(valid, torch.atan2(sine, cosine), 0.0), valid)


def _aligned(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    scale, shift = least_squares(prediction, truth, valid)
    return scale[..., None, None] * prediction + shift[..., None, None]


def _squares(prediction: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Each image's mean square error [B], and which images have a valid element [B]."""
    valid = valid.expand_as(prediction)
    error = torch.where(valid, prediction - truth, 0.0).square().flatten(1).sum(dim=1)
    count = valid.flatten(1).sum(dim=1)
    return error / count.clamp(min=1), count > 0


def _mean(error: Tensor, valid: Tensor) -> Tensor:
    """The sum of an error that is 0 outside the mask, divided by the number of valid elements."""
    return error.sum() / valid.sum().clamp(min=1)
