"""Sums that merge over images, batches and ranks, so that a score never depends on how the work was split."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import Tensor

from marigold.measure.uncertainty import risk_area

Number = float | Fraction
Statistic = Literal["mean", "root", "deviation", "median", "risk"]

ANGLE_WIDTH = 0.01
"""Degrees; the width of a bin of the histogram from which the median of all angles is read."""


@dataclass(frozen=True)
class Tally:
    """A sum and a weight; `mean` is their ratio, or what the statistic makes of it. `a + b` is the tally of both.

    Sums are exact: whatever is finite is added as a fraction, and rounded once, by `mean`. Order and grouping therefore
    change nothing, to the last bit. An empty tally changes nothing, whatever its statistic.
    """

    total: Number = 0.0
    weight: Number = 0.0
    statistic: Statistic = "mean"
    """`root`: of the mean, whose `total` is a sum of squares; `deviation`: the standard deviation; `median`; `risk`:
    the area under the risk-coverage curve of the images (`uncertainty.risk_area`)."""
    squares: Number = 0.0
    """The sum of squares, for a deviation."""
    counts: Mapping[Any, int] = field(default_factory=dict)
    """For a median, how many values are in each bin of width `width`, by its place; bin 0 begins at 0. For a risk, how
    many images have each pair of uncertainty and error."""
    width: float = ANGLE_WIDTH

    def __add__(self, other: "Tally") -> "Tally":
        if not (self.weight and other.weight):
            return self if self.weight else other
        if (self.statistic, self.width) != (other.statistic, other.width):
            raise ValueError(f"a {self.statistic} and a {other.statistic} of one metric cannot be added")
        counts = dict(self.counts)
        for place, count in other.counts.items():
            counts[place] = counts.get(place, 0) + count
        return Tally(
            _sum(self.total, other.total),
            _sum(self.weight, other.weight),
            self.statistic,
            _sum(self.squares, other.squares),
            counts,
            self.width,
        )

    @property
    def is_mean(self) -> bool:
        """Whether it is a mean of values, of which an interval tells how sure it is."""
        return self.statistic == "mean"

    @property
    def mean(self) -> float:
        """The statistic of all that was counted; NaN when nothing was.

        A median is exact to half the width of a bin.
        """
        if not self.weight:
            return math.nan
        return _FINISHED[self.statistic](self)


def histogram(values: Tensor, width: float = ANGLE_WIDTH) -> Tally:
    """The tally of the median of values [N], at least 0; to half of `width`."""
    places, counts = (values.double() / width).floor().long().unique(return_counts=True)
    bins = dict(zip(places.tolist(), counts.tolist(), strict=True))
    return Tally(0.0, len(values), "median", 0.0, bins, width)


def risk(uncertainty: float, error: float) -> Tally:
    """The tally of one image's part in the risk-coverage curve."""
    return Tally(error, 1, "risk", 0.0, {(uncertainty, error): 1})


def counted(values: Mapping[str, float]) -> dict[str, Tally]:
    """One image's metrics as tallies whose means are means over images; NaN, that nothing counts, as an empty one."""
    return {name: Tally() if math.isnan(value) else Tally(value, 1) for name, value in values.items()}


def merge(tallies: list[dict[str, Tally]]) -> dict[str, Tally]:
    """One tally per metric from many."""
    merged: dict[str, Tally] = {}
    for tally in tallies:
        for name, value in tally.items():
            merged[name] = merged.get(name, Tally()) + value
    return merged


def each(values: Mapping[str, Tensor]) -> dict[str, Tally]:
    """One image's metrics, scalar tensors, as tallies whose means are means over images."""
    numbers = torch.stack(list(values.values())).tolist()
    return {name: Tally(number, 1) for name, number in zip(values, numbers, strict=True)}


def _sum(one: Number, other: Number) -> Number:
    """The exact sum of what is finite."""
    if math.isfinite(one) and math.isfinite(other):
        return Fraction(one) + Fraction(other)
    return float(one) + float(other)


def _ratio(total: Number, weight: Number) -> float:
    """The quotient, rounded once."""
    if math.isfinite(total) and math.isfinite(weight):
        return float(Fraction(total) / Fraction(weight))
    return float(total) / float(weight)


def _mean(tally: Tally) -> float:
    return _ratio(tally.total, tally.weight)


def _root(tally: Tally) -> float:
    return math.sqrt(_mean(tally))


def _deviation(tally: Tally) -> float:
    """By exact fractions: the difference of the two terms cancels without loss."""
    if not (math.isfinite(tally.total) and math.isfinite(tally.squares)):
        return math.nan
    weight = Fraction(tally.weight)
    return math.sqrt(max(Fraction(0), Fraction(tally.squares) / weight - (Fraction(tally.total) / weight) ** 2))


def _median(tally: Tally) -> float:
    """The mean of the centres of the bins that hold the two values in the middle."""
    count = int(tally.weight)
    middle = ((count - 1) // 2, count // 2)
    return sum(_centre(tally, rank) for rank in middle) / 2


def _centre(tally: Tally, rank: int) -> float:
    seen = 0
    for place, count in sorted(tally.counts.items()):
        seen += count
        if seen > rank:
            return (place + 0.5) * tally.width
    return math.nan


def _risk(tally: Tally) -> float:
    pairs = [pair for pair, count in sorted(tally.counts.items()) for _ in range(count)]
    uncertainty, error = torch.tensor(pairs, dtype=torch.float64).unbind(dim=1)
    return float(risk_area(error, uncertainty))


_FINISHED: dict[Statistic, Callable[[Tally], float]] = {
    "mean": _mean,
    "root": _root,
    "deviation": _deviation,
    "median": _median,
    "risk": _risk,
}
