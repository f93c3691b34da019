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
from prior_page import CONDITIONS, RESULTS, SAMPLED, SHOWN, TRAINED, plot, table
from small_runs import PARTS, Job, add_options, drop, recipe, run, scenes, scenes_to_score, trained
from stored_scenes import check_time, predictions, source

SETTINGS: dict[str, dict[str, Any]] = dict(zip(CONDITIONS, ({}, {"fresh": True}, {"noise": "gaussian"}), strict=True))
MARKS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 32)
"""The snapshots that are scored, in so many of `PARTS` of a run."""


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
    made = recipe(options, job, (rooms(options),), modality=Depth(), keep=unit, **SETTINGS[job.name])
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


if __name__ == "__main__":
    main()
