"""Does the generator's prior help? Depth fine-tuned on rooms alone, from the generator and from random weights.

    python bench/prior.py run OUT [--device cuda] [--minutes 9] [--processes 6] [--seeds N] [--result FILE]
    python bench/prior.py plot [--result FILE]

`run` trains by the published protocol alone, on scenes of one family, under three conditions: from the generator
(pretrained on all families) with annealed multi-resolution noise, from random weights with the same noise, and from the
generator with Gaussian noise. Runs of one seed see the same batches. A dozen snapshots of every run are scored on
held-out scenes of every family; the results are in the file after each run, and the same command goes on where it
ended. `--real FOLDER --real-result FILE` also scores them on photos with measured depth: FOLDER holds a folder for
each, with `photo.png` or `photo.jpg` and `truth.npz` (`depth` [H, W] in metres, 0 where unknown).

`plot` draws docs/images/prior.png and writes bench/results/prior.md and what came out into docs/theory.md.
"""

import argparse
import json
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marigold.core.documents import read_json
from marigold.core.errors import OutputError
from marigold.core.files import write_json
from marigold.measure.alignment import align
from marigold.measure.metrics import depth_metrics
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.predictor import load as load_predictor
from small_runs import PARTS, Job, add_options, drop, recipe, run, scenes, scenes_to_score, trained
from spread import Spread, ratio, verdict
from stored_scenes import FAMILIES, check_time, others, predictions, source

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"
TRAINED = "room"
CONDITIONS: dict[str, dict[str, Any]] = {
    "generator": {},
    "random weights": {"fresh": True},
    "generator, Gaussian noise": {"noise": "gaussian"},
}
FIRST, RANDOM, GAUSSIAN = CONDITIONS
COLOURS = ("#2b6cb0", "#c05621", "#2f855a")
MARKS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 32)
"""The snapshots that are scored, in so many of `PARTS` of a run."""
SAMPLED = ("1", "4")
"""Steps of inference at which snapshots are scored; the last are those of the published defaults, which are shown."""
SHOWN = SAMPLED[-1]
GROUPS: dict[str, tuple[str, ...]] = {"rooms": (TRAINED,), "other families": others(TRAINED)}
BASELINE = "affine in the row"
FEWEST = 3
"""Seeds below which nothing is concluded."""
BLOCK = ("<!-- written by bench/prior.py plot -->\n", "<!-- end -->")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    add_options(running, RESULTS / "prior.json", steps=3200, seeds=3, reuse=1, scoring=25)
    running.add_argument("--real", type=Path, help="folder of photos with measured depth")
    running.add_argument("--real-result", type=Path, help="file for what came out on them")
    plotting = commands.add_parser("plot")
    plotting.add_argument("--result", type=Path, default=RESULTS / "prior.json")
    options = parser.parse_args()
    if options.command == "plot":
        plot(json.loads(options.result.read_text()))
        return
    if (options.real is None) != (options.real_result is None):
        parser.error("--real and --real-result belong together")
    # All conditions of a seed before the next seed: what a budget allows is compared whole.
    jobs = [Job(name, seed) for seed in range(options.seeds) for name in CONDITIONS]
    paced = recipe(options, jobs[0], (rooms(options),), modality=Depth())
    print(table(run(options, jobs, learning_curve, [rooms(options)], paced)))


def rooms(options: argparse.Namespace):
    """The scenes of the trained family."""
    return source([TRAINED], options.size, options.pool)


