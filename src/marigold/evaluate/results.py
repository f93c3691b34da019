"""What an evaluation leaves: `summary.json`, `per_sample.csv`, `table.md` and `report.html` in one folder.

The summary states everything that its numbers depend on; two results are compared only as far as it is the same.
"""

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marigold.core.console import printable
from marigold.core.documents import read_json
from marigold.core.errors import DataError, OutputError
from marigold.core.files import whole_file, write_json
from marigold.core.find import name_of
from marigold.core.reading import read_bytes
from marigold.evaluate.bootstrap import interval
from marigold.evaluate.record import Record, is_begun
from marigold.evaluate.task import Task
from marigold.measure.tally import Tally

FORMAT = 1
SUMMARY, SAMPLES, TABLE, REPORT = "summary.json", "per_sample.csv", "table.md", "report.html"
JOURNAL = "journal.jsonl"
"""What is known of samples until the result is written (`record.Journal`)."""
LEADING = ("set", "key", "status", "reason")
"""The columns of `per_sample.csv` before the metrics."""
STAGES = ("read", "predict", "score")
"""Of what a result states the seconds."""
MOST = 1 << 30
"""Bytes of a result's file."""
Row = dict[str, str]


@dataclass(frozen=True)
class Scored:
    """A task with the records of its samples."""

    task: Task
    records: Sequence[Record]
    prediction: Mapping[str, Any]
    """The settings that the answers were made by; empty where that is not known."""
    choice: Mapping[str, Any] = field(default_factory=dict)
    """What the suite says of them."""
    folder: str = ""
    """What the suite calls the folder of the set."""
    notes: tuple[str, ...] = ()
    """What whoever was scored has to say."""

    def totals(self) -> dict[str, dict[str, Tally]]:
        """For every method its metrics over all samples, in the order of the samples."""
        found: dict[str, dict[str, Tally]] = {}
        for record in self.records:
            for method, metrics in record.tallies.items():
                sums = found.setdefault(method, {})
                for name, tally in metrics.items():
                    sums[name] = sums[name] + tally if name in sums else tally
        return found


def summary_of(scored: Scored, name: str) -> dict[str, Any]:
    """One set of the summary; `name` is the method whose samples have rows and whose means have intervals."""
    task, records = scored.task, scored.records
    per_image = task.protocol.pooling == "image"
    totals = scored.totals()
    own = {metric: _values(records, name, metric) for metric in totals.get(name, {})}
    return {
        "set": task.title,
        "dataset": name_of(task.dataset),
        "root": str(task.root),
        "split": task.split,
        "settings": task.data_settings(),
        "count": len(records),
        "published_count": task.published_count,
        "holes": [{"key": one.key, "reason": one.reason} for one in records if one.status == "hole"],
        "refused": sum(one.status == "refused" for one in records),
        "shown": list(task.shown),
        "protocol": task.stated(),
        "notes": [
            *scored.notes,
            *(note for measure in task.measures for note in measure.notes(task.modality)),
            *_without_values(task, totals.get(name, {}), name),
        ],
        "prediction": dict(scored.prediction),
        "metrics": {
            metric.name: {"unit": metric.unit, "higher_is_better": metric.higher_is_better} for metric in task.metrics
        },
        "scores": {
            method: {
                metric: _score(tally, own[metric] if method == name and per_image and tally.is_mean else [])
                for metric, tally in metrics.items()
            }
            for method, metrics in totals.items()
        },
        "seconds": {stage: sum(one.seconds.get(stage, 0.0) for one in records) for stage in STAGES},
    }


def _without_values(task: Task, totals: Mapping[str, Tally], name: str) -> list[str]:
    """What to say where samples are scored and the model has no value of a metric on any of them."""
    empty = [metric.name for metric in task.metrics if metric.name in totals and not totals[metric.name].weight]
    return [f"{name} has no value of {', '.join(empty)} on any sample"] if empty else []


