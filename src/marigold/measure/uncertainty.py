"""How well a stated uncertainty tells of the error: its order, its size, and what an interval holds.

Vectors are [N], float64, of the pixels that count: `error` at least 0, larger where it is worse; `uncertainty` at least
0, larger where less is known; `residual` truth minus prediction; `sigma` a standard deviation, above 0.
"""

import math

import torch
from torch import Tensor

BINS = 20
"""Groups of about as many pixels each, by their stated deviation, for ENCE."""


def sparsification(error: Tensor, uncertainty: Tensor) -> dict[str, Tensor]:
    """`ause` and `aurg`, the areas that compare leaving out the most uncertain pixels with leaving out the worst.

    `E(f)` is the mean error of what is left after a share f of pixels is left out, as a share of the mean error of all.
    `ause` is the area between E by falling uncertainty and E by falling error, 0 for an uncertainty that orders pixels
    as their errors do; `aurg` is the area between E at random, which is 1, and E by falling uncertainty, above 0 for
    one that is better than chance (Ilg et al. 2018; Poggi et al. 2020). The areas are means over all numbers of pixels
    left out, 0 to N - 1; pixels of equal uncertainty are left out in random order, on the average. NaN for a prediction
    without error.
    """
    by_uncertainty = _rest(_levelled(error, uncertainty))
    by_error = _rest(error.sort(descending=True).values)
    whole = error.mean()
    scale = torch.where(whole > 0, whole, torch.nan)
    return {
        "ause": (by_uncertainty - by_error).mean() / scale,
        "aurg": 1 - by_uncertainty.mean() / scale,
    }


def _levelled(error: Tensor, uncertainty: Tensor) -> Tensor:
    """The errors by falling uncertainty, those of equal uncertainty each replaced by their mean."""
    ordered, order = uncertainty.sort(descending=True)
    _, group, counts = ordered.unique_consecutive(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(counts), dtype=error.dtype, device=error.device).index_add_(0, group, error[order])
    return (sums / counts)[group]


def _rest(error: Tensor) -> Tensor:
    """The mean of all errors from each place on, [N]."""
    left = torch.arange(len(error), 0, -1, device=error.device, dtype=error.dtype)
    return error.flip(0).cumsum(0).flip(0) / left


def spearman(one: Tensor, other: Tensor) -> Tensor:
    """The rank correlation of two vectors, -1 to 1; equal values share the mean of their ranks. NaN for a constant."""
    x, y = (_ranks(values) for values in (one, other))
    x, y = x - x.mean(), y - y.mean()
    scale = (x.square().sum() * y.square().sum()).sqrt()
    return (x * y).sum() / torch.where(scale > 0, scale, torch.nan)


def _ranks(values: Tensor) -> Tensor:
    _, group, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0)
    return (last - (counts - 1) / 2.0).double()[group]


def ence(residual: Tensor, sigma: Tensor, bins: int = BINS) -> Tensor:
    """The expected normalised calibration error (Levi et al. 2022): the mean over bins of |RMV - RMSE| / RMV.

    Pixels are put into bins of about as many each by their `sigma`; RMV is the root of a bin's mean variance and RMSE
    that of its mean squared error. 0 is right.
    """
    order = sigma.argsort(stable=True)
    away = []
    for part in order.tensor_split(min(bins, len(order))):
        variance, square = sigma[part].square().mean().sqrt(), residual[part].square().mean().sqrt()
        away.append((variance - square).abs() / variance)
    return torch.stack(away).mean()


def gaussian_nll(residual: Tensor, sigma: Tensor) -> Tensor:
    """The negative log likelihood in nats of the residuals under normal distributions, [N]."""
    return 0.5 * (2 * math.pi * sigma.square()).log() + 0.5 * (residual / sigma).square()


def gaussian_crps(residual: Tensor, sigma: Tensor) -> Tensor:
    """The continuous ranked probability score of normal distributions, [N], in their unit (Gneiting and Raftery 2007).

    `sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))` with `z = residual / sigma`; it is the absolute error where
    sigma goes to 0.
    """
    z = residual / sigma
    density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    return sigma * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


def risk_area(error: Tensor, uncertainty: Tensor) -> Tensor:
    """The area under the risk-coverage curve of images (Geifman and El-Yaniv 2017), in the unit of the error.

    `error` and `uncertainty` hold one number for each image. The mean over all numbers of images kept, the most certain
    first, of the mean error of those kept; images of equal uncertainty are kept in random order, on the average.
    """
    kept = _levelled(error, uncertainty).flip(0)
    return (kept.cumsum(0) / torch.arange(1, len(kept) + 1, device=kept.device)).mean()
