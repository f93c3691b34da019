"""What `prior.py` found: tables, a picture of the learning curves, and sentences made of the numbers."""

import textwrap
from pathlib import Path
from typing import Any

from spread import Spread, ratio, verdict
from stored_scenes import FAMILIES, others

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"
TRAINED = "room"
CONDITIONS = ("generator", "random weights", "generator, Gaussian noise")
FIRST, RANDOM, GAUSSIAN = CONDITIONS
COLOURS = ("#2b6cb0", "#c05621", "#2f855a")
SAMPLED = ("1", "4")
"""Steps of inference at which snapshots are scored; the last are those of the published defaults, which are shown."""
SHOWN = SAMPLED[-1]
GROUPS: dict[str, tuple[str, ...]] = {"rooms": (TRAINED,), "other families": others(TRAINED)}
BASELINE = "affine in the row"
FEWEST = 3
"""Seeds below which nothing is concluded."""
BLOCK = ("<!-- written by bench/prior.py plot -->\n", "<!-- end -->")

Curves = dict[str, list[list[float]]]
"""By condition, for every seed that all conditions have, the errors of the snapshots."""


def curves(result: dict[str, Any], families: tuple[str, ...], sampled: str = SHOWN) -> Curves:
    """The mean over families."""
    by_seed = [{run["seed"]: run for run in result["runs"] if run["name"] == name} for name in CONDITIONS]
    complete = sorted(set.intersection(*map(set, by_seed)))

    def errors(run: dict[str, Any]) -> list[float]:
        return [sum(one[sampled][family] for family in families) / len(families) for one in run["snapshots"]]

    return {name: [errors(runs[seed]) for seed in complete] for name, runs in zip(CONDITIONS, by_seed, strict=True)}


def ends(found: list[list[float]]) -> list[float]:
    """The errors at the end, seed by seed."""
    return [curve[-1] for curve in found]


