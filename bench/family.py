"""Trains the small family in one process and within a time budget: scenes are rendered once, every stage uses them.

    python bench/family.py OUT --device cuda --minutes 24 [--photos FOLDER] [--stages NAME ...] [--workers 10]

The stages are packaged recipes. A stage whose checkpoint lies in OUT is not trained again, so several calls share the
work. Each stage's share of what is left of the time becomes its number of steps, from its measured speed; the recipe as
it ran is in OUT/STAGE/recipe.yaml. Half-precision copies for shipping are in OUT/fp16.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from marigold import checkpoint
from marigold.core.fields import FIELDS
from marigold.data.pool import Pools
from marigold.train.build import card
from marigold.train.loop import Trainer
from marigold.train.recipe import Recipe, load
from marigold.train.run import Run

SHARES = {
    "tiny-autoencoder": 0.1,
    "tiny-generator": 0.13,
    "tiny-depth": 0.38,
    "tiny-normals": 0.13,
    "tiny-appearance": 0.13,
    "tiny-lighting": 0.13,
}
"""Each stage's part of the time, relative to the stages that are still to be done."""
ALIKE = {"tiny-normals"}
"""Stages whose networks have the shapes of another stage's, so that they need no compiling of their own."""
WARM, TIMED = 12, 60
"""Steps that let compilation settle, and steps that are timed; both within the recipes' warm-up of the rate."""
FINISH = 12.0
"""Seconds for a stage's validation, export and the next one's start."""


def main() -> None:
    options = parse()
    begun = time.monotonic()

    def left() -> float:
        return options.minutes * 60 - (time.monotonic() - begun)

    if options.device.startswith("cuda"):
        prepare_gpu(options)
    pools = Pools(options.device, options.workers, tuple(FIELDS))
    stages = [name for name in options.stages if not (options.out / name / "checkpoint").is_dir()]
    fill(options, pools, stages, blocks=4)
    warmers = [warm(options, name) for name in stages if name not in ALIKE] if options.compiled else []
    fill(options, pools, stages)
    for warmer in warmers:
        warmer.wait()
    say(left, "pools are full")
    for position, name in enumerate(stages):
        ahead = [SHARES.get(other, 0.3) for other in stages[position:]]
        run_stage(options, name, pools, left, ahead[0] / sum(ahead))
    pools.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=24.0)
    parser.add_argument("--photos", type=Path, default=Path("data/photos"))
    parser.add_argument("--start", default="", help="an earlier generator that the first stages go on from")
    parser.add_argument("--stages", nargs="+", default=list(SHARES))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--compiled", action="store_true", help="compile networks and ray-caster (a GPU)")
    parser.add_argument("--size", type=int, default=0, help="side of the scenes, in place of the recipes'")
    parser.add_argument("--capacity", type=int, default=0, help="scenes in the pool, in place of the recipes'")
    parser.add_argument("--batch", type=int, default=0, help="batch, in place of the recipes'")
    parser.add_argument("--warm", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.warm:
        prepare_gpu(options)
        compile_stage(options, options.warm)
        raise SystemExit(0)
    return options


def prepare_gpu(options: argparse.Namespace) -> None:
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    # Stages differ in channels: every width is compiled for itself, as the warmers did.
    torch._dynamo.config.automatic_dynamic_shapes = False
    if options.compiled and not options.warm:
        from marigold.accel.compile import compile_rendering

        compile_rendering()


def warm(options: argparse.Namespace, name: str) -> subprocess.Popen:
    """Another process that compiles a stage's networks meanwhile: the compiler keeps what it makes on disk."""
    log = options.out / f"warm-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, *sys.argv[1:], "--warm", name]
    few = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "4"}
    return subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT, env=few)


