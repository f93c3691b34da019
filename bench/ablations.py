"""The paper's ablations at the size of the small generator: noise, target space, data, steps and ensemble.

    python bench/ablations.py run OUT [--device cuda] [--minutes 8] [--processes 6] [--seeds N] [--result FILE]
    python bench/ablations.py plot [--result FILE]

`run` trains depth by the published protocol alone, once for each variant, which differs from the first in one thing,
and scores it on held-out scenes of every family; the first one's runs also serve the sweeps over steps of inference and
over ensembles. Runs of one seed that read the same data see the same batches. The results are in the file after each
run, and the same command goes on where it ended.

`plot` draws docs/images/ablations.png and writes bench/results/ablations.md.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ablations_page import DATA, NOISE, PAPER, ROOMS, SHOWN, SPACE, SPACINGS, page, plot
from marigold.data.source import Source
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.predict.predictor import load as load_predictor
from small_runs import Job, add_options, drop, recipe, run, scenes, scenes_to_score, trained
from stored_scenes import FAMILIES, HeldOut, others, predictions, source

RESULT = Path(__file__).parent / "results" / "ablations.json"
OTHERS = others("room")

Data = Callable[[int, int], tuple[Source, ...]]
"""The sources for a size in pixels and a number of scenes of each kind."""


def all_families(size: int, count: int) -> tuple[Source, ...]:
    """Every batch has scenes of all families."""
    return (source(FAMILIES, size, count),)


def rooms(size: int, count: int) -> tuple[Source, ...]:
    """Rooms alone."""
    return (source(ROOMS, size, count),)


def mostly_rooms(size: int, count: int) -> tuple[Source, ...]:
    """Nine batches of rooms for one of the other families, as the paper mixes interiors and streets."""
    return source(ROOMS, size, count, 0.9), source(OTHERS, size, count, 0.1)


def half_rooms(size: int, count: int) -> tuple[Source, ...]:
    """A batch of rooms for each one of the other families."""
    return source(ROOMS, size, count, 0.5), source(OTHERS, size, count, 0.5)


@dataclass(frozen=True)
class Variant:
    """What a run is taught."""

    noise: str = "annealed"
    modality: Depth = Depth()
    data: Data = all_families


VARIANTS = {
    PAPER: Variant(),
    NOISE["Gaussian"]: Variant(noise="gaussian"),
    NOISE["multi-resolution"]: Variant(noise="multi_resolution"),
    SPACE["disparity"]: Variant(modality=Depth(target_space="disparity")),
    SPACE["root of disparity"]: Variant(modality=Depth(target_space="sqrt-disparity")),
    SPACE["logarithm of depth"]: Variant(modality=Depth(target_space="log")),
    DATA["rooms alone"]: Variant(data=rooms),
    DATA["rooms 9 : 1 others"]: Variant(data=mostly_rooms),
    DATA["rooms 1 : 1 others"]: Variant(data=half_rooms),
}
STEPS = (1, 2, 3, 4, 5, 7, 10, 15, 25, 50)
FEW = (1, 4, 10, 50)
"""Steps of inference of the variants that serve no sweep."""
MEMBERS = (1, 2, 3, 5, 10, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    add_options(running, RESULT, steps=1600, seeds=2, reuse=2, scoring=15)
    running.add_argument("--merged", type=int, default=16, help="scenes of each family for the ensembles")
    plotting = commands.add_parser("plot")
    plotting.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.command == "plot":
        plot(json.loads(options.result.read_text()))
        return
    # All variants with a seed before the next seed: what a budget allows is compared whole.
    jobs = [Job(name, seed) for seed in range(options.seeds) for name in VARIANTS]
    sources = {one.data(): one for name in VARIANTS for one in VARIANTS[name].data(options.size, options.pool)}
    paced = recipe(options, jobs[0], all_families(options.size, options.pool), modality=Depth())
    print(page(run(options, jobs, ablation, sources.values(), paced)))


def ablation(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    """Trains a variant and scores it; the first one in all ways."""
    begun, variant = time.time(), VARIANTS[job.name]
    data = variant.data(options.size, options.pool)
    folder = trained(options, job, recipe(options, job, data, modality=variant.modality, noise=variant.noise))
    training = time.time() - begun
    estimator = load_predictor(folder / "checkpoint", device=options.device, precision="fp32").estimator
    held_out = scenes_to_score(scenes(options), options.size, options.scenes, options.device)
    found: dict[str, Any] = {"trailing": by_steps(estimator, held_out, FEW, "trailing")}
    if job.name == PAPER:
        found = {spacing: by_steps(estimator, held_out, STEPS, spacing) for spacing in SPACINGS}
        found["members"] = by_members(estimator, held_out.first(options.merged))
    drop(options, job)
    return {"seconds": time.time() - begun, "training": training, **found}


Errors = dict[str, dict[str, float]]
"""AbsRel by a number (of steps, or of members) and by family."""


def by_steps(estimator: Estimator, held_out: HeldOut, counts: tuple[int, ...], spacing: str) -> Errors:
    """One prediction for each scene, by so many DDIM steps."""
    schedule = estimator.backbone.schedule.with_spacing(spacing)
    return {str(steps): held_out.means(predictions(estimator, held_out, Sampling(steps, schedule))) for steps in counts}


def by_members(estimator: Estimator, held_out: HeldOut) -> Errors:
    """Ensembles of the first so many members."""
    sampling = estimator.sampling(SHOWN)
    members = torch.stack([predictions(estimator, held_out, sampling, member) for member in range(max(MEMBERS))], 1)
    return {
        str(count): held_out.means(torch.stack([estimator.modality.ensemble(one[:count])[0] for one in members]))
        for count in MEMBERS
    }


if __name__ == "__main__":
    main()
