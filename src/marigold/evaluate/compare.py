"""Two results side by side: paired differences on the samples that both have scored, under one protocol."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.evaluate.bootstrap import Paired, paired
from marigold.evaluate.published import PLACES
from marigold.evaluate.results import LEADING, Row

Summary = Mapping[str, Any]
LARGEST = 1e100
"""No metric of a sample is larger; sums of many are still numbers."""


@dataclass(frozen=True)
class Line:
    """A metric of one set in both results."""

    set: str
    metric: str
    unit: str
    higher_is_better: bool
    first: float
    second: float
    """The means over the samples that both have."""
    paired: Paired

    @property
    def better(self) -> float:
        """The share of samples on which the first result is better, 0 to 1."""
        return self.paired.share if self.higher_is_better else 1 - self.paired.share

    @property
    def verdict(self) -> str:
        """Which result is better, if the interval of the difference leaves out 0."""
        if not self.paired.is_clear:
            return "open"
        return "A" if (self.paired.difference > 0) == self.higher_is_better else "B"


@dataclass(frozen=True)
class Comparison:
    """All metrics, and what people must know to read them."""

    lines: list[Line]
    remarks: list[str]


def compare(
    first: tuple[Summary, Sequence[Row]], second: tuple[Summary, Sequence[Row]], *, across: bool = False
) -> Comparison:
    """The comparison of two results as `results.read` gives them.

    Raises `DataError` where they have no set in common, and where its protocols differ, unless `across` says that they
    may; then the remarks say so.
    """
    lines: list[Line] = []
    remarks: list[str] = []
    pairs, alone = _paired(first[0]["sets"], second[0]["sets"])
    remarks += [f"{one['set']}: only in A" for one in first[0]["sets"] if not any(one is mine for mine, _ in pairs)]
    for one, other in pairs:
        if found := differences(one, other):
            told = f"{one['set']}: A and B were scored by different protocols ({'; '.join(found)})"
            if not across:
                raise DataError(printable(f"{told}; score one of them again, or compare all the same: --across"))
            remarks.append(told)
        lines += _lines(one, _by_key(first[1], one["set"]), _by_key(second[1], other["set"]), remarks)
    remarks += [f"{one['set']}: only in B" for one in alone]
    if not lines:
        raise DataError(printable(f"nothing to compare: {'; '.join(remarks)}"))
    return Comparison(lines, [printable(remark) for remark in remarks])


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two sets were scored differently: protocol and data, not how predictions were made."""
    found = []
    for part in ("protocol", "settings"):
        mine, theirs = one[part], other[part]
        found += [
            f"{name}: {mine.get(name)} and {theirs.get(name)}"
            for name in dict.fromkeys([*mine, *theirs])
            if mine.get(name) != theirs.get(name) and name not in ("words", "measures", *PLACES)
        ]
    return found


def table(found: Comparison) -> str:
    """The comparison in Markdown."""
    head = "| set | metric | A | B | A - B | 95 % interval | samples where A is better | better |"
    lines = [head, "|---|---|---:|---:|---:|---:|---:|---|"]
    for line in found.lines:
        difference = line.paired
        unit = f" [{line.unit}]" if line.unit else ""
        arrow = "↑" if line.higher_is_better else "↓"
        cells = [
            line.set,
            f"{line.metric}{unit} {arrow}",
            f"{line.first:.5g}",
            f"{line.second:.5g}",
            f"{difference.difference:+.3g}",
            f"{difference.low:+.3g} to {difference.high:+.3g}",
            f"{line.better:.0%}",
            line.verdict,
        ]
        lines.append(printable(f"| {' | '.join(cells)} |"))
    return "\n".join([*lines, *([""] if found.remarks else []), *(f"- {remark}" for remark in found.remarks)])


Pair = tuple[Summary, Summary]


def _paired(first: Sequence[Summary], second: Sequence[Summary]) -> tuple[list[Pair], list[Summary]]:
    """The sets of both results that belong together, and those of the second that are left.

    That are those of one title, data set and split; of the others those of one data set and split, whatever a suite
    and a data set that was scored alone call it, if there is but one.
    """
    pairs: list[Pair] = []
    left, others = [*first], [*second]
    for alike in (_identity, _data):
        for one in [*left]:
            found = [other for other in others if alike(other) == alike(one)]
            if len(found) == 1 and sum(alike(other) == alike(one) for other in left) == 1:
                pairs.append((one, found[0]))
                left.remove(one)
                others.remove(found[0])
    return sorted(pairs, key=lambda pair: first.index(pair[0])), others


def _identity(one: Summary) -> tuple[Any, ...]:
    return one["set"], *_data(one)


def _data(one: Summary) -> tuple[Any, ...]:
    return one["dataset"], one["split"], one["settings"].get("set")


def _lines(one: Summary, mine: Mapping[str, Row], theirs: Mapping[str, Row], remarks: list[str]) -> list[Line]:
    both = [key for key in mine if key in theirs]
    if len(both) < max(len(mine), len(theirs)):
        remarks.append(f"{one['set']}: {len(both)} samples in both, of {len(mine)} scored in A and {len(theirs)} in B")
    found = []
    for metric, facts in one["metrics"].items():
        pairs = [(number(mine[key], metric), number(theirs[key], metric)) for key in both]
        known = [pair for pair in pairs if not any(map(math.isnan, pair))]
        if len(known) < 2:
            continue
        if wrong := [value for pair in known for value in pair if abs(value) > LARGEST]:
            told = printable(f"{one['set']}: {metric} is {wrong[0]} on a sample, which cannot be compared")
            raise DataError(f"{told}; correct that result, or evaluate it again")
        a, b = ([pair[at] for pair in known] for at in (0, 1))
        means = (math.fsum(a) / len(a), math.fsum(b) / len(b))
        found.append(Line(one["set"], metric, facts["unit"], facts["higher_is_better"], *means, paired(a, b)))
    return found


def _by_key(rows: Sequence[Row], name: str) -> dict[str, Row]:
    return {row["key"]: row for row in rows if row["set"] == printable(name) and row["status"] == "scored"}


def number(row: Row, metric: str) -> float:
    """A cell of a metric; NaN where it is empty or no number."""
    try:
        return float(row.get(metric) or "nan") if metric not in LEADING else math.nan
    except ValueError:
        return math.nan
