"""The papers' table as values: methods in rows, sets as groups of columns, ours and published ones side by side.

Sets of one protocol make one table. Published rows stand in it where theirs is the same protocol; all others get a
table of their own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marigold.evaluate import published
from marigold.evaluate.published import NOT_PRINTED, PublishedRow, PublishedTable, same_set

Summary = Mapping[str, Any]
"""What `summary.json` holds."""

_COMPARED = ("space", "fit", "pooling")
"""What of a protocol must be alike for two sets to stand in one table; range, size and mask are each set's own."""
_PERCENT = {
    "abs_rel": "AbsRel",
    **{f"delta{power}": f"δ{power}" for power in (1, 2, 3)},
    **{f"below_{angle}": f"below {angle}°" for angle in ("5", "7.5", "11.25", "22.5", "30")},
    "edge_precision": "edge precision",
    "edge_recall": "edge recall",
}
"""Shares that papers print in per cent, by what they call them."""
_TWO_DIGITS = ("%", "°", "dB")
"""Units of which nobody needs more than hundredths."""
_CALLED = {
    **_PERCENT,
    "mean_angle": "mean",
    "median_angle": "median",
    **{f"{name}_psnr": f"{name} PSNR" for name in ("albedo", "material", "shading", "residual")},
}


@dataclass(frozen=True)
class Column:
    """A metric of one set."""

    metric: str
    unit: str = ""
    higher_is_better: bool | None = None
    """None: nobody says."""

    @property
    def heading(self) -> str:
        """The metric as papers call it, with its unit and an arrow towards better."""
        unit = f" [{self._shown_unit}]" if self._shown_unit else ""
        arrow = {True: " ↑", False: " ↓", None: ""}[self.higher_is_better]
        return f"{_CALLED.get(self.metric, self.metric)}{unit}{arrow}"

    @property
    def _shown_unit(self) -> str:
        return "%" if self.metric in _PERCENT else self.unit

    def shown(self, value: float) -> float:
        """A value in the unit of the heading."""
        return 100 * value if self.metric in _PERCENT else value

    def text(self, value: float) -> str:
        """A value as it stands below the heading."""
        return self.number(self.shown(value))

    def number(self, value: float) -> str:
        """A value that is in the unit of the heading."""
        return number(value, 2 if self._shown_unit in _TWO_DIGITS else None)


@dataclass(frozen=True)
class Group:
    """The columns of one set."""

    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Cell:
    """A number, with the interval that holds it where there is one; empty where there is none."""

    text: str = ""
    interval: str = ""


@dataclass(frozen=True)
class Line:
    """One method; a cell for each column of each group."""

    method: str
    cells: tuple[Cell, ...]
    setting: str = ""
    """Steps x members of the ensemble."""
    source: str = ""
    """Where published numbers stand; empty for what was computed here."""
    is_model: bool = False
    """Whether this is what was evaluated."""
    is_confirmed: bool = True


@dataclass(frozen=True)
class Comparison:
    """A table under one protocol."""

    protocol: str
    """In words."""
    groups: tuple[Group, ...]
    lines: tuple[Line, ...]
    is_ours: bool = True
    """False: only published rows, of a protocol that is not the result's."""
    beside: tuple[str, ...] = ()
    """The protocols of the published rows, in their papers' words."""


def comparisons(summary: Summary) -> list[Comparison]:
    """A table for each protocol of the result, then one for each further protocol that rows of its sets have."""
    sets, tables = summary["sets"], published.of(summary["model"]["modality"])
    ours = [_ours(summary, together, tables) for together in _by_protocol(sets)]
    others = [_published(table, _left(table, sets), sets) for table in tables]
    return [*ours, *(other for other in others if other.lines)]


def complete(summary: Summary, one: Mapping[str, Any]) -> Comparison:
    """All metrics of one set, of all methods that were scored here."""
    columns = tuple(_column(one, metric) for metric in one["metrics"])
    lines = _scored(summary, [one], (Group(one["set"], columns),))
    return Comparison(one["protocol"].get("words", ""), (Group(one["set"], columns),), lines)


def main_columns(summary: Summary, one: Mapping[str, Any]) -> tuple[Column, ...]:
    """The metrics that the suite shows, or papers print for this set under this protocol, or print at all, or two.

    Of these the first that were measured.
    """
    if stated := [metric for metric in one.get("shown", ()) if metric in one["metrics"]]:
        return tuple(_column(one, metric) for metric in stated)
    tables = published.of(summary["model"]["modality"])
    beside = [table for table in tables if table.is_of(one) and _rows(table, [one["set"]])]
    for printed in ({metric for table in found for metric in table.metrics} for found in (beside, tables)):
        if chosen := [metric for metric in one["metrics"] if metric in printed]:
            break
    else:
        chosen = list(one["metrics"])[:2]
    return tuple(_column(one, metric) for metric in chosen)


