"""Samples that are left out: damaged ones, which are named and must be few, and those that a rule refuses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from marigold.core.errors import DataError
from marigold.data.source import Source

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

    def add(self, source: Source, count: int, skipped: Iterable[Skipped]) -> None:
        """Notes those of a source of `count` samples. Raises `DataError` with a list once they are too many.

        What a source's `train` and `test` splits leave out is counted apart.
        """
        known = self._of.setdefault(source.data(), {})
        for one in skipped:
            if one.why not in known:  # as for all crops of one photo
                known[one.why] = one.key
                self._fresh.append(one)
        if len(known) > MOST * count:
            more = f"; and {len(known) - LISTED} more" if len(known) > LISTED else ""
            what = f"{len(known)} of {count} samples cannot be used, more than {MOST:.0%}"
            raise DataError(f"{_named(source)}: {what}: {_listed(list(known)[:LISTED])}{more}")

    def refuse(self, source: Source, keys: Iterable[str]) -> None:
        """Notes those of a source that the data set's own rules leave out. They may be many: nothing is wrong."""
        self._refused.setdefault(_named(source), set()).update(keys)

    def refused(self) -> dict[str, int]:
        """How many different samples were refused so far, of each source of which any were."""
        return {source: len(keys) for source, keys in self._refused.items() if keys}

    def take(self) -> list[Skipped]:
        """Those that were noted since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh


def _named(source: Source) -> str:
    """What messages call a source."""
    return f"{source.name}: {source.root}, split {source.split}"


def _listed(reasons: Sequence[str]) -> str:
    """Reasons one after the other; what is said of several files is said once, of the first."""
    files: dict[str, list[str]] = {}  # of each complaint
    for why in reasons:
        file, _, complaint = why.partition(": ")
        files.setdefault(complaint, []).append(file)
    texts = []
    for complaint, (first, *others) in files.items():
        likewise = f"; likewise {', '.join(others)}" if others else ""
        texts.append(": ".join(filter(None, (first, complaint))) + likewise)
    return "; ".join(texts)
