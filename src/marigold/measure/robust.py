"""Lines through points of which some are wrong: least absolute deviations, RANSAC, and the median."""

import torch
from torch import Tensor

IRLS_ROUNDS = 60
"""Rounds of reweighted least squares on the subset; `IRLS_LAST` more go over all points."""
IRLS_LAST = 8
IRLS_POINTS = 16384
"""The subset is about so many points, evenly spread."""
IRLS_FLOOR = 1e-4
"""Deviations below this share of their mean weigh as if they were as large, so that no weight is infinite."""

RANSAC_TRIALS = 1000
"""Lines through two points that are tried."""
RANSAC_POINTS = 2048
"""Lines and their threshold are judged by about so many points, evenly spread; the last fit is to all."""
RANSAC_SEED = 0
ROUNDING = 1e-9
"""The share of the median of `y` that an inlier may deviate where most of `y` is one single value."""


def least_absolute(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The (scale, shift) with about the least sum of |scale * x + shift - y|; `x` and `y` are [N], float64.

    By iteratively reweighted least squares, each point by the inverse of its deviation: first on an even subset of the
    points, then on all. The sum is within a thousandth of the least one. Without points both are 0; of a constant
    `x` the scale is 0.
    """
    scale, shift = _weighted_line(x, y, torch.ones_like(x))
    subset = _even(len(x), IRLS_POINTS)
    for points, rounds in ((subset, IRLS_ROUNDS), (slice(None), IRLS_LAST)):
        some_x, some_y = x[points], y[points]
        away = torch.empty_like(some_x)  # one for all rounds, as to take memory costs as much as to compute
        for _ in range(rounds):
            torch.sub(some_y, some_x, alpha=scale, out=away).sub_(shift).abs_()
            floor = IRLS_FLOOR * float(away.mean()) if len(away) else 0.0
            if not floor:
                break
            scale, shift = _weighted_line(some_x, some_y, away.clamp_(min=floor).reciprocal_())
    return scale, shift


def ransac(x: Tensor, y: Tensor) -> tuple[float, float]:
    """The (scale, shift) of the least squares over the inliers of the line that has most of them; [N], float64.

    `RANSAC_TRIALS` lines through two points are tried, drawn by a generator of a fixed seed, so that the result is the
    same every time. An inlier deviates by at most the median absolute deviation of `y` (the default of scikit-learn's
    RANSACRegressor), and by rounding. The inlier test and the number of trials of the published protocol that aligns by
    RANSAC (Pixel-Perfect Depth, Marigold V2) are not confirmed. Without two points with different `x` the scale is 0
    and the shift the mean of `y`.
    """
    subset = _even(len(x), RANSAC_POINTS)
    some_x, some_y = x[subset], y[subset]
    middle = median_of(some_y)
    threshold = median_of((some_y - middle).abs()) + ROUNDING * abs(middle)
    generator = torch.Generator().manual_seed(RANSAC_SEED)
    first, second = torch.randint(max(1, len(some_x)), (2, RANSAC_TRIALS), generator=generator).to(x.device)
    if not len(x) or not bool((differ := some_x[second] != some_x[first]).any()):
        return _weighted_line(x, y, torch.ones_like(x))
    first, second = first[differ], second[differ]
    scales = (some_y[second] - some_y[first]) / (some_x[second] - some_x[first])
    shifts = some_y[first] - scales * some_x[first]
    lines = zip(scales.split(64), shifts.split(64), strict=True)
    counts = torch.cat([_inliers(*some, some_x, some_y, threshold) for some in lines])
    best = int(counts.argmax())
    inlier = torch.sub(y, x, alpha=float(scales[best])).sub_(float(shifts[best])).abs_() <= threshold
    near_x = x.masked_select(inlier)
    return _weighted_line(near_x, y.masked_select(inlier), torch.ones_like(near_x))


def _inliers(scales: Tensor, shifts: Tensor, x: Tensor, y: Tensor, threshold: float) -> Tensor:
    """How many points [N] are near each line [L], [L]."""
    away = torch.addcmul(shifts[:, None] - y, scales[:, None], x)
    return (away.abs_() <= threshold).sum(dim=1)


def median_of(values: Tensor) -> float:
    """The median of [N], of an even number the mean of the two in the middle; 0 of none."""
    if not len(values):
        return 0.0
    half = (len(values) + 1) // 2
    lower = values.kthvalue(half).values
    if len(values) % 2 or int((values <= lower).sum()) > half:
        return float(lower)
    return float((lower + values[values > lower].min()) / 2)


def _even(size: int, count: int) -> Tensor:
    """The places of about `count` of `size` points, evenly spread."""
    return torch.arange(0, size, max(1, size // count))


def _weighted_line(x: Tensor, y: Tensor, weight: Tensor) -> tuple[float, float]:
    """The (scale, shift) of the least weighted squares; scale 0 of a constant `x`, both 0 of no points."""
    total = float(weight.sum())
    if not total:
        return 0.0, 0.0
    mean_x, mean_y = float(torch.dot(weight, x)) / total, float(torch.dot(weight, y)) / total
    away = x - mean_x
    leaning = weight * away
    variance = float(torch.dot(leaning, away)) / total
    if variance <= 1e-14 * mean_x**2:
        return 0.0, mean_y
    scale = float(torch.dot(leaning, torch.sub(y, mean_y, out=away))) / total / variance
    return scale, mean_y - scale * mean_x
