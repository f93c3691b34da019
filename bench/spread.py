"""Numbers of several seeds: their mean and range, and what may be said of two conditions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The mean and the ends of what the seeds gave."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of at least one number."""
        found = list(values)
        return cls(sum(found) / len(found), min(found), max(found))

    def text(self, digits: int = 3) -> str:
        """The mean, and the ends in brackets."""
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def ratio(ones: Sequence[float], others: Sequence[float]) -> Spread:
    """The ratios of errors, seed by seed."""
    return Spread.of(one / other for one, other in zip(ones, others, strict=True))


def verdict(found: Spread) -> str:
    """What a ratio of errors says of the first of two conditions."""
    if found.high < 1:
        return "lower with every seed"
    if found.low > 1:
        return "higher with every seed"
    return "neither lower nor higher with every seed"
