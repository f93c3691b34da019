"""The result of an evaluation as one page that needs nothing else: tables, histograms, and samples to look at."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marigold.core.colour import colormap
from marigold.core.errors import OutputError
from marigold.core.reading import read_bytes
from marigold.evaluate import charts, html_tables, table
from marigold.evaluate.comparison import Summary, comparisons, count_warning, main_columns
from marigold.evaluate.gallery import ColourBar, Picture, Shown, address, as_number
from marigold.evaluate.html_tables import text

_PARTS = {"Scores": "scores", "Distribution": "distribution", "Samples": "samples", "All metrics": "metrics"}
_PARTS |= {"Protocol": "protocol", "Holes": "holes"}
_CHART = (
    '<p class="quiet small">The line is the mean error of pixels of like uncertainty, in bins of equally many; the '
    "band holds the middle 80 % of them.</p>"
)
_STEPS = 256
"""Of a colour bar."""


def page(summary: Summary, rows: Sequence[Mapping[str, Any]], gallery: Sequence[Shown]) -> str:
    """The whole page as HTML. Nothing in it is loaded from anywhere, and it runs no script.

    `summary` is what `summary.json` holds, `rows` are those of `per_sample.csv`, as numbers or as text. The samples of
    `gallery` stand in its order, by set. Every text that comes from outside is escaped.
    """
    suite, model = summary["suite"], summary["model"]["name"]
    links = "".join(f'<a href="#{mark}">{name}</a>' for name, mark in _PARTS.items())
    body = [
        f"<header><h1>{text(model)} <small>on the suite {text(suite)}</small></h1>",
        _facts(summary),
        *(f'<p class="loud">{text(words)}.</p>' for words in map(count_warning, summary["sets"]) if words),
        f"<nav>{links}</nav></header>",
        "<main>",
        _part("Scores", map(html_tables.comparison, comparisons(summary))),
        _part("Distribution", _distribution(summary, rows)),
        _part("Samples", _samples(summary, rows, gallery)),
        _part("All metrics", (html_tables.metrics(summary, one) for one in summary["sets"])),
        _part("Protocol", [html_tables.protocols(summary["sets"])]),
        _part("Holes", [html_tables.holes(summary["sets"])]),
        "</main>",
        f"<footer>Written by marigold {text(summary.get('versions', {}).get('marigold', ''))}.</footer>",
    ]
    return _document(f"{model}: {suite}", "\n".join(body))


def _document(title: str, body: str) -> str:
    style = read_bytes(Path(__file__).with_name("report.css"), OutputError, "install the package anew").decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _facts(summary: Summary) -> str:
    cells = (f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in table.facts(summary).items())
    return f'<dl class="facts">{"".join(cells)}</dl>'


def _part(name: str, content: Iterable[str]) -> str:
    inside = "\n".join(content)
    return f'<section id="{_PARTS[name]}"><h2>{name}</h2>\n{inside}\n</section>'


def _distribution(summary: Summary, rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for one in summary["sets"]:
        own, drawn = _own(rows, one["set"]), []
        for column in main_columns(summary, one):
            numbers = (as_number(row.get(column.metric)) for row in own)
            if known := [column.shown(value) for value in numbers if value is not None]:
                drawn.append(f"<figure>{charts.histogram(known, column.heading, column.number)}</figure>")
        said = "".join(drawn) or "<p>No sample has a value.</p>"
        yield f'<h3>{text(one["set"])} <small>{table.counts(one)}</small></h3><div class="charts">{said}</div>'


def _own(rows: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["set"] == name]


def _samples(summary: Summary, rows: Sequence[Mapping[str, Any]], gallery: Sequence[Shown]) -> Iterable[str]:
    if not gallery:
        yield "<p>No sample is shown.</p>"
        return
    yield (
        '<p class="quiet">Truth and prediction have the same colours, after alignment where the protocol asks for it. '
        "Pixels without truth are grey. The brightest colour of the error stands for all errors beyond its bar.</p>"
    )
    for one in summary["sets"]:
        lines = {str(row["key"]): row for row in _own(rows, one["set"])}
        columns = main_columns(summary, one)
        seen = [shown for shown in gallery if shown.of == one["set"]]
        yield f"<h3>{text(one['set'])}</h3>" * bool(seen)
        for shown in seen:
            line = lines.get(shown.key, {})
            values = ((column.heading, as_number(line.get(column.metric)), column.text) for column in columns)
            yield _sample(shown, [f"{heading} {said(value)}" for heading, value, said in values if value is not None])


def _sample(shown: Shown, scores: Sequence[str]) -> str:
    said = "".join(f"{score}; " for score in scores)
    figures = "".join(_figure(picture, f"{shown.of} {shown.key}") for picture in shown.pictures)
    unit = next((picture.bar.unit for picture in shown.pictures if picture.bar), "")
    chart = charts.reliability(shown.bins, unit) if shown.bins else ""
    if chart:
        figures += f"<figure><figcaption>error by uncertainty</figcaption>{chart}{_CHART}</figure>"
    heading = f"{text(shown.title)} <span>{text(said)}<code>{text(shown.key)}</code></span>"
    inside = f'<div class="pictures" style="--columns: {shown.columns}">{figures}</div>'
    return f'<article class="sample"><h4>{heading}</h4>{inside}</article>'


def _figure(picture: Picture, whose: str) -> str:
    size = f'width="{picture.width}" height="{picture.height}"'
    image = f'<img src="{picture.address}" alt="{text(picture.caption)} of {text(whose)}" {size} loading="lazy">'
    bar = _bar(picture.bar) if picture.bar else ""
    return f"<figure><figcaption>{text(picture.caption)}</figcaption>{image}{bar}</figure>"


def _bar(bar: ColourBar) -> str:
    colours = colormap(np.linspace(0, 1, _STEPS)[None], bar.name)
    low, high = (f"{value:.3g}{bar.unit}" for value in (bar.low, bar.high))
    image = f'<img src="{address(colours, "PNG")}" alt="colour bar from {text(low)} to {text(high)}">'
    return f'<div class="scale"><span>{text(low)}</span>{image}<span>{text(high)}</span></div>'
