"""The tables of a report as HTML: scores, published rows, protocols and holes."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from marigold.core.console import printable
from marigold.evaluate import table
from marigold.evaluate.comparison import Cell, Comparison, Line, Summary, complete


def comparison(found: Comparison) -> str:
    """A table with what has to be said of it; one of another protocol is folded."""
    if not found.is_ours:
        said = '<p class="quiet">These rows cannot be compared with the scores above.</p>'
        heading = f"Published under another protocol: {found.protocol}"
        return f"<details><summary>{text(heading)}</summary>{said}{_table(found)}{_legend(found)}</details>"
    intervals = f'<p class="quiet">{table.INTERVALS.replace("In brackets", "Below a mean")}</p>'
    beside = f'<p class="quiet">Published rows: {text("; ".join(found.beside))}.</p>' if found.beside else ""
    return f"<h3>{text(found.protocol)}</h3>{_table(found)}{intervals}{beside}{_legend(found)}"


def metrics(summary: Summary, one: Mapping[str, Any]) -> str:
    """All metrics of one set."""
    return f"<h3>{text(one['set'])}</h3>{_table(complete(summary, one))}"


def protocols(sets: Sequence[Mapping[str, Any]]) -> str:
    """How each set is scored."""
    lines = "".join(
        f'<tr><th scope="row">{text(one["set"])}</th><td class="words">{text(table.protocol(one))}</td></tr>'
        for one in sets
    )
    head = '<thead><tr><th scope="col">set</th><th scope="col">how it is scored</th></tr></thead>'
    return f'<div class="wide"><table>{head}<tbody>{lines}</tbody></table></div>'


def holes(sets: Sequence[Mapping[str, Any]]) -> str:
    """The samples that could not be scored, with the reasons."""
    items = [(one["set"], hole) for one in sets for hole in one.get("holes", ())]
    if not items:
        return "<p>None: every sample was scored.</p>"
    lines = "".join(
        f'<tr><th scope="row">{text(name)}</th><td><code>{text(hole["key"])}</code></td>'
        f'<td class="words">{text(hole["reason"])}</td></tr>'
        for name, hole in items
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("set", "sample", "reason"))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def text(words: object) -> str:
    """Words that are shown as they are, whatever they hold."""
    return escape(printable(words))


def _legend(found: Comparison) -> str:
    return "" if all(line.is_confirmed for line in found.lines) else f'<p class="quiet">{text(table.LEGEND)}</p>'


def _table(found: Comparison) -> str:
    """A table whose head has two rows, sets above their metrics; published rows stand below those computed here."""
    has_setting, has_source = (any(map(given, found.lines)) for given in (_setting, _source))
    groups = "".join(
        f'<th scope="colgroup" class="group" colspan="{len(group.columns)}">{text(group.name)}</th>'
        for group in found.groups
    )
    columns = "".join(
        f'<th scope="col" class="number{" group" * (not place)}">{text(column.heading)}</th>'
        for group in found.groups
        for place, column in enumerate(group.columns)
    )
    before = '<th scope="col" rowspan="2">method</th>'
    before += f'<th scope="col" rowspan="2">{table.SETTING}</th>' * has_setting
    after = '<th scope="col" rowspan="2" class="group">source</th>' * has_source
    starts = [place == 0 for group in found.groups for place, _ in enumerate(group.columns)]
    width = 1 + len(starts) + has_setting + has_source
    bodies = [
        _body(name, [_line(line, starts, has_setting, has_source) for line in lines], width)
        for name, lines in groupby(found.lines, lambda line: "published" if line.source else "computed here")
    ]
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{text(found.protocol)}"><table>'
        f"<thead><tr>{before}{groups}{after}</tr><tr>{columns}</tr></thead>{''.join(bodies)}</table></div>"
    )


def _setting(line: Line) -> str:
    return line.setting


def _source(line: Line) -> str:
    return line.source


def _body(name: str, lines: Sequence[str], width: int) -> str:
    head = f'<tr class="part"><th scope="rowgroup" colspan="{width}">{name}</th></tr>'
    return f"<tbody>{head}{''.join(lines)}</tbody>"


def _line(line: Line, starts: Sequence[bool], has_setting: bool, has_source: bool) -> str:
    mark = "" if line.is_confirmed else f'<abbr title="unconfirmed">{table.UNCONFIRMED}</abbr>'
    cells = "".join(_cell(cell, start, line.is_model) for cell, start in zip(line.cells, starts, strict=True))
    setting = f"<td>{text(line.setting)}</td>" * has_setting
    source = f'<td class="group source">{text(line.source)}</td>' * has_source
    kind = ' class="ours"' * line.is_model
    return f'<tr{kind}><th scope="row">{text(line.method)}{mark}</th>{setting}{cells}{source}</tr>'


def _cell(cell: Cell, starts_group: bool, is_model: bool) -> str:
    interval = f"<small>{text(cell.interval)}</small>" if is_model and cell.interval else ""
    return f'<td class="number{" group" * starts_group}">{text(cell.text)}{interval}</td>'
