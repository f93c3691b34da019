"""The result of an evaluation as Markdown, in the papers' layout, with published rows beside it."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from marigold.core.console import printable
from marigold.evaluate.comparison import Comparison, Line, Summary, comparisons, complete, count_warning

UNCONFIRMED = "†"
LEGEND = f"{UNCONFIRMED} unconfirmed: one secondary source has it, or the source itself is in doubt."
INTERVALS = "In brackets: the 95 % bootstrap interval of the mean over images."
SETTING = "steps x members"
SHOWN_HOLES = 20


def md(summary: Summary) -> str:
    """A document: tables of main metrics, all metrics of every set, the protocol of each set, and holes.

    It is made of the summary alone. Where a set has not the published number of samples, the second line says so.
    """
    model = summary["model"]
    parts = [
        f"# {_text(summary['suite'])}: {_text(model['name'])}",
        about(summary),
        *(f"**Warning: {_text(warning)}.**" for warning in map(count_warning, summary["sets"]) if warning),
        *(part for found in comparisons(summary) for part in _section(found)),
        "## All metrics",
        *(part for one in summary["sets"] for part in _all(summary, one)),
        "## Protocol of each set",
        "\n".join(f"- {_text(one['set'])}: {_text(protocol(one))}" for one in summary["sets"]),
        "## Holes",
        holes(summary["sets"]),
    ]
    return "\n\n".join(parts) + "\n"


def about(summary: Summary) -> str:
    """What was evaluated, with what, and when, on one line."""
    return "; ".join(f"{name} {_text(value)}" for name, value in facts(summary).items()) + "."


def facts(summary: Summary) -> dict[str, str]:
    """What was evaluated, with what, and when, by name; what is not known is left out."""
    named = {f"{name}": value for name, value in summary["model"].items() if name != "name"}
    seconds = {"seconds": f"{summary['seconds']:.1f}"} if summary.get("seconds") is not None else {}
    found = {**named, **summary.get("versions", {}), "created": summary.get("created"), **seconds}
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def protocol(one: Mapping[str, Any]) -> str:
    """How one set is scored, in words: samples, alignment, mask, and how its answers were made."""
    stated, split = one["protocol"], " ".join(filter(None, (one.get("dataset"), one.get("split"))))
    parts = [
        f"{split}, {counts(one)}",
        stated.get("words", ""),
        f"mean over {stated['pooling']}s" if stated.get("pooling") else "",
        f"scored pixels: {stated['mask']}" if stated.get("mask") else "",
        _listed("settings", one.get("settings", {})),
        _listed("prediction", one.get("prediction", {})),
        *one.get("notes", ()),
        _listed("seconds", {name: f"{value:.1f}" for name, value in one.get("seconds", {}).items()}),
    ]
    return "; ".join(filter(None, parts))


def counts(one: Mapping[str, Any]) -> str:
    """How many samples were scored, of how many."""
    wanted, missing = one.get("published_count"), len(one.get("holes", ()))
    known = f" of {wanted} published" if wanted is not None else ""
    lost = f", {missing} hole{'s' * (missing > 1)}" if missing else ""
    return f"{one['count']}{known} samples scored{lost}"


def holes(sets: Sequence[Mapping[str, Any]]) -> str:
    """A list of the samples that could not be scored, with the reasons."""
    lines = [line for one in sets for line in _holes(one)]
    return "\n".join(lines) if lines else "None: every sample was scored."


def _holes(one: Mapping[str, Any]) -> Iterable[str]:
    found = one.get("holes", ())
    for hole in found[:SHOWN_HOLES]:
        yield f"- {_text(one['set'])}: {_text(hole['key'])}: {_text(hole['reason'])}"
    if len(found) > SHOWN_HOLES:
        yield f"- {_text(one['set'])}: {len(found) - SHOWN_HOLES} more, all of them in `per_sample.csv`"


def _listed(name: str, values: Mapping[str, Any]) -> str:
    known = [f"{key} {value}" for key, value in values.items() if value is not None]
    return f"{name}: {', '.join(known)}" if known else ""


def _section(found: Comparison) -> Iterable[str]:
    prefix = "" if found.is_ours else "Published under another protocol: "
    yield f"## {prefix}{_text(found.protocol)}"
    if not found.is_ours:
        yield "These rows cannot be compared with the scores above."
    yield _table(found)
    if found.is_ours:
        yield INTERVALS
    if found.beside:
        yield f"Published rows: {_text('; '.join(found.beside))}."
    if not all(line.is_confirmed for line in found.lines):
        yield LEGEND


def _all(summary: Summary, one: Mapping[str, Any]) -> Iterable[str]:
    yield f"### {_text(one['set'])}"
    yield _table(complete(summary, one), intervals=False)


def _table(found: Comparison, intervals: bool = True) -> str:
    """A Markdown table without those columns of words that no line fills."""
    alone = len(found.groups) == 1 and not intervals
    names = [("" if alone else f"{group.name} ") + column.heading for group in found.groups for column in group.columns]
    columns = [
        ["method", "---", *map(_method, found.lines)],
        [SETTING, "---", *(line.setting for line in found.lines)],
        *([_text(name), "---:", *_numbers(found, at, intervals)] for at, name in enumerate(names)),
        ["source", "---", *(_text(line.source) for line in found.lines)],
    ]
    filled = [column for column in columns if any(column[2:]) or column[1] == "---:"]
    return "\n".join(f"| {' | '.join(row)} |" for row in zip(*filled, strict=True))


def _method(line: Line) -> str:
    name = f"**{_text(line.method)}**" if line.is_model else _text(line.method)
    return name if line.is_confirmed else name + UNCONFIRMED


def _numbers(found: Comparison, at: int, intervals: bool) -> Iterable[str]:
    for line in found.lines:
        cell = line.cells[at]
        stated = f" ({cell.interval})" if intervals and line.is_model and cell.interval else ""
        yield _text(cell.text + stated)


def _text(words: object) -> str:
    """Words that neither break a table nor are taken for tags."""
    return escape(printable(words), quote=False).replace("|", "\\|")
