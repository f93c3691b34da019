"""Error measures of depth and normals, and the peak signal-to-noise ratio: numbers per image, and sums that pool."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.core.errors import DataError
from marigold.measure.alignment import PART, Pooling
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally, each, histogram


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
    Metric("rmse_angle", "°"),
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
    mean = {name: total / valid.sum(dim=(-2, -1)) for name, total in _depth_sums(prediction, truth, valid).items()}
    return {
        "abs_rel": mean["abs_rel"],
        "sq_rel": mean["sq_rel"],
        "rmse": mean["square"].sqrt(),
        "rmse_log": mean["log_square"].sqrt(),
        "log10": mean["log_absolute"] / math.log(10),
        "i_rmse": mean["inverse_square"].sqrt(),
        "silog": 100 * (mean["log_square"] - mean["log"].square()).clamp(min=0).sqrt(),
        **{f"delta{k}": mean[f"delta{k}"] for k in (1, 2, 3)},
    }


def depth_tallies(prediction: Tensor, truth: Tensor, valid: Tensor, pooling: Pooling) -> dict[str, Tally]:
    """`depth_metrics` of one image [H, W], to be averaged over images or pooled over the pixels of all images."""
    if pooling == "image":
        return each(depth_metrics(prediction, truth, valid))
    require_valid(valid)
    sums = _depth_sums(prediction, truth, valid)
    count, total = int(valid.sum()), dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))
    return {
        "abs_rel": Tally(total["abs_rel"], count),
        "sq_rel": Tally(total["sq_rel"], count),
        "rmse": Tally(total["square"], count, "root"),
        "rmse_log": Tally(total["log_square"], count, "root"),
        "log10": Tally(total["log_absolute"] / math.log(10), count),
        "i_rmse": Tally(total["inverse_square"], count, "root"),
        "silog": Tally(100 * total["log"], count, "deviation", 100**2 * total["log_square"]),
        **{f"delta{k}": Tally(total[f"delta{k}"], count) for k in (1, 2, 3)},
    }


def _depth_sums(prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """The sums of every term over the valid pixels of [..., H, W], [...], float64."""
    maps = torch.broadcast_tensors(prediction, truth, valid)
    parts = [map_.flatten(-2).split(PART, dim=-1) for map_ in maps]
    return dict(zip(_TERMS, sum(_part_sums(*part) for part in zip(*parts, strict=True)).unbind(-1), strict=True))  # type: ignore[union-attr]


_TERMS = (
    *("abs_rel", "sq_rel", "square", "log", "log_square", "log_absolute", "inverse_square"),
    *("delta1", "delta2", "delta3"),
)


def _part_sums(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The sums of `_TERMS` over the last dimension of [..., P], [..., 10]."""
    # Where nothing is valid both are 1, which has no error.
    p, g = (torch.where(valid, depth.double(), 1.0) for depth in (prediction, truth))
    ratio = p / g
    log, ratio = ratio.log(), torch.maximum(ratio, g / p)
    away = (p - g).abs_()
    relative = away / g
    terms = [relative, relative * away, away.square_(), log, log.square(), log.abs(), (1 / p - 1 / g).square_()]
    within = [(ratio < 1.25**k).logical_and_(valid) for k in (1, 2, 3)]
    return torch.stack([term.sum(dim=-1).double() for term in (*terms, *within)], dim=-1)


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
    """Mean, median and root mean square of the angular error in degrees and shares of pixels below `ANGLES`, [...].

    `prediction` and `truth` are [..., 3, H, W], `valid` [..., 1, H, W] is bool. Raises `DataError` when an image has no
    valid pixel.
    """
    valid = valid[..., 0, :, :]
    require_valid(valid)
    error = torch.where(valid, angular_error(prediction, truth), torch.nan)
    return {
        "mean_angle": masked_mean(error, valid),
        "median_angle": masked_quantiles(error.flatten(-2), valid.flatten(-2), (0.5,))[0],
        "rmse_angle": masked_mean(error.square(), valid).sqrt(),
        **{f"below_{angle:g}": masked_mean((error < angle).double(), valid) for angle in ANGLES},
    }


def normals_tallies(prediction: Tensor, truth: Tensor, valid: Tensor, pooling: Pooling) -> dict[str, Tally]:
    """`normals_metrics` of one image [3, H, W], to be averaged over images or pooled over the pixels of all images.

    The pooled median is read from a histogram (`tally.ANGLE_WIDTH`).
    """
    if pooling == "image":
        return each(normals_metrics(prediction, truth, valid))
    require_valid(valid[0])
    error = angular_error(prediction, truth)[valid[0]]
    return {
        "mean_angle": Tally(float(error.sum()), len(error)),
        "median_angle": histogram(error),
        "rmse_angle": Tally(float(error.square().sum()), len(error), "root"),
        **{f"below_{angle:g}": Tally(int((error < angle).sum()), len(error)) for angle in ANGLES},
    }


def masked_mean(error: Tensor, valid: Tensor) -> Tensor:
    """The mean over the valid pixels of [..., H, W], [...]; what lies outside the mask may be NaN."""
    return torch.where(valid, error, 0.0).sum(dim=(-2, -1)) / valid.sum(dim=(-2, -1))


def require_valid(valid: Tensor) -> None:
    """Raises `DataError` unless every image [..., H, W] has a valid pixel: a mean over nothing is not a score."""
    if not bool(valid.flatten(-2).any(dim=-1).all()):
        raise DataError("the truth has no valid pixel; leave this sample out, or check its mask and unit")
