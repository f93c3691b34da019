"""Fits an affine-invariant prediction to the truth, as a protocol says, before its error is measured."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from marigold.core import find
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError, DataError
from marigold.measure.robust import least_absolute, median_of, ransac

Space = Literal["depth", "disparity", "log", "none"]
Fit = Literal["least-squares", "l1", "ransac", "median", "scale"]
Pooling = Literal["image", "pixel"]

DISPARITY_FLOOR = 1e-3
"""Aligned disparities are at least this (1/metre), which limits their depth to a kilometre."""
DEPTH_FLOOR = 1e-6
"""Aligned depths are at least this (metre), so that their logarithm exists."""
LOG_CEILING = math.log(1e6)
"""The logarithms of aligned depths in metres are at most this, so that their depth is finite."""
PART = 131072
"""Pixels that are summed at a time, so that they stay in the processor's cache."""
LONGEST = 65536
"""More pixels on its longest side has no map that can be read."""

_FITS: dict[str, str] = {
    "least-squares": "least squares scale and shift",
    "l1": "least absolute deviations scale and shift",
    "ransac": "RANSAC scale and shift",
    "median": "median scale",
    "scale": "least squares scale alone",
}
_SPACES = {"depth": "depth", "disparity": "disparity", "log": "log depth"}


@dataclass(frozen=True)
class Protocol:
    """How a prediction is compared with the truth; metres.

    Raises `ConfigError` for what cannot be, and for combinations that mean nothing.
    """

    space: Space = "depth"
    """Where the prediction is fitted: to the depth, to its inverse, to its logarithm, or nowhere."""
    nearest: float = 1e-3
    """Aligned predictions are clipped to at least this depth."""
    farthest: float = float("inf")
    """Aligned predictions are clipped to at most this depth."""
    fit: Fit = "least-squares"
    """Scale and shift of the least squares or the least absolute deviations or by RANSAC; or the scale alone, as the
    median of the ratios or of the least squares. In log depth the median is that of the differences, a shift."""
    longest: int = 0
    """The fit is made on maps shrunk to at most so many pixels on their longest side, by taking nearest pixels, and
    applied to the full maps; 0: on the full maps."""
    pooling: Pooling = "image"
    """Whether a score is the mean over images of each image's own, or that of all pixels of all images together."""

    def __post_init__(self) -> None:
        _require_named("space", self.space, get_args(Space))
        _require_named("fit", self.fit, get_args(Fit))
        _require_named("pooling", self.pooling, get_args(Pooling))
        require_within("protocol: ", self, nearest=(0.0, 1e9), longest=(0, LONGEST))
        ends = (self.nearest, self.farthest)
        require(self.farthest > self.nearest, "protocol: nearest, farthest", ends, "in this order")
        if self.space == "none":
            require(self.fit == "least-squares", "protocol: fit", self.fit, "left out where the space is `none`")
            require(self.longest == 0, "protocol: longest", self.longest, "0 where the space is `none`")
        if self.space == "log" and self.fit == "scale":
            raise ConfigError(
                "protocol: fit: a scale of log depth alone is a power of depth, which depends on its unit; "
                "choose the fit `median` or `least-squares`, or another space"
            )

    def __str__(self) -> str:
        shrunk = f" on at most {self.longest} pixels a side" if self.longest else ""
        pooled = ", pooled over the pixels of all images" if self.pooling == "pixel" else ""
        return f"{self._fitted()}{shrunk}, clipped to {self.nearest:g} .. {self.farthest:g} m{pooled}"

    def _fitted(self) -> str:
        if self.space == "none":
            return "no alignment"
        shifted = self.space == "log" and self.fit == "median"
        return f"{'median shift' if shifted else _FITS[self.fit]} in {_SPACES[self.space]}"


def _require_named(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"protocol: {field}: {find.unknown(field, str(value), known)}")


STANDARD = Protocol()
"""Least squares in depth, as in the paper's tables."""


def align(prediction: Tensor, truth: Tensor, valid: Tensor, protocol: Protocol = STANDARD) -> Tensor:
    """The prediction as metric depth, float64, each image fitted to its own truth.

    All are [..., H, W], `truth` in metres, `valid` bool. In `disparity` the fit is to the inverse of the truth and in
    `log` to its natural logarithm, over pixels where the truth is positive: a prediction is taken to be in that space
    already, up to its scale and shift. Raises `DataError` when the pixels that `longest` keeps are all invalid.
    """
    prediction = prediction.double()
    if protocol.space == "none":
        return _clipped(prediction, protocol)
    scale, shift = fitted(prediction, truth, valid, protocol)
    prediction = torch.addcmul(shift[..., None, None], scale[..., None, None], prediction)
    if protocol.space == "disparity":
        prediction = 1 / prediction.clamp(min=DISPARITY_FLOOR)
    elif protocol.space == "log":
        prediction = prediction.clamp(max=LOG_CEILING).exp()
    return _clipped(prediction, protocol)


def _clipped(depth: Tensor, protocol: Protocol) -> Tensor:
    return depth.clamp(max(protocol.nearest, DEPTH_FLOOR), max(protocol.farthest, DEPTH_FLOOR))