def learning_curve(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    """Trains under a condition and scores the snapshots."""
    begun = time.time()
    unit = max(1, options.steps // PARTS)
    made = recipe(options, job, (rooms(options),), modality=Depth(), keep=unit, **CONDITIONS[job.name])
    folder = trained(options, job, made)
    training, snapshots, real = time.time() - begun, [], []
    for step in (unit * mark for mark in MARKS if unit * mark <= options.steps):
        check_time(options.deadline)
        predictor = load_predictor(folder / "steps" / f"{step:06d}", device=options.device, precision="fp32")
        snapshots.append({"step": step, **errors(predictor, options)})
        if options.real:
            real.append({"step": step, **real_errors(predictor, options)})
    if options.real:
        write_json(_real_part(options, job), {"name": job.name, "seed": job.seed, "snapshots": real})
        write_real(options)
    drop(options, job)
    return {"seconds": time.time() - begun, "training": training, "snapshots": snapshots}


def errors(predictor: Predictor, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """AbsRel on held-out scenes, by steps of inference and family."""
    estimator = predictor.estimator
    held_out = scenes_to_score(scenes(options), options.size, options.scenes, options.device)
    return {
        steps: held_out.means(predictions(estimator, held_out, estimator.sampling(int(steps)))) for steps in SAMPLED
    }


def real_errors(predictor: Predictor, options: argparse.Namespace) -> dict[str, float]:
    """AbsRel on every real photo with measured depth, at about the size of training."""
    found = {}
    for file in sorted(options.real.glob("*/truth.npz")):
        truth = np.load(file)
        if "depth" not in truth or "albedo" in truth:
            continue
        (photo,) = file.parent.glob("photo.*")
        shown = predictor.predict(
            str(photo), steps=int(SHOWN), ensemble=1, tta="none", resolution=options.size, sizing="area"
        )
        depth, predicted = (torch.from_numpy(x.astype(np.float32)) for x in (truth["depth"], shown.maps["depth"]))
        valid = depth > 0
        found[file.parent.name] = depth_metrics(align(predicted, depth, valid), depth, valid)["abs_rel"].item()
    return found


def write_real(options: argparse.Namespace) -> None:
    """Gathers what finished runs found on real photos."""
    parts = sorted((options.out / "real").glob("*.json"))
    write_json(options.real_result, [read_json(part, OutputError, "delete it") for part in parts])


def _real_part(options: argparse.Namespace, job: Job) -> Path:
    (options.out / "real").mkdir(exist_ok=True)
    return options.out / "real" / f"{job.folder(options.out).name}.json"


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
        f"{verdict(shares)}. {_reached(result, found)} The best affine function of the image row, which does not look "
        f"at the photo, has {level:.3f}; from the generator the error ends below with {below} of "
        f"{len(found[FIRST])} seeds."
    )


def _reached(result: dict[str, Any], found: Curves) -> str:
    """After how many steps runs from the generator have come, to stay, to where those from random weights end."""
    marks = [snapshot["step"] for snapshot in result["runs"][0]["snapshots"]]
    pairs = zip(found[FIRST], ends(found[RANDOM]), strict=True)
    steps = [next((mark for n, mark in enumerate(marks) if max(curve[n:]) <= end), 0) for curve, end in pairs]
    reached = [step for step in steps if step]
    if not reached:
        return "With no seed does it get to where those end."
    when = " to ".join(str(step) for step in dict.fromkeys((min(reached), max(reached))))
    seeds = "every seed" if len(reached) == len(steps) else f"{len(reached)} of {len(steps)} seeds"
    return f"With {seeds} it is where those end after {when} of {marks[-1]} steps, and stays below."


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

    marks = [snapshot["step"] for snapshot in result["runs"][0]["snapshots"]]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for axis, (group, families) in zip(axes, GROUPS.items(), strict=True):
        for (name, seeds), colour in zip(curves(result, families).items(), COLOURS, strict=True):
            spreads = [Spread.of(errors) for errors in zip(*seeds, strict=True)]
            axis.plot(marks, [spread.mean for spread in spreads], "o-", ms=3, color=colour, label=name)
            ends = [spread.low for spread in spreads], [spread.high for spread in spreads]
            axis.fill_between(marks, *ends, color=colour, alpha=0.18, lw=0)
        level = _mean(result["baselines"][BASELINE], families)
        axis.axhline(level, color="grey", ls="--", lw=1, label=f"baseline, {BASELINE}")
        axis.set(xscale="log", xlabel="fine-tuning steps on rooms", title=f"held-out scenes: {group}")
        axis.set_xticks(marks[1::2], [str(mark) for mark in marks[1::2]])
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


if __name__ == "__main__":
    main()