def table(result: dict[str, Any]) -> str:
    """The errors at the end as Markdown, and what they say."""
    count = len(curves(result, FAMILIES)[FIRST])
    if not count:
        return "no seed has a run of every condition yet"
    facts = result["facts"]
    lines = [
        f"AbsRel after {facts['steps']} steps of {facts['batch']} on {facts['pool']} scenes of rooms, {facts['size']} "
        f"pixels; {facts['scenes']} held-out scenes of each family; mean and range of {count} seeds; on "
        f"{result['device']}.",
    ]
    for sampled in SAMPLED:
        names = [*GROUPS, *others(TRAINED)]
        columns = [curves(result, GROUPS.get(name, (name,)), sampled) for name in names]
        lines += ["", f"At {sampled} {'step' if sampled == '1' else 'steps'} of inference:", ""]
        lines += [f"| start | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        for name in CONDITIONS:
            lines.append(f"| {name} | {' | '.join(Spread.of(ends(one[name])).text() for one in columns)} |")
        for name, by_family in result["baselines"].items():
            cells = [_mean(by_family, GROUPS.get(one, (one,))) for one in names]
            lines.append(f"| *{name}* | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    return "\n".join([*lines, "", *conclusions(result)])


def conclusions(result: dict[str, Any]) -> list[str]:
    """Sentences made of the numbers."""
    by_group = {name: curves(result, families) for name, families in GROUPS.items()}
    levels = {name: _mean(result["baselines"][BASELINE], families) for name, families in GROUPS.items()}
    return [
        *(f"- {_prior(result, name, found, levels[name])}" for name, found in by_group.items()),
        f"- {_carried(by_group, levels)}",
        *(f"- {_noise(name, found)}" for name, found in by_group.items()),
    ]


def _prior(result: dict[str, Any], group: str, found: Curves, level: float) -> str:
    shares = ratio(ends(found[FIRST]), ends(found[RANDOM]))
    below = sum(error < level for error in ends(found[FIRST]))
    return (
        f"On {group} the error from the generator ends at {shares.text(3)} times that from random weights: "
        f"{verdict(shares)}. {_lead(result, found)} {_reached(result, found)} The best affine function of the image "
        f"row, which does not look at the photo, has {level:.3f}; from the generator the error ends below with {below} "
        f"of {len(found[FIRST])} seeds."
    )


def _reached(result: dict[str, Any], found: Curves) -> str:
    """After how many steps runs from the generator have come, to stay, to where those from random weights end."""
    pairs = zip(found[FIRST], ends(found[RANDOM]), strict=True)
    steps = [next((mark for n, mark in enumerate(marks(result)) if max(curve[n:]) <= end), 0) for curve, end in pairs]
    reached = [step for step in steps if step]
    if not reached:
        return "With no seed does it come to stay below where those end."
    when = " to ".join(str(step) for step in dict.fromkeys((min(reached), max(reached))))
    seeds = "every seed" if len(reached) == len(steps) else f"{len(reached)} of {len(steps)} seeds"
    return f"With {seeds} it comes to stay below where those end after {when} of {marks(result)[-1]} steps."


def _lead(result: dict[str, Any], found: Curves) -> str:
    """The snapshot at which the generator is furthest ahead, by the mean ratio."""
    ahead = [
        ratio(*pair) for pair in zip(zip(*found[FIRST], strict=True), zip(*found[RANDOM], strict=True), strict=True)
    ]
    shares, step = min(zip(ahead, marks(result), strict=True), key=lambda one: one[0].mean)
    return f"It is furthest ahead after {step} steps, with {shares.text(3)} times."


def marks(result: dict[str, Any]) -> list[int]:
    """The steps at which snapshots were scored."""
    return [snapshot["step"] for snapshot in result["runs"][0]["snapshots"]]


def _carried(by_group: dict[str, Curves], levels: dict[str, float]) -> str:
    """What the errors on the trained family and outside of it say of the paper's claim."""
    inside, outside = by_group.values()
    *_, level = levels.values()
    here, there = (ratio(ends(found[FIRST]), ends(found[RANDOM])) for found in (inside, outside))
    errors = ends(outside[FIRST])
    claim = "whether the prior carries to scenes that fine-tuning never saw"
    carries = claim.replace("whether", "the claim that")
    figures = f"the ratio is {there.mean:.3f} on these and {here.mean:.3f} on the trained family"
    if len(errors) < FEWEST:
        return f"So few seeds leave open {claim}; {figures}."
    if there.low > 1:
        return f"At this size the figures speak against {carries}; {figures}."
    if there.high >= 1:
        return f"At this size the figures leave open {claim}; {figures}."
    if max(errors) >= level:
        blind = "its lead is there, but not every run is better than an answer that does not look at the photo"
        return f"The figures leave open {claim}: {blind}; {figures}."
    return f"At this size the figures support {carries}; {figures}."


def _noise(group: str, found: Curves) -> str:
    shares = ratio(ends(found[FIRST]), ends(found[GAUSSIAN]))
    return (
        f"On {group} the error with annealed multi-resolution noise ends at {shares.text(3)} times that with Gaussian "
        f"noise: {verdict(shares)}."
    )


def _mean(by_family: dict[str, float], families: tuple[str, ...]) -> float:
    return sum(by_family[family] for family in families) / len(families)


def plot(result: dict[str, Any]) -> None:
    """Draws the curves with their bands, and writes the table and what came out."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps = marks(result)
    shown = [step for step in steps if (step // steps[0]).bit_count() == 1]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axis, (group, families) in zip(axes, GROUPS.items(), strict=True):
        for (name, seeds), colour in zip(curves(result, families).items(), COLOURS, strict=True):
            spreads = [Spread.of(errors) for errors in zip(*seeds, strict=True)]
            axis.plot(steps, [spread.mean for spread in spreads], "o-", ms=3, color=colour, label=name)
            ends = [spread.low for spread in spreads], [spread.high for spread in spreads]
            axis.fill_between(steps, *ends, color=colour, alpha=0.18, lw=0)
        level = _mean(result["baselines"][BASELINE], families)
        axis.axhline(level, color="grey", ls="--", lw=1, label=f"baseline, {BASELINE}")
        axis.set(xscale="log", xlabel="fine-tuning steps on rooms", title=f"held-out scenes: {group}")
        axis.set_xticks(shown, [str(step) for step in shown])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(f"AbsRel after alignment, {SHOWN} steps of inference")
    axes[0].legend(title="start", fontsize=8)
    _save(figure, DOCS / "images" / "prior.png")
    (RESULTS / "prior.md").write_text(table(result) + "\n", encoding="utf-8")
    wrapped = (textwrap.fill(line, 120, subsequent_indent="  ") for line in conclusions(result))
    into(DOCS / "theory.md", "\n".join(wrapped))


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def into(page: Path, text: str) -> None:
    """Puts a text between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BLOCK[0])
    _, end, after = rest.partition(BLOCK[1])
    page.write_text(f"{before}{BLOCK[0]}\n{text}\n\n{end}{after}", encoding="utf-8")
