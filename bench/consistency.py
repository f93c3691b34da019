"""What a consistency model is worth: a teacher of many steps beside its student, by sampling steps, over noise seeds.

python bench/consistency.py OUT --train [--device cuda] [--minutes 20] [--skips 50 100 200]
python bench/consistency.py OUT --report                  writes bench/results/consistency.md

It trains `tiny-depth-teacher` and from it `tiny-depth-lcm`, once for each of `--skips`, in OUT. Then it scores them,
and the bundled depth, on held-out scenes. The result file is written after every row; stopped, the same command goes
on. With `--minutes` the trainings share that time, less a tenth for scoring. `--quick` tries it in miniature.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marigold import checkpoint
from marigold.core import seeds
from marigold.core.documents import read_json
from marigold.core.errors import OutputError
from marigold.core.files import write_json
from marigold.diffusion.noise import gaussian
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.measure.alignment import align
from marigold.measure.metrics import depth_metrics
from marigold.modalities.depth import usable
from marigold.train.loop import train
from marigold.train.recipe import Every, Recipe, load
from spread import Spread
from stored_scenes import AT_ONCE, FAMILIES, HeldOut, held_out, held_out_source, pieces, store

RESULTS = Path(__file__).parent / "results"
STEPS = (1, 2, 4, 10)
TEACHER, BUNDLED = "teacher", "bundled depth"
TEACHERS_SHARE, SCORING = 0.55, 0.1
"""Of the minutes: the teacher's part of what is left for training, and what scoring gets of all."""
FACTS = ("size", "scenes", "seeds")
"""The options that decide what a row says."""


@dataclass(frozen=True)
class Row:
    """What a network does with so many steps: a number for each seed, and how far the seeds' maps are apart."""

    abs_rel: list[float]
    delta1: list[float]
    spread: float
    """The standard deviation of a pixel's depth over the seeds, relative to the true depth; the mean of all pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for runs and scenes")
    parser.add_argument("--train", action="store_true", help="train what is not trained, and score it")
    parser.add_argument("--report", action="store_true", help="write the page from the result file")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=0.0, help="time for all (default: the steps of the recipes)")
    parser.add_argument("--skips", type=int, nargs="+", default=[100], help="times that the teacher steps over at once")
    parser.add_argument("--compiled", action="store_true", help="compile the networks: a slow start, faster steps")
    parser.add_argument("--size", type=int, default=192, help="height and width of the held-out scenes in pixels")
    parser.add_argument("--scenes", type=int, default=40, help="held-out scenes of each family")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a miniature, whose result and page lie in OUT")
    parser.add_argument("--result", type=Path, default=None)
    parser.add_argument("--page", type=Path, default=None)
    options = parser.parse_args()
    if not (options.train or options.report):
        parser.error("give --train, --report or both")
    if options.quick:
        options.size, options.scenes, options.seeds = 32, 1, 2
    place = options.out if options.quick else RESULTS
    options.result, options.page = (
        options.result or place / "consistency.json",
        options.page or place / "consistency.md",
    )
    if options.train:
        score(options, trained(options))
    if options.report:
        text = page(read_json(options.result, OutputError, "run with --train first"))
        print(text)
        options.page.write_text(text + "\n", encoding="utf-8")


def trained(options: argparse.Namespace) -> dict[str, str]:
    """The checkpoints by name: the teacher, its students and the bundled one."""
    minutes = options.minutes * (1 - SCORING)
    each = minutes * (1 - TEACHERS_SHARE) / len(options.skips)
    teacher = _trained(options, "teacher", load("tiny-depth-teacher"), minutes * TEACHERS_SHARE)
    found = {TEACHER: teacher}
    recipe = replace(load("tiny-depth-lcm"), start=teacher)
    for skip in options.skips:
        made = replace(recipe, objective=replace(recipe.objective, skip=skip))
        found[f"student, skip {skip}"] = _trained(options, f"student-{skip}", made, each)
    return {**found, BUNDLED: "depth"}


def _trained(options: argparse.Namespace, name: str, recipe: Recipe, minutes: float) -> str:
    begun = time.monotonic()
    made = replace(recipe, plan=replace(recipe.plan, compiled=options.compiled), validation_batches=0)
    made = replace(made, every=Every(log=50, save=500, validate=0))
    made = _miniature(made) if options.quick else made
    folder = train(made, options.out / name, device=options.device, minutes=minutes, note=print)
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return str(folder)


def _miniature(recipe: Recipe) -> Recipe:
    (source,) = recipe.data
    small = replace(source, dataset=replace(source.dataset, height=32, width=32), capacity=4, block=4, renewal=0.0)
    return replace(recipe, data=(small,), steps=4, batch=2, plan=replace(recipe.plan, precision="fp32"))


def score(options: argparse.Namespace, checkpoints: dict[str, str]) -> None:
    """Adds what is missing to the result file."""
    scenes, result = _scenes(options), _begun(options)
    for name, place in checkpoints.items():
        estimator = checkpoint.open(place, device=options.device)
        card = estimator.card
        if result["networks"].get(name, {}).get("revision") != card.revision:
            made = "" if name == BUNDLED else card.note.partition(" ")[0]
            facts = {"revision": card.revision, "recipe": card.recipe, "seconds": card.seconds_of_training}
            result["networks"][name] = {**facts, "steps": made, "rows": {}}
        rows = result["networks"][name]["rows"]
        for steps in (steps for steps in STEPS if str(steps) not in rows):
            row = scored(estimator, scenes, estimator.sampling(steps), options.seeds)
            rows[str(steps)] = vars(row)
            write_json(options.result, result)
            print(f"{name}, {steps} steps: {_text(row.abs_rel)}, spread {100 * row.spread:.2f} %", flush=True)


def _scenes(options: argparse.Namespace) -> HeldOut:
    folder = options.out / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    for source in (held_out_source(family, options.size, options.scenes) for family in FAMILIES):
        for piece in pieces(source):
            store(folder, source, piece, options.device, float("inf"))
    return held_out(folder, options.size, options.scenes, options.device)


def _begun(options: argparse.Namespace) -> dict[str, Any]:
    """The result file's content, where it is one of the same settings; else an empty one."""
    facts = {name: getattr(options, name) for name in FACTS}
    if options.result.is_file():
        found = read_json(options.result, OutputError, "delete it to begin anew")
        if found.get("facts") == facts:
            return found
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    return {"facts": facts, "device": device, "torch": torch.__version__, "networks": {}}


