"""What `objectives.py` found, as a page of tables with sentences made of the numbers, and a table for the docs."""

from pathlib import Path
from typing import Any

from spread import Spread, ratio, verdict
from stored_scenes import FAMILIES, others

PAGE = Path(__file__).parent / "results" / "objectives.md"
DOCS = Path(__file__).parents[1] / "docs" / "objectives.md"
MARKS = ("<!-- written by bench/objectives.py report -->\n", "<!-- end -->")
UNSEEN = "street"
"""The family of scenes that nothing is trained on."""
FEW = (1, 2, 4)
"""Steps of inference, where a network takes several."""
FIRST = str(FEW[0])
COLUMNS = {
    "AbsRel": ("abs_rel", others(UNSEEN)),
    "delta1": ("delta1", others(UNSEEN)),
    f"AbsRel, {UNSEEN}": ("abs_rel", (UNSEEN,)),
    f"delta1, {UNSEEN}": ("delta1", (UNSEEN,)),
}
EDGES = {
    "boundary F1": "boundary_f1",
    "DBE accuracy, px": "dbe_accuracy",
    "DBE completeness, px": "dbe_completeness",
    "SEE 3, m": "see_3",
    "flying pixels": "flying_pixels",
}
LOWER = ("AbsRel", f"AbsRel, {UNSEEN}")
"""Errors that the sentences compare."""

Runs = list[dict[str, Any]]


def write(result: dict[str, Any], order: list[str]) -> None:
    """Writes the page, and its tables between the marks of the docs page."""
    text = "\n\n".join([head(result), main_table(result, order), edge_table(result, order), steps_table(result, order)])
    sentences = said(result, order)
    PAGE.write_text(f"# Objectives\n\n{text}\n\n{sentences}\n", encoding="utf-8")
    before, begin, rest = DOCS.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    DOCS.write_text(f"{before}{begin}\n{text}\n\n{sentences}\n\n{end}{after}", encoding="utf-8")


def head(result: dict[str, Any]) -> str:
    """What was done, in a paragraph."""
    facts, seeds = result["facts"], {run["seed"] for run in result["runs"]}
    trained = ", ".join(others(UNSEEN))
    return (
        f"Depth by the small generator of the bundled family: {facts['each']:g} seconds of training for each run, "
        f"{len(seeds)} seeds side by side on {result['device']}, batches of {facts['batch']} at {facts['size']} "
        f"pixels, {facts['pool']} scenes of {trained}. Mean and range of the seeds over {facts['scenes']} held-out "
        f"scenes of each family. {UNSEEN.capitalize()} scenes are never trained on."
    )


def complete(result: dict[str, Any], order: list[str]) -> dict[str, Runs]:
    """The runs of each objective that has one of every seed, in the order of the table."""
    seeds = {run["seed"] for run in result["runs"]}
    by_name = {name: [run for run in result["runs"] if run["name"] == name] for name in order}
    return {name: runs for name, runs in by_name.items() if {run["seed"] for run in runs} == seeds}


def means(runs: Runs, count: str, metric: str, families: tuple[str, ...]) -> list[float]:
    """The mean over families, seed by seed."""
    return [sum(run["scores"][count][metric][family] for family in families) / len(families) for run in runs]


def main_table(result: dict[str, Any], order: list[str]) -> str:
    """Errors of one step, and what a step of training costs."""
    lines = [["objective", *COLUMNS, "steps", "ms a step"]]
    for name, runs in complete(result, order).items():
        cells = [Spread.of(means(runs, FIRST, *column)).text() for column in COLUMNS.values()]
        steps = sum(run["steps"] for run in runs) / len(runs)
        cost = 1000 * sum(run["seconds_per_step"] for run in runs) / len(runs)
        lines.append([name, *cells, f"{steps:.0f}", f"{cost:.0f}"])
    return table(lines)


def edge_table(result: dict[str, Any], order: list[str]) -> str:
    """How sharp depth of one step is where surfaces end."""
    lines = [["edges, one step", *EDGES]]
    for name, runs in complete(result, order).items():
        found = [[run["edges"][FIRST][key] for run in runs if key in run["edges"][FIRST]] for key in EDGES.values()]
        lines.append([name, *(Spread.of(values).text() if values else "" for values in found)])
    return table(lines)


def steps_table(result: dict[str, Any], order: list[str]) -> str:
    """Errors on all families by steps of inference, of the objectives whose networks take several."""
    lines = [["AbsRel, all families", *(f"{count} step{'s' * (count > 1)}" for count in FEW)]]
    for name, runs in several(result, order).items():
        lines.append([name, *(Spread.of(means(runs, str(count), "abs_rel", FAMILIES)).text() for count in FEW)])
    return table(lines)


def several(result: dict[str, Any], order: list[str]) -> dict[str, Runs]:
    """The objectives whose networks take several steps."""
    return {
        name: runs
        for name, runs in complete(result, order).items()
        if all(str(count) in run["scores"] for run in runs for count in FEW)
    }


def said(result: dict[str, Any], order: list[str]) -> str:
    """Which objective has the lowest error, and whether more steps are worse than one, in sentences."""
    runs, sentences = complete(result, order), []
    for column in LOWER:
        values = {name: means(one, FIRST, *COLUMNS[column]) for name, one in runs.items()}
        best, *rest = sorted(values, key=lambda name: Spread.of(values[name]).mean)
        if rest:
            shares = ratio(values[best], values[rest[0]])
            text = f"{column} is lowest with {best}: {shares.text()} times that with {rest[0]}, {verdict(shares)}."
            sentences.append(text)
    for name, one in several(result, order).items():
        shares = [ratio(*(means(one, str(n), "abs_rel", FAMILIES) for n in (count, FEW[0]))) for count in FEW[1:]]
        listed = " and ".join(f"{share.text()} with {count}" for share, count in zip(shares, FEW[1:], strict=True))
        sentences.append(f"{name}: the error of one step is multiplied by {listed} steps.")
    return "\n".join(f"- {sentence}" for sentence in sentences)


def table(lines: list[list[str]]) -> str:
    """Markdown, the first line its head."""
    head, *rest = lines
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] + ["---:"] * (len(head) - 1), *rest])
