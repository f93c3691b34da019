"""Fits an affine-invariant prediction to the truth by least squares, in closed form, before its error is measured."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Space = Literal["depth", "disparity", "none"]

DISPARITY_FLOOR = 1e-3
"""Aligned disparities are at least this (1/metre), which limits their depth to a kilometre."""
DEPTH_FLOOR = 1e-6
"""Aligned depths are at least this (metre), so that their logarithm exists."""


@dataclass(frozen=True)
class Protocol:
    """How a depth prediction is compared with the truth; metres."""

    space: Space = "depth"
    """Where scale and shift are fitted: to the depth, to its inverse, or nowhere."""
    nearest: float = 1e-3
    """Aligned predictions are clipped to at least this depth."""
    farthest: float = float("inf")
    """Aligned predictions are clipped to at most this depth."""

    def __str__(self) -> str:
        fit = "no alignment" if self.space == "none" else f"least squares scale and shift in {self.space}"
        return f"{fit}, clipped to {self.nearest:g} .. {self.farthest:g} m"


STANDARD = Protocol()
"""Least squares in depth, as in the paper's tables."""


def align(prediction: Tensor, truth: Tensor, valid: Tensor, protocol: Protocol = STANDARD) -> Tensor:
    """The prediction as metric depth, float64, each image fitted to its own truth.

    All are [..., H, W], `truth` in metres, `valid` bool. In `disparity` the fit is to the inverse of the truth, over
    pixels where the truth is positive.
    """
    prediction, truth = prediction.double(), truth.double()
    if protocol.space == "depth":
        prediction = _fitted(prediction, truth, valid)
    elif protocol.space == "disparity":
        positive = truth > 0
        disparity = 1 / torch.where(positive, truth, 1.0)
        prediction = 1 / _fitted(prediction, disparity, valid & positive).clamp(min=DISPARITY_FLOOR)
    return prediction.clamp(protocol.nearest, protocol.farthest).clamp(min=DEPTH_FLOOR)


def _fitted(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    scale, shift = least_squares(prediction, truth, valid)
    return scale[..., None, None] * prediction + shift[..., None, None]


def least_squares(prediction: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The (scale, shift) that minimise the sum of (scale * prediction + shift - truth)^2 over the valid pixels.

    All are [..., H, W]; the results are [...], float64. A prediction that is constant to float32 accuracy cannot be
    scaled: scale 0 and the mean of the truth, which is the best constant. Without a valid pixel both are 0.
    """
    x, y = (torch.where(valid, map_, 0.0).double() for map_ in (prediction, truth))
    weight = valid.double()
    count = weight.sum(dim=(-2, -1)).clamp(min=1)
    mean_x, mean_y = (map_.sum(dim=(-2, -1)) / count for map_ in (x, y))
    away_x = (x - mean_x[..., None, None]) * weight
    variance = away_x.square().sum(dim=(-2, -1)) / count
    covariance = (away_x * (y - mean_y[..., None, None])).sum(dim=(-2, -1)) / count
    constant = variance <= 1e-14 * mean_x.square()
    scale = torch.where(constant, 0.0, covariance / torch.where(constant, 1.0, variance))
    return scale, mean_y - scale * mean_x


def row_ramp(height: int, width: int, like: Tensor) -> Tensor:
    """1 at the top row, 0 at the bottom row, [H, W]; aligned, it is the best affine function of the image row.

    What an answer scores that has not looked at the photo, only learnt that floors are near and walls are far.
    """
    return torch.linspace(1, 0, height, dtype=like.dtype, device=like.device)[:, None].expand(height, width)