def compile_stage(options: argparse.Namespace, name: str) -> None:
    """Five steps of a stage from random weights on a few scenes."""
    first = load("tiny-autoencoder")
    recipe = adapted(options, replace(load(name), start="", network=first.network))
    few = tuple(replace(source, capacity=source.block) for source in recipe.data)
    recipe = replace(recipe, data=few, steps=5)
    run = Run(options.out / "warm" / name, recipe)
    trainer = Trainer(recipe, run, options.device, options.compiled, Pools(options.device))
    for _ in range(5):
        trainer.update()


def adapted(options: argparse.Namespace, recipe: Recipe) -> Recipe:
    """A recipe with the command line's folder of photographs, size, capacity and batch; saved only at its end."""
    data = []
    for source in recipe.data:
        if source.dataset == "photos":
            source = replace(source, root=options.photos)
        if options.size:
            source = replace(source, options={**source.options, "height": options.size, "width": options.size})
        if options.capacity:
            source = replace(source, capacity=options.capacity, block=min(source.block, options.capacity))
        data.append(source)
    every = replace(recipe.every, save=0, validate=0)
    return replace(recipe, data=tuple(data), every=every, batch=options.batch or recipe.batch, scored=0)


def started(options: argparse.Namespace, name: str) -> Recipe:
    """A stage's recipe, starting from the stage before it in OUT where its own start is not bundled."""
    recipe = adapted(options, load(name))
    if name == "tiny-autoencoder" and options.start:
        return replace(recipe, start=options.start)
    before = {"tiny-generator": "tiny-autoencoder"}.get(name, "tiny-generator")
    folder = options.out / before / "checkpoint"
    return replace(recipe, start=str(folder)) if recipe.start and folder.is_dir() else recipe


def fill(options: argparse.Namespace, pools: Pools, stages: list[str], blocks: int | None = None) -> None:
    """Reads every source that the stages train on, or its first few blocks, before the first of them."""
    for name in stages:
        recipe = adapted(options, load(name))
        for source in recipe.data:
            if not (source.optional and not source.root.is_dir()):
                pools.of(source, set(), recipe.seed).fill(blocks)


def run_stage(options: argparse.Namespace, name: str, pools: Pools, left: Callable[[], float], share: float) -> None:
    recipe = started(options, name)
    folder = options.out / name
    run = Run(folder, recipe)
    trainer = Trainer(recipe, run, options.device, options.compiled, pools)
    for _ in range(WARM):
        advance(trainer)
    synchronize(options)
    begun = time.monotonic()
    for _ in range(TIMED):
        advance(trainer)
    synchronize(options)
    rate = TIMED / (time.monotonic() - begun)
    steps = trainer.step + max(50, int(rate * (left() * share - FINISH)) // 50 * 50)
    say(left, f"{name}: {rate:.1f} steps a second, {steps} steps")
    resolve(
        trainer, replace(recipe, steps=steps, optim=replace(recipe.optim, decay=max(steps, recipe.optim.warmup + 1)))
    )
    trainer.go()
    trainer.finish()
    run.close()
    checkpoint.save(checkpoint.open(folder / "checkpoint"), options.out / "fp16" / name, dtype=torch.float16)
    say(left, f"{name}: done")


def advance(trainer: Trainer) -> None:
    trainer.update()
    trainer.step += 1


def resolve(trainer: Trainer, recipe: Recipe) -> None:
    """Gives the run its real length; the steps done so far, in the rate's warm-up, are the same for any."""
    assert trainer.step <= recipe.optim.warmup
    (trainer.run.folder / "recipe.yaml").unlink()
    trainer.run = Run(trainer.run.folder, recipe)
    trainer.recipe = recipe
    start = checkpoint.open(recipe.start).card if recipe.start else None
    trainer.estimator.card = card(recipe, start)


def synchronize(options: argparse.Namespace) -> None:
    if options.device.startswith("cuda"):
        torch.cuda.synchronize()


def say(left: Callable[[], float], text: str) -> None:
    print(f"[{left():7.1f} s left] {text}", flush=True)


if __name__ == "__main__":
    main()
