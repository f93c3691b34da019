"""What `ablations.py` found, as a page of tables and plots with a sentence for each, made of the numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spread import Spread, ratio, verdict
from stored_scenes import FAMILIES, others

PAGE = Path(__file__).parent / "results" / "ablations.md"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "ablations.png"

PAPER = "as in the paper"
"""The variant that all others are compared with; its runs also serve the sweeps."""
NOISE = {"annealed": PAPER, "multi-resolution": "multi-resolution noise", "Gaussian": "Gaussian noise"}
SPACE = {name: name for name in ("depth", "disparity", "root of disparity", "logarithm of depth")} | {"depth": PAPER}
DATA = {name: name for name in ("rooms alone", "rooms 9 : 1 others", "rooms 1 : 1 others")} | {"all in a batch": PAPER}
"""By what is compared: the runs' names by those that the page calls them."""
SHOWN = 4
"""Steps of inference where they are not what is compared."""
SPACINGS = ("trailing", "leading")
ROOMS = ("room",)
GROUPS = {"rooms": ROOMS, "other families": others("room"), "all families": FAMILIES}

Runs = list[dict[str, Any]]


@dataclass(frozen=True)
class Published:
    """AbsRel in per cent on NYU and KITTI that a paper gives for full-size networks, by what is compared."""

    source: str
    errors: Mapping[str, tuple[float, float]]

    def text(self, reference: str) -> str:
        """The figures, and the last of them as shares of a reference."""
        listed = ", ".join(f"{name} {nyu} and {kitti}" for name, (nyu, kitti) in self.errors.items())
        last = list(self.errors)[-1]
        nyu, kitti = (one / other for one, other in zip(self.errors[last], self.errors[reference], strict=True))
        return (
            f"Published on NYU and KITTI, in per cent ({self.source}): {listed}; {last} is at {nyu:.2f} and "
            f"{kitti:.2f} times {reference}."
        )


PUBLISHED_NOISE = Published(
    "Ke et al. 2024", {"Gaussian": (7.7, 14.2), "multi-resolution": (5.8, 12.1), "annealed": (5.6, 11.3)}
)
PUBLISHED_DATA = Published(
    "Ke et al. 2024",
    {"streets alone (Virtual KITTI)": (13.9, 15.4), "rooms alone (Hypersim)": (5.7, 13.7), "both": (5.6, 11.3)},
)
PUBLISHED_MEMBERS = {"10": 0.08, "20": 0.095}
"""By how much of itself AbsRel on NYU falls with so many members (Ke et al. 2024)."""
PUBLISHED_SPACE = {"depth": 5.04, "disparity": 5.28, "logarithm of depth": 4.72}
"""Mean AbsRel in per cent of five data sets, for another generator (arXiv 2609.08084)."""


@dataclass(frozen=True)
class Section:
    """A comparison: errors by row and column, a number for each seed."""

    title: str
    rows: Mapping[str, Mapping[str, list[float]]]
    sentence: str
    published: str = ""
    """What papers give for full-size networks, as a sentence."""

    def text(self) -> str:
        """The sentences, and the mean and range over seeds as a Markdown table."""
        columns = list(next(iter(self.rows.values())))
        lines = [
            f"## {self.title}",
            "",
            f"{self.sentence} {self.published}".rstrip(),
            "",
            f"| | {' | '.join(columns)} |",
            f"|---|{'---:|' * len(columns)}",
        ]
        for name, cells in self.rows.items():
            lines.append(f"| {name} | {' | '.join(Spread.of(cells[column]).text() for column in columns)} |")
        return "\n".join(lines)


def page(result: dict[str, Any]) -> str:
    """All comparisons for which there are runs."""
    facts, seeds = result["facts"], {run["seed"] for run in result["runs"]}
    head = (
        f"AbsRel of depth after {facts['steps']} steps of {facts['batch']} from the generator, at {facts['size']} "
        f"pixels, on {facts['pool']} scenes of each kind: mean and range of {len(seeds)} seeds over {facts['scenes']} "
        f"held-out scenes of each of {len(FAMILIES)} families, with {SHOWN} steps of inference where nothing else is "
        f"said; on {result['device']}. Written by `bench/ablations.py`. The small generator, short runs and rendered "
        "scenes are not the paper's: compare which way a figure points, not how far."
    )
    picture = "![Errors of all comparisons](../../docs/images/ablations.png)"
    return "\n\n".join(["# Ablations", head, picture, *(section.text() for section in sections(result))])


