"""Depth in metres up to one scale and shift for each image, as published for one-step networks tuned end to end."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from marigold.core.config import require, require_within
from marigold.estimator import Estimator
from marigold.measure.losses import masked_absolute
from marigold.measure.quantiles import masked_quantiles
from marigold.modalities.depth import usable
from marigold.objectives.losses.base import MapLoss, Outcome

CONSTANT = 1e-14
"""A variance below this share of the squared mean is rounding: nothing can be scaled."""


@dataclass(frozen=True)
class Affine(MapLoss):
    """The mean over the batch's valid pixels of |s p + t - d| in metres (Garcia et al. 2025, eq. 4).

    p is the predicted depth and d the true one, clipped to two of its quantiles. s and t minimise the sum of
    (s p + t - d)^2 over the image's valid pixels, and the gradient flows through them. Scenes that reach far count
    more than narrow ones; `value` measures each within its own range.
    """

    low: float = 0.02
    """The quantile of a scene's depth that nearer pixels are clipped to."""
    high: float = 0.98
    """The quantile that pixels farther away are clipped to."""

    outputs: ClassVar[tuple[str, ...]] = ("depth",)
    fields: ClassVar[tuple[str, ...]] = ("depth",)

    def __post_init__(self) -> None:
        require_within("affine: ", self, low=(0.0, 1.0), high=(0.0, 1.0))
        require(self.low < self.high, "affine: low, high", (self.low, self.high), "in this order")

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """In metres."""
        modality, truth = estimator.modality, outcome.truth.truth
        predicted = modality.split(modality.decode(outcome.pixels))["depth"]
        valid, depth = usable(truth), truth.maps["depth"]
        low, high = masked_quantiles(depth.flatten(-3), valid.flatten(-3), (self.low, self.high))
        ends = low[:, None, None, None], high[:, None, None, None]
        clipped = torch.where(valid, depth, 0.0).clamp(*ends).to(predicted)
        scale, shift = scale_and_shift(predicted, clipped, valid)
        return masked_absolute(scale * predicted + shift, clipped, valid)


def scale_and_shift(prediction: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The (s, t) [B, 1, 1, 1] of least squares by the normal equations, both zero where their determinant is.

    Maps are [B, 1, H, W], `valid` is bool. With n valid pixels the determinant n sum p^2 - (sum p)^2 is n^2 times the
    variance of p, which keeps its digits.
    """
    p, d = (torch.where(valid, x, 0.0).double() for x in (prediction, truth))
    count = valid.sum(dim=(-2, -1), keepdim=True).double().clamp(min=1)
    mean_p, mean_d = (x.sum(dim=(-2, -1), keepdim=True) / count for x in (p, d))
    away_p, away_d = (torch.where(valid, x - mean, 0.0) for x, mean in ((p, mean_p), (d, mean_d)))
    variance, covariance = ((away_p * y).sum(dim=(-2, -1), keepdim=True) / count for y in (away_p, away_d))
    usable_ = variance > CONSTANT * mean_p.square()
    scale = torch.where(usable_, covariance, 0.0) / torch.where(usable_, variance, 1.0)
    shift = torch.where(usable_, mean_d - scale * mean_p, 0.0)
    return scale.to(prediction), shift.to(prediction)
