"""How often to use an encoded sample: the last phase of `tiny-depth`, small, on the same scenes for as many steps.

python bench/reuse.py [--steps N] [--scenes N]      writes bench/results/reuse.md

An encoded sample keeps the crop and the colours that it was augmented with, and is used so many times while it is in
the cache of encoded samples. The errors are those of the last eighth of the steps, on what is trained on, and of 128
held-out scenes at the end, with averaged weights.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.train.recipe import Every, Recipe, load
from optimizer import losses

RESULT = Path(__file__).parent / "results" / "reuse.md"
USES = (8, 2, 1)
SIDE, BATCH, SLOTS = 64, 32, 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--scenes", type=int, default=3072)
    parser.add_argument("--rate", type=float, default=4e-4)
    options = parser.parse_args()
    pools = Pools(Reading())
    rows = []
    for uses in USES:
        shown, held_out, _ = losses(recipe(uses, options), pools)
        rows.append(f"| {uses} | {shown:.4f} | {held_out:.4f} |")
        print(rows[-1], flush=True)
    pools.close()
    lines = [
        f"`tiny-depth` from `depth`: {options.steps} steps of {BATCH}, {options.scenes} scenes of {SIDE} pixels",
        "",
        "| uses | error, trained on | error, held out |",
        "|---:|---:|---:|",
        *rows,
    ]
    RESULT.write_text("\n".join(lines) + "\n")


def recipe(uses: int, options: argparse.Namespace) -> Recipe:
    """The last phase of `tiny-depth`, small, from what it came to."""
    whole = load("tiny-depth")
    last = whole.phases[-1]
    scenes = replace(whole.data[0].dataset, height=SIDE, width=SIDE)
    source = replace(whole.data[0], dataset=scenes, capacity=options.scenes, renewal=0.0)
    return replace(
        whole,
        start="depth",
        data=(source,),
        objective=last.objective,
        optim=replace(whole.optim, lr=options.rate, warmup=options.steps // 12, decay=options.steps),
        phases=(),
        steps=options.steps,
        batch=BATCH,
        reuse=uses,
        cache=SLOTS * BATCH,
        average=0.98,
        validation_batches=128 // BATCH,
        scored=0,
        every=Every(log=options.steps // 8, save=0, validate=0),
    )


if __name__ == "__main__":
    main()