def rows_of(scored: Scored, name: str) -> list[Row]:
    """The lines of `per_sample.csv`: one for each sample, numbers with all their digits."""
    return [
        {
            "set": scored.task.title,
            "key": one.key,
            "status": one.status,
            "reason": one.reason,
            **{metric: _cell(tally.mean) for metric, tally in one.tallies.get(name, {}).items()},
        }
        for one in scored.records
    ]


def write(folder: Path, summary: Mapping[str, Any], rows: Sequence[Row], pages: Mapping[str, str]) -> None:
    """Writes a result: every file whole or not at all, the summary last. Raises `OutputError`."""
    for name, text in {SAMPLES: as_csv(rows), **pages}.items():
        with whole_file(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    write_json(folder / SUMMARY, summary)


def as_csv(rows: Sequence[Row]) -> str:
    """Rows with the union of their columns, empty where a row has none."""
    columns = list(dict.fromkeys([*LEADING, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: printable(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def read(folder: Path) -> tuple[dict[str, Any], list[Row]]:
    """The summary and the rows of a result's folder. Raises `DataError` for what is none."""
    remedy = "give the folder of a result, such as results/depth/NAME"
    summary = read_json(folder / SUMMARY, DataError, remedy)
    if not _is_summary(summary):
        raise DataError(f"{folder / SUMMARY}: is no summary of an evaluation; {remedy}")
    content = read_bytes(folder / SAMPLES, DataError, remedy, MOST)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{folder / SAMPLES}: is no table of samples ({error}); {remedy}") from error
    if rows and not {*LEADING} <= rows[0].keys():
        raise DataError(f"{folder / SAMPLES}: has no columns {', '.join(LEADING)}; {remedy}")
    if wrong := [number for number, row in enumerate(rows, 2) if None in row or None in row.values()]:
        raise DataError(f"{folder / SAMPLES}: line {wrong[0]} has not the columns of the first; {remedy}")
    return summary, rows


def refuse_foreign(folder: Path) -> None:
    """Raises `OutputError` where a folder holds files of a result's names that no evaluation has written.

    The summary, which is written last, or the journal of an evaluation that was stopped vouch for the others.
    """
    remedy = "it is not replaced: move it away, or choose another --output"
    if os.path.lexists(folder / SUMMARY):
        try:
            read(folder)
        except DataError as error:
            raise OutputError(f"{error}; {remedy}") from None
    there = [name for name in (JOURNAL, SAMPLES, TABLE, REPORT) if os.path.lexists(folder / name)]
    is_journal = JOURNAL in there and is_begun(folder / JOURNAL)
    if JOURNAL in there and not is_journal:
        raise OutputError(f"{folder / JOURNAL}: is not of an evaluation; {remedy}")
    if there and not is_journal and not os.path.lexists(folder / SUMMARY):
        raise OutputError(f"{folder / there[0]}: is there without the {SUMMARY} of an evaluation; {remedy}")


def _is_summary(content: Any) -> bool:
    """Whether JSON has the parts of a summary that programs read."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return False
    sets, others = content.get("sets"), (content.get("model"), content.get("versions", {}))
    if not all(isinstance(part, dict) for part in others) or not isinstance(sets, list) or not sets:
        return False
    return all(map(_is_set, sets)) and len({one["set"] for one in sets}) == len(sets)


def _is_set(content: Any) -> bool:
    words, parts = ("set", "dataset", "split"), ("protocol", "settings", "metrics")
    if not isinstance(content, dict) or not all(isinstance(content.get(name), str) for name in words):
        return False
    if not all(isinstance(content.get(name), dict) for name in parts):
        return False
    metrics = content["metrics"].values()
    return all(isinstance(one, dict) and {"unit", "higher_is_better"} <= one.keys() for one in metrics)


def _values(records: Sequence[Record], name: str, metric: str) -> list[float]:
    """The metric on every image that has it."""
    found = [one.tallies[name][metric].mean for one in records if metric in one.tallies.get(name, {})]
    return [value for value in found if math.isfinite(value)]


def _score(tally: Tally, values: Sequence[float]) -> dict[str, float | None]:
    low, high = interval(values) if len(values) > 1 else (None, None)
    return {"mean": tally.mean if math.isfinite(tally.mean) else None, "low": low, "high": high}


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
