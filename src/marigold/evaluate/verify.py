"""Whether this machine reproduces a stored result: its first samples are scored again and compared one by one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from marigold.core.config import decode
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError
from marigold.evaluate import fingerprint
from marigold.evaluate import run as runs
from marigold.evaluate.asked import Asked, root_of, source_of, suite_of
from marigold.evaluate.compare import differences, number
from marigold.evaluate.results import LEADING, Row, Scored, rows_of, summary_of

TOLERANCE = 1e-3
"""The relative difference of any metric on any sample up to which a result counts as reproduced."""
FLOOR = 1e-9
"""Absolute differences below this are none."""
ROUNDED = 1e-4
"""The relative difference between a stored mean and that of the stored samples from which on tables show it."""


@dataclass(frozen=True)
class Found:
    """What became of one set."""

    set: str
    samples: int
    same: int
    """Samples whose metrics are all equal to the last digit."""
    worst: float
    """The largest relative difference of a metric on a sample."""
    where: str
    """On which sample and metric it is, with both values; empty where there is none."""
    reasons: tuple[str, ...] = ()
    """Why the result cannot be the same: another protocol, samples that are only in one."""

    def is_reproduced(self, tolerance: float = TOLERANCE) -> bool:
        """Whether every metric of every sample is within the tolerance."""
        return not self.reasons and self.worst <= tolerance

    def verdict(self, tolerance: float = TOLERANCE) -> str:
        """In words."""
        differs = f"differs by {self.worst:.1e}, allowed is {tolerance:.1e}: {self.where}"
        if self.reasons:
            told = [*self.reasons, differs] if self.where and self.worst > tolerance else self.reasons
            return f"not reproduced: {'; '.join(told)}"
        counted = f"{self.samples} sample{'s' if self.samples != 1 else ''}"
        if self.same == self.samples:
            return f"{counted} reproduced to the last digit"
        if self.is_reproduced(tolerance):
            return f"{counted} reproduced within {self.worst:.1e} ({self.same} to the last digit)"
        return f"not reproduced: {differs}"


def verify(
    summary: Mapping[str, Any],
    rows: Sequence[Row],
    *,
    count: int,
    root: str = "",
    model: str = "",
    device: str = "auto",
    jobs: int = 2,
    trust: tuple[str, ...] = (),
    progress: bool = True,
) -> tuple[list[Found], list[str]]:
    """Scores the first `count` samples of every set again, as the summary says; remarks say what else differs.

    `root` is where the data lie here. A summary names no code: `model` must be given again, and data sets of other
    packages need `trust`. Raises `ConfigError`, `DataError`, and what opening a checkpoint raises.
    """
    asked = asked_again(summary, count, root, model)
    name, suite = suite_of(asked, trust)
    source = source_of(asked, suite, device, trust)
    remarks = _remarks(summary, source.facts(), fingerprint.versions(source))
    where = runs.Where(root_of(asked), count=count, jobs=jobs, protocol=asked.protocol, progress=progress)
    scored = {one.task.title: one for one in runs.score(suite, source, where)}
    found = [_compared(one, rows, scored.get(one["set"]), source.name, count) for one in summary["sets"]]
    return found, [printable(f"{name}: {remark}") for remark in remarks]


def asked_again(summary: Mapping[str, Any], count: int, root: str, model: str) -> Asked:
    """What was asked for, with fewer samples. Raises `DataError` for a summary that does not say it."""
    try:
        asked = decode(Asked, dict(summary["asked"]), "asked")
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise DataError(f"summary.json: does not say what was asked for ({error}); evaluate again") from error
    if asked.model and not model:
        told = f"was made by code, {printable(asked.model)}"
        raise ConfigError(f"summary.json: {told}; give --model again if you trust it")
    if asked.what.endswith((".yaml", ".yml")):
        raise ConfigError(f"summary.json: was made by the suite {printable(asked.what)}; evaluate it, and compare")
    return replace(asked, count=count, root=root or asked.root, model=model)


def table(found: Sequence[Found], tolerance: float) -> str:
    """A line for each set."""
    return "\n".join(f"{printable(one.set)}: {printable(one.verdict(tolerance))}" for one in found)


def _remarks(summary: Mapping[str, Any], facts: Mapping[str, Any], versions: Mapping[str, str]) -> list[str]:
    before = {**summary.get("model", {}), **summary.get("versions", {})}
    now = {**facts, **versions}
    return [f"{key} was {before[key]}, is {now[key]}" for key in now if key in before and before[key] != now[key]]


def _compared(one: Mapping[str, Any], rows: Sequence[Row], scored: Scored | None, name: str, count: int) -> Found:
    title = one["set"]
    if scored is None:
        return Found(title, 0, 0, math.inf, "", ("its data or answers are not there",))
    again = {row["key"]: row for row in rows_of(scored, name)}
    stored = _rows_of(rows, title)[:count]
    reasons = [*differences(one, summary_of(scored, name)), *contradictions(one, rows, name)]
    if [row["key"] for row in stored] != [printable(key) for key in list(again)[: len(stored)]]:
        reasons.append("its samples are others")
        return Found(title, len(stored), 0, math.inf, "", tuple(reasons))
    gaps = [(_gap(row, other), row) for row, other in zip(stored, again.values(), strict=False)]
    worst, row = max(gaps, key=lambda pair: pair[0][0], default=((0.0, ""), {}))
    where = f"{row['key']}, {worst[1]}" if worst[0] else ""
    return Found(title, len(stored), sum(gap == 0 for (gap, _), _ in gaps), worst[0], where, tuple(reasons))


def contradictions(one: Mapping[str, Any], rows: Sequence[Row], name: str) -> list[str]:
    """Where a stored summary says something else than the table of samples beside it."""
    own, found = _rows_of(rows, one["set"]), []
    if not own or len(own) != one.get("count"):
        return [f"its table has {len(own)} samples, its summary says {one.get('count')}"]
    for metric, score in _mapping(_mapping(one.get("scores")).get(name)).items():
        mean, low = _mapping(score).get("mean"), _mapping(score).get("low")
        values = [value for row in own if not math.isnan(value := number(row, metric))]
        if low is None or not values:  # without an interval it is no mean over images
            continue
        truly = sum(value / len(values) for value in values)
        if not isinstance(mean, float) or not math.isclose(mean, truly, rel_tol=ROUNDED, abs_tol=FLOOR):
            found.append(f"its summary says {metric} {mean}, the mean of its samples is {truly:.6g}")
    return found


def _rows_of(rows: Sequence[Row], title: str) -> list[Row]:
    return [row for row in rows if row["set"] == printable(title)]


def _mapping(content: Any) -> Mapping[str, Any]:
    return content if isinstance(content, dict) else {}


def _gap(stored: Row, again: Row) -> tuple[float, str]:
    """The largest relative difference of a sample's metrics, and where it is; infinite where only one has a number."""
    if stored["status"] != again["status"]:
        return math.inf, f"was {stored['status']}, is {again['status']}"
    worst = (0.0, "")
    for metric in [name for name in {**stored, **again} if name not in LEADING]:
        before, now = number(stored, metric), number(again, metric)
        if math.isnan(before) and math.isnan(now):
            continue
        gap = abs(before - now)
        relative = 0.0 if before == now or gap < FLOOR else gap / max(abs(before), abs(now))
        relative = math.inf if math.isnan(relative) else relative
        worst = max(worst, (relative, f"{metric} was {before:.6g}, is {now:.6g}"))
    return worst
