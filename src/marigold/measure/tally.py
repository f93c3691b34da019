"""Sums that merge over images, batches and ranks, so that a mean never depends on how the work was split."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """A sum and a weight; `mean` is their ratio. `a + b` is the tally of both."""

    total: float = 0.0
    weight: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.total + other.total, self.weight + other.weight)

    @property
    def mean(self) -> float:
        """The weighted mean; NaN when nothing was counted."""
        return self.total / self.weight if self.weight else float("nan")


def merge(tallies: list[dict[str, Tally]]) -> dict[str, Tally]:
    """One tally per metric from many."""
    merged: dict[str, Tally] = {}
    for tally in tallies:
        for name, value in tally.items():
            merged[name] = merged.get(name, Tally()) + value
    return merged
