"""The scale and shift that bring a depth map to known distances, by robust least squares that tells outliers.

The map is fitted in the quantity that its checkpoint was taught (`measure/curve.py`): first by RANSAC
(`measure/robust.py`), then by least squares over the points within three robust standard deviations, until these stay
the same. The standard deviation is 1.4826 times the median absolute residual (Rousseeuw and Leroy 1987, ch. 5).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from marigold.core.errors import ImageError
from marigold.measure.curve import Curve
from marigold.measure.robust import ransac

FEWEST_TO_JUDGE = 5
"""With fewer points none is told to be an outlier: two others may agree by chance."""
CUT = 3.0
"""Residuals above so many robust standard deviations are outliers."""
NORMAL = 1.4826
"""The standard deviation of a normal distribution, as a multiple of its median absolute deviation."""
LEAST_CUT = 1e-3
"""No residual below this share of the median is an outlier."""
ROUNDS = 20
ALIKE = 1e-6
"""Values that differ by no more than this share of their size are all the same."""


@dataclass(frozen=True)
class Fit:
    """metres = curve.metres(scale * curve.straight(values) + shift)."""

    curve: Curve
    scale: float
    shift: float
    inlier: np.ndarray
    """[N] bool, of the points."""
    deviation: float | None
    """The standard deviation of a single point from the line, in the quantity; None where there are too few to say."""
    middle: float
    """The mean of the inliers' straight values."""
    spread: float
    """The sum of the inliers' squared distances from it; 0 where the shift is known."""

    def metres(self, values: np.ndarray) -> np.ndarray:
        """Depth in 0 to 1, of any shape, as metres, float32."""
        return self.curve.metres(self._line(values)).astype(np.float32)

    def uncertainty(self, values: np.ndarray, disagreement: np.ndarray | None) -> np.ndarray | None:
        """One standard deviation of the metres, float32: of a point from the line, of the line itself, and of members.

        `disagreement` is how far an ensemble's members disagree, in the unit of the values. None if nothing is known.
        """
        parts = []
        if self.deviation is not None:
            count = int(self.inlier.sum())
            away = self.curve.straight(values.astype(np.float64)) - self.middle
            lever = away**2 / self.spread if self.spread else 0.0
            parts.append(self._in_metres(self._line(values), self.deviation * np.sqrt(1 + 1 / count + lever)))
        if disagreement is not None:
            parts.append(np.abs(self.metres(values + disagreement) - self.metres(values - disagreement)) / 2)
        return np.sqrt(sum(part.astype(np.float64) ** 2 for part in parts)).astype(np.float32) if parts else None

    def _line(self, values: np.ndarray) -> np.ndarray:
        return self.scale * self.curve.straight(values.astype(np.float64)) + self.shift

    def _in_metres(self, quantity: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        both = (self.curve.metres(quantity + sign * deviation) for sign in (1, -1))
        return np.abs(np.subtract(*both)) / 2


def fit(values: np.ndarray, depth: np.ndarray, curve: Curve, *, shifted: bool, where: str) -> Fit:
    """The fit of a map's values [N] at points whose depth [N] is known, positive.

    Without `shifted` depth 0 is at the camera, and only the scale is fitted. Raises `ImageError`, which begins with
    `where`, for points that do not tell them.
    """
    x, y = curve.straight(values.astype(np.float64)), curve.of_metres(depth.astype(np.float64))
    inlier = np.ones(len(x), bool)
    _require_spread(depth, y, f"{where}: all known distances are {depth[0]:.4g} m", shifted)
    _require_spread(values, x, f"{where}: the map is equally deep at all known points", shifted)
    scale, shift = _line(x, y, inlier, shifted)
    if len(x) >= FEWEST_TO_JUDGE:
        if shifted:
            scale, shift = ransac(torch.from_numpy(x), torch.from_numpy(y))
        for _ in range(ROUNDS):
            before, inlier = inlier, _near(x, y, scale, shift)
            scale, shift = _line(x, y, inlier, shifted)
            if (before == inlier).all():
                break
    _require_spread(values[inlier], x[inlier], f"{where}: the points that agree are all at one depth", shifted)
    if not scale > 0:
        raise ImageError(
            f"{where}: what is farther there is nearer in the map; check that x comes before y, and the unit"
        )
    return _with_deviation(x, y, inlier, curve, scale, shift, shifted)


def _require_spread(shown: np.ndarray, numbers: np.ndarray, words: str, shifted: bool) -> None:
    if shifted and np.ptp(numbers) <= ALIKE * max(np.abs(numbers).max(), ALIKE):
        raise ImageError(f"{words}, which tells no scale and shift; add points that are nearer or farther")


def _near(x: np.ndarray, y: np.ndarray, scale: float, shift: float) -> np.ndarray:
    away = np.abs(scale * x + shift - y)
    return away <= max(CUT * NORMAL * float(np.median(away)), LEAST_CUT * float(np.median(np.abs(y))))


def _line(x: np.ndarray, y: np.ndarray, inlier: np.ndarray, shifted: bool) -> tuple[float, float]:
    """Least squares over the inliers; without shift the median of the ratios, which one wrong point does not move."""
    x, y = x[inlier], y[inlier]
    if not shifted:
        positive = x > 0
        return (float(np.median(y[positive] / x[positive])), 0.0) if positive.any() else (0.0, 0.0)
    away = x - x.mean()
    variance = float(away @ away)
    scale = float(away @ (y - y.mean())) / variance if variance else 0.0
    return scale, float(y.mean()) - scale * float(x.mean())


def _with_deviation(
    x: np.ndarray, y: np.ndarray, inlier: np.ndarray, curve: Curve, scale: float, shift: float, shifted: bool
) -> Fit:
    free = int(inlier.sum()) - (2 if shifted else 1)
    away = (scale * x + shift - y)[inlier]
    deviation = math.sqrt(float(away @ away) / free) if free > 0 else None
    middle = float(x[inlier].mean())
    spread = float(((x[inlier] - middle) ** 2).sum()) if shifted else 0.0
    return Fit(curve, scale, shift, inlier, deviation, middle, spread)