def sections(result: dict[str, Any]) -> list[Section]:
    """The comparisons for which there is a seed that all runs have."""
    asked = (
        (NOISE, lambda runs: noise(runs)),
        (SPACE, lambda runs: space(runs)),
        (DATA, lambda runs: data(runs)),
        ({"": PAPER}, lambda runs: steps(runs[""])),
        ({"": PAPER}, lambda runs: members(runs[""])),
    )
    found = [(complete(result, names), make) for names, make in asked]
    return [make(runs) for runs, make in found if all(runs.values())]


def complete(result: dict[str, Any], names: Mapping[str, str]) -> dict[str, Runs]:
    """The runs of some variants, of the seeds that all of them have, in the order of these."""
    by_seed = [{run["seed"]: run for run in result["runs"] if run["name"] == name} for name in names.values()]
    seeds = sorted(set.intersection(*map(set, by_seed)))
    return {shown: [runs[seed] for seed in seeds] for shown, runs in zip(names, by_seed, strict=True)}


def noise(runs: Mapping[str, Runs]) -> Section:
    """By kind of noise and steps of inference."""
    counts = next(iter(runs.values()))[0]["trailing"]
    counts = [count for count in counts if all(count in run["trailing"] for found in runs.values() for run in found)]
    rows = {name: {_steps(count): _means(found, "trailing", count) for count in counts} for name, found in runs.items()}
    said = [
        f"at {count} the error with annealed noise is {_against(rows, count, 'Gaussian')}, and "
        f"{_against(rows, count, 'multi-resolution')}"
        for count in (_steps(str(SHOWN)), _steps(counts[-1]))
    ]
    return Section("Noise", rows, _sentence("; ".join(said)), PUBLISHED_NOISE.text("Gaussian"))


def _against(rows: Mapping[str, Mapping[str, list[float]]], count: str, other: str) -> str:
    shares = ratio(rows["annealed"][count], rows[other][count])
    return f"{shares.text(3)} times that with {other} noise ({verdict(shares)})"


def space(runs: Mapping[str, Runs]) -> Section:
    """By target space and group of families."""
    rows = _by_group(runs)
    listed = ", ".join(f"{name} {error}" for name, error in PUBLISHED_SPACE.items())
    published = f"Published for another generator, five data sets, in per cent (arXiv 2609.08084): {listed}."
    return Section("Target space", rows, _over_groups(rows, "depth", ("all families",)), published)


def data(runs: Mapping[str, Runs]) -> Section:
    """By mixture and group of families."""
    rows = _by_group(runs)
    sentence = _over_groups(rows, "rooms alone", ("rooms", "other families"))
    return Section("Training data", rows, sentence, PUBLISHED_DATA.text("rooms alone (Hypersim)"))


def steps(runs: Runs) -> Section:
    """By spacing and number of steps."""
    counts = list(runs[0]["trailing"])
    rows = {spacing: {count: _means(runs, spacing, count) for count in counts} for spacing in SPACINGS}
    means = {spacing: {count: Spread.of(cells[count]).mean for count in counts} for spacing, cells in rows.items()}
    lowest = {spacing: min(counts, key=cells.__getitem__) for spacing, cells in means.items()}
    first, last = counts[0], counts[-1]
    said = [
        f"{spacing} steps are best at {lowest[spacing]} ({means[spacing][lowest[spacing]]:.3f})" for spacing in SPACINGS
    ]
    apart = {count: ratio(rows["leading"][count], rows["trailing"][count]) for count in (first, last)}
    sentence = (
        f"Of {first} to {last}, {' and '.join(said)}; the error of leading steps is {apart[first].text(3)} times that "
        f"of trailing ones at {_steps(first)}, and {apart[last].text(3)} times at {_steps(last)}."
    )
    return Section("Steps of inference", rows, sentence)