def fitted(prediction: Tensor, truth: Tensor, valid: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """The (scale, shift), [...] each, float64, that bring [..., H, W] to the truth in the protocol's space.

    Raises what `align` raises.
    """
    if protocol.longest:
        prediction, truth, valid = _shrunk(prediction, truth, valid, protocol.longest)
    if protocol.space != "depth":
        valid = valid & (truth > 0)
        positive = torch.where(valid, truth, 1.0).double()
        truth = 1 / positive if protocol.space == "disparity" else positive.log()
    if protocol.fit == "least-squares":
        return least_squares(prediction, truth, valid)
    # The other fits choose among pixels, so that they go image by image.
    images = (map_.reshape(-1, *map_.shape[-2:]) for map_ in torch.broadcast_tensors(prediction, truth, valid))
    pairs = [
        _FITTED[protocol.fit](x.masked_select(ok).double(), y.masked_select(ok).double(), protocol)
        for x, y, ok in zip(*images, strict=True)
    ]
    scale, shift = torch.stack([torch.stack(pair) for pair in pairs]).unbind(-1)
    return scale.view(prediction.shape[:-2]), shift.view(prediction.shape[:-2])


def _shrunk(prediction: Tensor, truth: Tensor, valid: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """The maps [..., H, W] at at most `longest` pixels a side, by nearest pixels."""
    height, width = prediction.shape[-2:]
    if max(height, width) <= longest:
        return prediction, truth, valid
    rows, columns = (_kept(size, max(1, size * longest // max(height, width))) for size in (height, width))
    small = valid[..., rows[:, None], columns]
    if bool((valid.flatten(-2).any(dim=-1) & ~small.flatten(-2).any(dim=-1)).any()):
        raise DataError(f"no valid pixel is left at {longest} pixels a side; raise the protocol's `longest`")
    return prediction[..., rows[:, None], columns], truth[..., rows[:, None], columns], small


def _kept(size: int, count: int) -> Tensor:
    """The places of `count` of `size` pixels, evenly spread from the first."""
    return torch.arange(count) * size // count


def _one(values: Tensor, scale: Tensor | float, shift: Tensor | float) -> tuple[Tensor, Tensor]:
    return values.new_tensor(float(scale)), values.new_tensor(float(shift))


def _least_absolute(x: Tensor, y: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    return _one(x, *least_absolute(x, y))


def _ransac(x: Tensor, y: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    return _one(x, *ransac(x, y))


def _median(x: Tensor, y: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """The median ratio over pixels with a positive prediction; of logarithms the median difference."""
    if protocol.space == "log":
        return _one(x, 1.0, median_of(y - x))
    positive = x > 0
    return _one(x, median_of(y.masked_select(positive) / x.masked_select(positive)), 0.0)


def _scale(x: Tensor, y: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    square = (x * x).sum()
    return _one(x, (x * y).sum() / torch.where(square > 0, square, 1.0), 0.0)


_FITTED = {"l1": _least_absolute, "ransac": _ransac, "median": _median, "scale": _scale}


def least_squares(prediction: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The (scale, shift) that minimise the sum of (scale * prediction + shift - truth)^2 over the valid pixels.

    All are [..., H, W]; the results are [...], float64. A prediction that is constant to float32 accuracy cannot be
    scaled: scale 0 and the mean of the truth, which is the best constant. Without a valid pixel both are 0.
    """
    maps = (map_.flatten(-2) for map_ in torch.broadcast_tensors(prediction, truth, valid))
    parts = list(zip(*(map_.split(PART, dim=-1) for map_ in maps), strict=True))
    count = valid.sum(dim=(-2, -1)).double().clamp(min=1)
    sums = [[torch.where(ok, map_, 0.0).double().sum(dim=-1) for map_ in (x, y)] for x, y, ok in parts]
    mean_x, mean_y = (torch.stack(some).sum(dim=0) / count for some in zip(*sums, strict=True))
    squares = []
    for x, y, ok in parts:
        # What is not valid lies at the mean, away from which it is by nothing.
        away_x, away_y = (
            torch.where(ok, map_.double() - mean[..., None], 0.0) for map_, mean in ((x, mean_x), (y, mean_y))
        )
        squares.append((away_x.square().sum(dim=-1), (away_x * away_y).sum(dim=-1)))
    variance, covariance = (torch.stack(some).sum(dim=0) / count for some in zip(*squares, strict=True))
    constant = variance <= 1e-14 * mean_x.square()
    scale = torch.where(constant, 0.0, covariance / torch.where(constant, 1.0, variance))
    return scale, mean_y - scale * mean_x


def row_ramp(height: int, width: int, like: Tensor) -> Tensor:
    """1 at the top row, 0 at the bottom row, [H, W]; aligned, it is the best affine function of the image row.

    What an answer scores that has not looked at the photo, only learnt that floors are near and walls are far.
    """
    return torch.linspace(1, 0, height, dtype=like.dtype, device=like.device)[:, None].expand(height, width)
