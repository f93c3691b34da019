"""Error measures: each gives one number per image, and a table averages these over images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.core.errors import DataError


@dataclass(frozen=True)
class Metric:
    """A number that compares a prediction with the truth."""

    name: str
    unit: str = ""
    """Empty for fractions and logarithms."""
    higher_is_better: bool = False

    @property
    def arrow(self) -> str:
        """The direction of better."""
        return "↑" if self.higher_is_better else "↓"

    def is_better(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        return one > other if self.higher_is_better else one < other


DEPTH_METRICS = (
    Metric("abs_rel"),
    Metric("sq_rel", "m"),
    Metric("rmse", "m"),
    Metric("rmse_log"),
    Metric("log10"),
    Metric("i_rmse", "1/m"),
    Metric("silog", "%"),
    *(Metric(f"delta{k}", higher_is_better=True) for k in (1, 2, 3)),
)
ANGLES = (5.0, 7.5, 11.25, 22.5, 30.0)
NORMALS_METRICS = (
    Metric("mean_angle", "°"),
    Metric("median_angle", "°"),
    *(Metric(f"below_{angle:g}", higher_is_better=True) for angle in ANGLES),
)
PSNR_CEILING = 100.0
"""Decibel; the score of an output without error, so that means over images stay finite."""


def depth_metrics(prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """The measures named by `DEPTH_METRICS` (Eigen et al. 2014), float64, [...].

    `prediction` (aligned, above 0) and `truth` are [..., H, W] in metres, `valid` [..., H, W] is bool. Relative errors
    are fractions, `silog` is 100 times the standard deviation of the logarithmic error, `delta1` to `delta3` are shares
    of pixels within a factor of 1.25, 1.25^2, 1.25^3. Raises `DataError` when an image has no valid pixel.
    """
    require_valid(valid)
    p, g = (torch.where(valid, depth, 1.0).double() for depth in (prediction, truth))
    difference, log_difference = p - g, p.log() - g.log()
    ratio = torch.maximum(p / g, g / p)

    def mean(error: Tensor) -> Tensor:
        return masked_mean(error, valid)

    log_mean, log_square = mean(log_difference), mean(log_difference.square())
    return {
        "abs_rel": mean(difference.abs() / g),
        "sq_rel": mean(difference.square() / g),
        "rmse": mean(difference.square()).sqrt(),
        "rmse_log": log_square.sqrt(),
        "log10": mean(log_difference.abs()) / torch.log(p.new_tensor(10.0)),
        "i_rmse": mean((1 / p - 1 / g).square()).sqrt(),
        "silog": 100 * (log_square - log_mean.square()).clamp(min=0).sqrt(),
        **{f"delta{k}": mean((ratio < 1.25**k).double()) for k in (1, 2, 3)},
    }


def psnr(prediction: Tensor, truth: Tensor, valid: Tensor, peak: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in decibel, [...], at most `PSNR_CEILING`.

    `prediction` and `truth` are [..., C, H, W] in 0 to `peak`, `valid` [..., 1, H, W] is bool. Raises `DataError` when
    an image has no valid pixel.
    """
    require_valid(valid[..., 0, :, :])
    error = (prediction.double() - truth.double()).square().mean(dim=-3)
    floor = 10 ** (-PSNR_CEILING / 10)
    return -10 * torch.log10((masked_mean(error, valid[..., 0, :, :]) / peak**2).clamp(min=floor))


def angular_error(prediction: Tensor, truth: Tensor) -> Tensor:
    """The angle between vectors [..., 3, H, W] in degrees, [..., H, W]; they need not have unit length.

    By the arc tangent of sine and cosine, which stays exact where an arc cosine loses half its digits.
    """
    p, g = prediction.double(), truth.double()
    sine = torch.linalg.cross(p, g, dim=-3).norm(dim=-3)
    return torch.atan2(sine, (p * g).sum(dim=-3)).rad2deg()


def normals_metrics(prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Mean and median angular error in degrees and the shares of pixels below each of `ANGLES`, per image, [...].

    `prediction` and `truth` are [..., 3, H, W], `valid` [..., 1, H, W] is bool. Raises `DataError` when an image has no
    valid pixel.
    """
    valid = valid[..., 0, :, :]
    require_valid(valid)
    error = torch.where(valid, angular_error(prediction, truth), torch.nan)
    return {
        "mean_angle": masked_mean(error, valid),
        "median_angle": error.flatten(-2).nanquantile(0.5, dim=-1),
        **{f"below_{angle:g}": masked_mean((error < angle).double(), valid) for angle in ANGLES},
    }


def masked_mean(error: Tensor, valid: Tensor) -> Tensor:
    """The mean over the valid pixels of [..., H, W], [...]; what lies outside the mask may be NaN."""
    return torch.where(valid, error, 0.0).sum(dim=(-2, -1)) / valid.sum(dim=(-2, -1))


def require_valid(valid: Tensor) -> None:
    """Raises `DataError` unless every image [..., H, W] has a valid pixel: a mean over nothing is not a score."""
    if not bool(valid.flatten(-2).any(dim=-1).all()):
        raise DataError("the truth has no valid pixel; leave this sample out, or check its mask and unit")