def members(runs: Runs) -> Section:
    """By size of the ensemble and group of families."""
    counts = list(runs[0]["members"])
    rows = {
        group: {count: _means(runs, "members", count, families) for count in counts}
        for group, families in GROUPS.items()
    }
    whole = rows["all families"]
    shares = {count: ratio(whole[count], whole[counts[0]]) for count in PUBLISHED_MEMBERS}
    said = [f"with {count} members the error is {one.text(3)} times that of one" for count, one in shares.items()]
    lowest = min(counts, key=lambda count: Spread.of(whole[count]).mean)
    sentence = _sentence(f"{' and '.join(said)}, {verdict(shares['20'])}; its mean is lowest with {lowest}")
    listed = " and ".join(f"{1 - fall:.3f} times with {count}" for count, fall in PUBLISHED_MEMBERS.items())
    return Section("Members of an ensemble", rows, sentence, f"Published on NYU (Ke et al. 2024): {listed}.")


def best(values: Mapping[str, list[float]], reference: str) -> str:
    """Which row has the lowest mean, and how it compares with the reference, or, if it is that, with the next."""
    ranked = sorted(values, key=lambda name: Spread.of(values[name]).mean)
    other = reference if ranked[0] != reference else ranked[1]
    shares = ratio(values[ranked[0]], values[other])
    return f"lowest with {ranked[0]}, {shares.text(3)} times the error with {other}, {verdict(shares)}"


def _over_groups(rows: Mapping[str, Mapping[str, list[float]]], reference: str, groups: tuple[str, ...]) -> str:
    said = [f"on {group} {best({name: cells[group] for name, cells in rows.items()}, reference)}" for group in groups]
    return f"The error is {'; '.join(said)}."


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _by_group(runs: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    def cells(found: Runs) -> dict[str, list[float]]:
        return {group: _means(found, "trailing", str(SHOWN), families) for group, families in GROUPS.items()}

    return {name: cells(found) for name, found in runs.items()}


def _means(runs: Runs, kind: str, count: str, families: tuple[str, ...] = FAMILIES) -> list[float]:
    """The mean over families, seed by seed."""
    return [sum(run[kind][count][family] for family in families) / len(families) for run in runs]


def _steps(count: str) -> str:
    return f"{count} step" if count == "1" else f"{count} steps"


def plot(result: dict[str, Any]) -> None:
    """Writes the page and its picture: lines over numbers, bars over names."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = sections(result)
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    for axis, section in zip(axes.flat, found, strict=False):
        numbers = [column.split()[0] for column in next(iter(section.rows.values()))]
        draw: Callable[..., None] = _lines if all(map(str.isdigit, numbers)) else _bars
        draw(axis, section)
        axis.set(title=section.title, ylabel="AbsRel")
        axis.legend(fontsize=8, loc="best" if draw is _lines else "upper center", ncols=1 if draw is _lines else 3)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(found) :]:
        axis.axis("off")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=90)
    PAGE.write_text(page(result) + "\n", encoding="utf-8")


def _lines(axis: Any, section: Section) -> None:
    """A line with a band for each row, over numbers."""
    for name, cells in section.rows.items():
        numbers = [int(column.split()[0]) for column in cells]
        spreads = [Spread.of(values) for values in cells.values()]
        (line,) = axis.plot(numbers, [spread.mean for spread in spreads], "o-", ms=3, label=name)
        ends = [spread.low for spread in spreads], [spread.high for spread in spreads]
        axis.fill_between(numbers, *ends, color=line.get_color(), alpha=0.18, lw=0)
    axis.set_xscale("log")
    axis.set_xticks(numbers, [str(number) for number in numbers])
    axis.minorticks_off()
    axis.set_xlabel("members" if "Members" in section.title else "steps of inference")


def _bars(axis: Any, section: Section) -> None:
    """Bars for each group, with the range of the seeds."""
    columns = list(next(iter(section.rows.values())))
    width = 0.8 / len(columns)
    for place, column in enumerate(columns):
        spreads = [Spread.of(cells[column]) for cells in section.rows.values()]
        heights = [spread.mean for spread in spreads]
        ends = [[spread.mean - spread.low for spread in spreads], [spread.high - spread.mean for spread in spreads]]
        at = [number + (place - (len(columns) - 1) / 2) * width for number in range(len(spreads))]
        axis.bar(at, heights, width, yerr=ends, capsize=2, label=column)
    axis.set_ylim(top=1.25 * axis.get_ylim()[1])  # for the legend
    axis.set_axisbelow(True)
    axis.set_xticks(range(len(section.rows)), [name.replace(" ", "\n", 1) for name in section.rows], fontsize=8)