@torch.no_grad()
def scored(estimator: Estimator, scenes: HeldOut, sampling: Sampling, count: int) -> Row:
    """The errors of `count` seeds, and the spread between their maps, each fitted to the truth."""
    depths, errors = [], []
    truth, valid = scenes.sample.maps["depth"][:, 0], usable(scenes.sample)[:, 0]
    for seed in range(count):
        pieces = zip(
            predictions(estimator, scenes, sampling, seed), truth.split(AT_ONCE), valid.split(AT_ONCE), strict=True
        )
        fitted = torch.cat([align(values[:, 0], g, ok, scenes.protocol) for values, g, ok in pieces])
        depths.append(fitted)
        errors.append(depth_metrics(fitted, truth, valid))
    means = {name: [float(one[name].mean()) for one in errors] for name in ("abs_rel", "delta1")}
    return Row(**means, spread=spread_of(torch.stack(depths), truth, valid))


def spread_of(depths: Tensor, truth: Tensor, valid: Tensor) -> float:
    """Of depths [S, B, H, W] by S seeds: their deviation relative to the true depth [B, H, W], the mean where valid."""
    relative = depths.std(dim=0, correction=0) / torch.where(valid, truth, 1.0)
    return float(relative[valid].mean())


def predictions(estimator: Estimator, scenes: HeldOut, sampling: Sampling, seed: int) -> Iterator[Tensor]:
    """Depth [B, 1, H, W] in 0 to 1, some scenes at a time; a seed chooses all noise that goes in."""
    channels = estimator.backbone.targets * estimator.backbone.latent_channels
    for number, image in enumerate(scenes.sample.image.split(AT_ONCE)):
        condition = estimator.encode_image(image * 2 - 1)
        shape, stream = (len(image), channels, *condition.shape[-2:]), seeds.stream(seed, "noise", number)
        noise = [gaussian(shape, stream, image.device) for _ in range(sampling.draws)]
        yield estimator.decode(estimator.sample(condition, noise[0], sampling, fresh=noise[1:].__getitem__))


def page(result: dict[str, Any]) -> str:
    """Tables of all networks, as Markdown."""
    facts, networks = result["facts"], result["networks"]
    scenes = facts["scenes"] * len(FAMILIES)
    lines = [
        "# A consistency model beside its teacher",
        "",
        f"Depth of {scenes} held-out scenes of {facts['size']} pixels, {facts['seeds']} noise seeds, one member, on "
        f"{result['device']}. Written by `bench/consistency.py`.",
        "",
        "| network | recipe | steps | seconds of training, with its start's |",
        "|---|---|---:|---:|",
        *(f"| {name} | {one['recipe']} | {one['steps']} | {one['seconds']} |" for name, one in networks.items()),
    ]
    tables = {
        "AbsRel: mean (least to most of the seeds)": lambda row: _text(row["abs_rel"]),
        "delta1: mean (least to most of the seeds)": lambda row: _text(row["delta1"]),
        "Standard deviation of depth between seeds, % of the true depth": lambda row: f"{100 * row['spread']:.2f}",
    }
    columns = " | ".join(f"{n} step{'s' * (n > 1)}" for n in STEPS)
    for title, text in tables.items():
        lines += ["", f"## {title}", "", f"| network | {columns} |"]
        lines += ["|---|" + "---:|" * len(STEPS)]
        for name, one in networks.items():
            cells = [text(one["rows"][str(n)]) if str(n) in one["rows"] else "" for n in STEPS]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *conclusions(networks)])


def conclusions(networks: dict[str, Any]) -> list[str]:
    """What every student has at one step beside its teacher at one and at ten."""
    taught = networks[TEACHER]["rows"]
    lines = []
    for name, one in networks.items():
        if name in (TEACHER, BUNDLED) or not {"1", "10"} <= {*taught} or "1" not in one["rows"]:
            continue
        row = one["rows"]["1"]
        errors = [_mean(row["abs_rel"]) / _mean(taught[steps]["abs_rel"]) for steps in ("1", "10")]
        spreads = [row["spread"] / taught[steps]["spread"] for steps in ("1", "10")]
        lines.append(
            f"- {name}: the AbsRel with 1 step is {errors[0]:.3f} times the teacher's with 1 step, and {errors[1]:.3f} "
            f"times that with 10; the maps of its seeds are {spreads[0]:.2f} and {spreads[1]:.2f} times as far apart."
        )
    return lines


def _mean(values: list[float]) -> float:
    return Spread.of(values).mean


def _text(values: list[float]) -> str:
    return Spread.of(values).text(4)


if __name__ == "__main__":
    main()
