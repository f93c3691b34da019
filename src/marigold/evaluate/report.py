"""Evaluations as a table for people and as JSON for programs, with everything needed to repeat them."""

import math
import os
import re
from pathlib import Path
from typing import Any

from marigold.core.console import printable
from marigold.core.errors import OutputError
from marigold.core.files import make_folder, prepare, write_json
from marigold.core.reading import open_file
from marigold.evaluate.runner import Scores
from marigold.measure.metrics import Metric

_START, _HEAD = re.compile(rb'\s*\{\s*"protocol"\s*:'), 100
"""How the JSON of an evaluation begins."""


def table(scores: Scores) -> str:
    """A Markdown table: a line for each method, a column for each metric with the direction of better."""
    metrics = list(dict.fromkeys(name for tallies in scores.methods.values() for name in tallies))
    stated = {metric.name: metric for metric in scores.metrics}
    head = ["method", *(_heading(name, stated.get(name)) for name in metrics)]
    lines = [
        [printable(method), *(_number(tallies[metric].mean) if metric in tallies else "" for metric in metrics)]
        for method, tallies in scores.methods.items()
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_row(cells, widths) for cells in (head, rule, *lines))


def _row(cells: list[str], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([cells[0].ljust(widths[0]), *numbers])} |"


def _heading(name: str, metric: Metric | None) -> str:
    """The name with its unit, and an arrow towards better; the name alone of a metric that nobody states."""
    if metric is None:
        return name
    unit = f" [{metric.unit}]" if metric.unit else ""
    return f"{name}{unit} {metric.arrow}"


def settings(facts: dict[str, Any]) -> str:
    """The protocol below a table, one line for each fact."""
    return "\n".join(f"{name}: {printable(value)}" for name, value in facts.items())


def write(path: Path, scores: Scores, facts: dict[str, Any]) -> None:
    """JSON with the protocol (`facts`), unit and direction of every metric, the means and every sample's metrics.

    A metric that nothing counted for is null.
    """
    means = {method: _finite(scores.means(method)) for method in scores.methods}
    make_folder(path.parent)
    metrics = {one.name: {"unit": one.unit, "higher_is_better": one.higher_is_better} for one in scores.metrics}
    samples = [_finite(row) for row in scores.rows]
    write_json(path, {"protocol": facts, "metrics": metrics, "scores": means, "samples": samples})


def prepared(path: Path) -> Path:
    """The path of the JSON of an evaluation that is to be made.

    Raises `OutputError` for a place that cannot be written, and for a file there that no evaluation has written.
    """
    prepare(path)
    if os.path.exists(path) and os.path.getsize(path) and not _is_report(path):
        raise OutputError(f"{path}: is there and is no evaluation, so that it is not replaced; choose another --output")
    return path


def _is_report(path: Path) -> bool:
    """Whether a file begins as those that `write` writes, however long it is. Raises `OutputError`."""
    with open_file(path, OutputError, "choose another --output") as file:
        return bool(_START.match(file.read(_HEAD)))


def _number(value: float) -> str:
    """About four significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value if not isinstance(value, float) or math.isfinite(value) else None for key, value in row.items()}