def number(value: float, digits: int | None = None) -> str:
    """A number with so many digits after the point; by default four, or two from 10 on."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.{digits if digits is not None else 4 if abs(value) < 10 else 2}f}"


def count_warning(one: Mapping[str, Any]) -> str:
    """What to say where a set has not the published number of samples; empty where it has, or where none is known."""
    wanted, count = one.get("published_count"), one["count"]
    if wanted is None or count == wanted:
        return ""
    return f"{one['set']}: {count} samples scored, published scores are of {wanted}: this is not the published split"


def _column(one: Mapping[str, Any], metric: str) -> Column:
    stated = one["metrics"].get(metric, {})
    return Column(metric, stated.get("unit", ""), stated.get("higher_is_better"))


def _by_protocol(sets: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in sets:
        found.setdefault(tuple(one["protocol"].get(name) for name in _COMPARED), []).append(one)
    return list(found.values())


def _ours(summary: Summary, sets: Sequence[Mapping[str, Any]], tables: Iterable[PublishedTable]) -> Comparison:
    groups = tuple(Group(one["set"], main_columns(summary, one)) for one in sets)
    named = [(table, [one["set"] for one in sets if table.is_of(one)]) for table in tables]
    beside = [(table, names) for table, names in named if _rows(table, names)]
    rows = [line for table, names in beside for line in _printed(table, groups, names)]
    words = dict.fromkeys(table.words for table, _ in beside)
    return Comparison(_words(sets), groups, (*_scored(summary, sets, groups), *rows), beside=tuple(words))


def _words(sets: Sequence[Mapping[str, Any]]) -> str:
    """The protocol that sets share: its words where they are the same, else what must be alike."""
    words = list(dict.fromkeys(one["protocol"].get("words", "") for one in sets))
    if len(words) == 1 and words[0]:
        return words[0]
    space, fit, pooling = (sets[0]["protocol"].get(name) for name in _COMPARED)
    fitted = "no alignment" if space in (None, "none") else f"{fit or 'fit'} in {space}".replace("-", " ")
    return f"{fitted}, mean over {pooling or 'image'}s; range, size and mask as listed for each set"


def _scored(summary: Summary, sets: Sequence[Mapping[str, Any]], groups: tuple[Group, ...]) -> tuple[Line, ...]:
    methods = list(dict.fromkeys(method for one in sets for method in one["scores"]))
    model = summary["model"]["name"]
    ordered = sorted(methods, key=lambda method: method != model)
    pairs = [(one, column) for one, group in zip(sets, groups, strict=True) for column in group.columns]
    return tuple(
        Line(
            method,
            tuple(_cell(one["scores"].get(method, {}).get(column.metric), column) for one, column in pairs),
            _settings(sets) if method == model else "",
            is_model=method == model,
        )
        for method in ordered
    )


def _cell(score: Mapping[str, Any] | None, column: Column) -> Cell:
    if score is None or score.get("mean") is None:
        return Cell()
    low, high = score.get("low"), score.get("high")
    if low is None or high is None:
        return Cell(column.text(score["mean"]))
    return Cell(column.text(score["mean"]), f"{column.text(low)} to {column.text(high)}")


def _settings(sets: Sequence[Mapping[str, Any]]) -> str:
    found = (_setting(*(one.get("prediction", {}).get(name) for name in ("steps", "ensemble"))) for one in sets)
    return ", ".join(dict.fromkeys(filter(None, found)))


def _setting(steps: int | None, ensemble: int | None) -> str:
    return f"{steps} x {ensemble or 1}" if steps else ""


def _left(table: PublishedTable, sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those sets of the result beside which the rows of a published table do not stand."""
    beside = [one["set"] for one in sets if table.is_of(one)]
    names = dict.fromkeys(one["set"] for one in sets)
    return [name for name in names if not any(same_set(name, other) for other in beside)]


def _published(table: PublishedTable, names: Sequence[str], sets: Sequence[Mapping[str, Any]]) -> Comparison:
    known = [name for name in names if _rows(table, [name])]
    stated = {name: next(one for one in sets if one["set"] == name) for name in known}
    groups = tuple(Group(name, tuple(_column(stated[name], metric) for metric in table.metrics)) for name in known)
    words = table.words_of([stated[name] for name in known])
    return Comparison(words, groups, tuple(_printed(table, groups, known)), is_ours=False)


def _rows(table: PublishedTable, names: Sequence[str]) -> list[PublishedRow]:
    """The rows that have a number for one of these sets."""
    return [row for row in table.rows if any(same_set(name, own) for own in row.scores for name in names)]


def _printed(table: PublishedTable, groups: Sequence[Group], names: Sequence[str]) -> Iterable[Line]:
    """The rows with their numbers of the sets of these names; the cells of others are empty."""
    for row in _rows(table, names):
        cells = tuple(
            cell
            for group in groups
            for cell in (_numbers(table, row, group) if group.name in names else [Cell()] * len(group.columns))
        )
        source = f"{row.source}; {row.note}" if row.note else row.source
        setting = _setting(row.steps, row.ensemble)
        if any(cell.text for cell in cells):
            yield Line(row.method, cells, setting, source, is_confirmed=row.confirmed)


def _numbers(table: PublishedTable, row: PublishedRow, group: Group) -> list[Cell]:
    own = next((name for name in row.scores if same_set(name, group.name)), "")
    printed = dict(zip(table.metrics, row.numbers(own), strict=False))
    texts = (printed.get(column.metric, NOT_PRINTED) for column in group.columns)
    return [Cell("" if text == NOT_PRINTED else text) for text in texts]
