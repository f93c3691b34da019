"""One scale and shift for each of many maps, solved jointly from how pairs of them relate.

Each pair says `x_j = ratio * x_i + offset`, robustly and alike in both directions. The logarithms of the scales are the
solution of a weighted graph Laplacian, and so are the shifts once the scales are known: two banded linear systems,
without a starting value, in which no scale can vanish or turn around. What most of the flicker of frame-wise
predictions is made of is such an affine drift (DyFN, arXiv 2605.25308).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 6
"""Reweighted fits of a pair."""
REWEIGHTS = 4
"""Reweighted solutions of the graph."""
FEWEST = 32
"""Points that a pair must agree in."""
FLAT = 1e-5
"""A map whose standard deviation is no more than this share of 1 tells no scale."""
CHAIN = 1e-9
"""The weight of `as the map before`, which holds where no pair says anything."""


@dataclass(frozen=True)
class Relation:
    """How map j follows from map i: `x_j = ratio * x_i + offset` around their means."""

    i: int
    j: int
    ratio: float
    mean_i: float
    mean_j: float
    certainty: float
    """The weight of the logarithm of the ratio: the inverse of its variance, up to a factor."""
    certainty_of_mean: float
    """The weight of the difference of the means, in the unit of the maps."""


def relate(
    i: int, j: int, x: np.ndarray, y: np.ndarray, weights: np.ndarray, *, scale: bool = True, shift: bool = True
) -> Relation | None:
    """The relation of the points x and y [P] that belong together, as far as `weights` [P] in 0 to 1 say.

    The ratio is that of the reduced major axis, the standard deviations' ratio: exchanging x and y inverts it, and
    equal noise in both does not bend it. Without an open shift, that of the root mean squares. Points far from the line
    lose their weight (Geman and McClure). None where too few points agree, or one of the maps is flat.
    """
    fit, w = None, weights.astype(np.float64)
    if w.sum() < FEWEST:
        return None
    for _ in range(ROUNDS):
        fit = _line(x, y, w, scale, shift)
        if fit is None:
            return None
        ratio, mean_x, mean_y = fit
        residual = np.abs(y - mean_y - ratio * (x - mean_x)) / math.sqrt(1 + ratio * ratio)
        usual = max(1.4826 * _median(residual, w), 1e-4)
        w = weights / np.square(1 + np.square(residual / (2 * usual)))
    total = float(w.sum())
    if fit is None or total < FEWEST:
        return None
    ratio, mean_x, mean_y = fit
    noise = max(float(w @ np.square(y - mean_y - ratio * (x - mean_x))) / total, 1e-8)
    spread = float(w @ np.square(y - mean_y)) / total if shift else float(w @ np.square(y)) / total
    return Relation(i, j, ratio, mean_x, mean_y, total * spread / noise, total / noise)


def solve(
    count: int, relations: Sequence[Relation], *, scale: bool = True, shift: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The scales and shifts [count] that bring all maps together: `scale * x + shift`.

    The scales have 1 as their geometric mean and the shifts 0 as their mean. Without a relation a map is as the one
    before it. Raises nothing: relations that others contradict lose their weight.
    """
    logs = np.zeros(count)
    if scale:
        # log s_i - log s_j = log ratio
        logs = _balanced(
            count, relations, [math.log(one.ratio) for one in relations], [one.certainty for one in relations]
        )
        logs -= logs.mean()
    scales, shifts = np.exp(logs), np.zeros(count)
    if shift:
        # t_i - t_j = s_j * mean_j - s_i * mean_i
        wanted = [scales[one.j] * one.mean_j - scales[one.i] * one.mean_i for one in relations]
        shifts = _balanced(count, relations, wanted, [one.certainty_of_mean for one in relations])
        shifts -= shifts.mean()
    return scales, shifts


def _line(x: np.ndarray, y: np.ndarray, w: np.ndarray, scale: bool, shift: bool) -> tuple[float, float, float] | None:
    """Ratio and weighted means; the means are 0 without a shift. None for a flat map."""
    total = w.sum()
    mean_x, mean_y = ((w @ x) / total, (w @ y) / total) if shift else (0.0, 0.0)
    if not scale:
        return 1.0, float(mean_x), float(mean_y)
    deviation_x, deviation_y = (
        math.sqrt(max(float(w @ np.square(values - mean)) / total, 0.0)) for values, mean in ((x, mean_x), (y, mean_y))
    )
    if min(deviation_x, deviation_y) <= FLAT:
        return None
    return deviation_y / deviation_x, float(mean_x), float(mean_y)


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(summed, summed[-1] / 2)]])


def _balanced(
    count: int, relations: Sequence[Relation], wanted: Sequence[float], certainties: Sequence[float]
) -> np.ndarray:
    """The u [count] for which `u_i - u_j = wanted` holds best, robustly; any constant may be added."""
    i = np.array([one.i for one in relations], dtype=np.int64)
    j = np.array([one.j for one in relations], dtype=np.int64)
    target, trust = np.asarray(wanted, np.float64), np.asarray(certainties, np.float64)
    trust = trust / trust.mean() if len(trust) else trust
    weights, u = trust, np.zeros(count)
    for _ in range(REWEIGHTS):
        u = _laplacian_solution(count, i, j, target, weights)
        residual = np.abs(u[i] - u[j] - target)
        usual = max(1.4826 * _median(residual, trust), 1e-9) if len(residual) else 1.0
        weights = trust / np.square(1 + np.square(residual / (3 * usual)))
    return u


def _laplacian_solution(
    count: int, i: np.ndarray, j: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """The least squares solution of `u_i - u_j = target`, by a banded Cholesky factor."""
    width = int(np.abs(i - j).max(initial=1))
    # [width + 1, count]: row d holds the elements d below the diagonal
    band, right = np.zeros((width + 1, count)), np.zeros(count)
    near = np.arange(count - 1)
    band[0, 0] = 1  # u_0 = 0, as any constant may be added
    for a, b, goal, weight in (
        (i, j, target, weights),
        (near, near + 1, np.zeros(count - 1), np.full(count - 1, CHAIN)),
    ):
        np.add.at(band[0], a, weight)
        np.add.at(band[0], b, weight)
        np.subtract.at(band, (np.abs(a - b), np.minimum(a, b)), weight)
        np.add.at(right, a, weight * goal)
        np.subtract.at(right, b, weight * goal)
    return _banded_solution(band, right)


def _banded_solution(band: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution of a symmetric positive definite system whose lower band is [width + 1, n], by L D L^T."""
    width, count = band.shape[0] - 1, band.shape[1]
    band, u = np.pad(band, ((0, 0), (0, width))), np.pad(right, (0, width))
    # The places (p - q, k + q) of what column k is subtracted from, for all 1 <= q <= p <= width
    p, q = (side + 1 for side in np.tril_indices(width))
    place, flat = (p - q) * band.shape[1] + q, band.reshape(-1)
    for k in range(count):
        column = band[1:, k] / band[0, k]
        flat[place + k] -= column[p - 1] * band[q, k]
        band[1:, k] = column
        u[k + 1 : k + width + 1] -= column * u[k]
    u[:count] /= band[0, :count]
    for k in range(count - 1, -1, -1):
        u[k] -= band[1:, k] @ u[k + 1 : k + width + 1]
    return u[:count]
