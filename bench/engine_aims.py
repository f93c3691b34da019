"""What `engine.py`'s figures of full-size networks are to reach, and whether they do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Aim:
    """A figure of a row, and its bound: the most, or the least where more is better."""

    title: str
    row: str
    figure: Callable[[Row], float]
    bound: float
    unit: str
    least: bool = False
    over: str = ""
    """The row whose figure is divided by this one's, or the other way round where less is better."""

    def cells(self, rows: dict[str, Row]) -> list[str]:
        """The aim, its bound, the figure and whether it is reached; nothing where it was not measured."""
        if self.row not in rows or (self.over and self.over not in rows):
            return []
        value = self.figure(rows[self.row])
        if self.over:
            other = self.figure(rows[self.over])
            value = other / value if self.least else value / other
        reached = value >= self.bound if self.least else value <= self.bound
        bound = f"{'at least' if self.least else 'at most'} {self.bound:.3g} {self.unit}"
        return [self.title, bound, f"{value:.3g} {self.unit}", "yes" if reached else "no"]


def _ms(row: Row) -> float:
    return row["ms"]


def _photos_a_second(row: Row) -> float:
    return 1e3 / row["ms"]


def _first_start(row: Row) -> float:
    return row["starts"][0]


def _second_start(row: Row) -> float:
    return row["starts"][1]


def _reserved(row: Row) -> float:
    return row["reserved"]


def _ram(row: Row) -> float:
    """In 10^9 bytes."""
    return row["rss"] * 2**30 / 1e9


AIMS = {
    "cuda": (
        Aim("one photo, warm", "ours-on/photo", _ms, 20, "ms"),
        Aim("from the shell to the first map", "shell-auto", _first_start, 8, "s"),
        Aim("the same, compiled before", "shell-on", _second_start, 8, "s"),
        Aim("one of 8 photos at once", "ours-on/batch-8", _ms, 16, "ms"),
        Aim("a folder to npy, once it runs", "folder-npy", _photos_a_second, 60, "photos/s", least=True),
        Aim("an ensemble of 10, 4 steps", "ours-on/members", _ms, 220, "ms"),
        Aim("a photo of 4000 x 3000", "ours-on/large", _ms, 60, "ms"),
        Aim("one photo, small decoder", "ours-decoder/photo", _ms, 1 / 3, "of the large", over="ours-on/photo"),
        Aim("memory of one photo of 768 x 768", "ours-4gb/square", _reserved, 4, "GiB"),
    ),
    "cpu": (
        Aim("one photo", "ours-auto/photo", _ms, 1.3, "times the peer", least=True, over="diffusers/photo"),
        Aim("memory of one photo", "ours-auto/photo", _ram, 3.5, "GB"),
    ),
}
"""By device."""


def aims(device: str, rows: dict[str, Row]) -> list[list[str]]:
    """A line for each aim whose rows were measured."""
    return [cells for aim in AIMS[device] if (cells := aim.cells(rows))]
