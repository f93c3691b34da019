"""Samples that are left out: damaged ones, which are named and must be few, and those that a rule refuses."""

from collections.abc import Iterable
from dataclasses import dataclass

from marigold.core.errors import DataError

MOST = 0.01
"""The share of a source's samples that may be left out."""
LISTED = 10
"""Samples that an error lists."""


@dataclass(frozen=True)
class Skipped:
    """A sample that cannot be used."""

    key: str
    why: str


class SkippedSamples:
    """The samples of a run that were left out."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, str]] = {}  # of each source why, and which
        self._fresh: list[Skipped] = []
        self._refused: dict[str, set[str]] = {}  # of each source the keys

    def add(self, source: str, count: int, skipped: Iterable[Skipped]) -> None:
        """Notes those of a source of `count` samples. Raises `DataError` with a list once they are too many."""
        known = self._of.setdefault(source, {})
        for one in skipped:
            if one.why not in known:  # as for all crops of one photo
                known[one.why] = one.key
                self._fresh.append(one)
        if len(known) > MOST * count:
            words = "; ".join(list(known)[:LISTED])
            more = f"; and {len(known) - LISTED} more" if len(known) > LISTED else ""
            what = f"{len(known)} of {count} samples cannot be used, more than {MOST:.0%}"
            raise DataError(f"{source}: {what}: {words}{more}")

    def refuse(self, source: str, keys: Iterable[str]) -> None:
        """Notes those of a source that the data set's own rules leave out. They may be many: nothing is wrong."""
        self._refused.setdefault(source, set()).update(keys)

    def refused(self) -> dict[str, int]:
        """How many different samples were refused so far, of each source of which any were."""
        return {source: len(keys) for source, keys in self._refused.items() if keys}

    def take(self) -> list[Skipped]:
        """Those that were noted since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh
