"""AdamW against Muon: `tiny-normals` from the bundled generator, on the same scenes, for as many steps.

python bench/optimizer.py [--steps N] [--scenes N]      writes bench/results/optimizer.md

Scenes of 64 pixels and the first phase's objective alone. The error in latent space is that of the last eighth of the
steps, on the scenes that are trained on, and that of 128 held-out ones at the end, with averaged weights. A step's time
is a ratio of two runs on one machine, one after the other.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.train.loop import train
from marigold.train.recipe import Every, Recipe, load

RESULT = Path(__file__).parent / "results" / "optimizer.md"
RATES = {"adamw": (8e-4, 2e-3), "muon": (1.5e-3, 3e-3)}
SIDE, BATCH = 64, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--scenes", type=int, default=1024)
    options = parser.parse_args()
    pools = Pools(Reading())
    rows, first = [], 0.0
    for name, rates in RATES.items():
        for lr in rates:
            shown, held_out, seconds = losses(recipe(name, lr, options.steps, options.scenes), pools)
            first = first or seconds
            rows.append(f"| {name} | {lr:g} | {shown:.4f} | {held_out:.4f} | {seconds / first:.2f} |")
    pools.close()
    lines = [
        f"`tiny-normals` from `generator`: {options.steps} steps of {BATCH}, {options.scenes} scenes of {SIDE} pixels",
        "",
        "| optimizer | rate | error, trained on | error, held out | time of a step |",
        "|---|---:|---:|---:|---:|",
        *rows,
    ]
    print("\n".join(lines))
    RESULT.write_text("\n".join(lines) + "\n")


def recipe(name: str, lr: float, steps: int, scenes: int) -> Recipe:
    """The first phase of `tiny-normals`, small."""
    whole = load("tiny-normals")
    scenes_of = replace(whole.data[0].dataset, height=SIDE, width=SIDE)
    source = replace(whole.data[0], dataset=scenes_of, capacity=scenes, renewal=0.0)
    return replace(
        whole,
        data=(source,),
        optim=replace(whole.optim, name=name, lr=lr, warmup=steps // 12, decay=steps),
        phases=(),
        steps=steps,
        batch=BATCH,
        reuse=8,
        cache=8192,
        scored=0,
        every=Every(log=steps // 8, save=0, validate=0),
    )


def losses(small: Recipe, pools: Pools) -> tuple[float, float, float]:
    """The loss at the end on what was trained on and on what was not, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        train(small, Path(folder) / "run", pools=pools)
        lines = [json.loads(line) for line in (Path(folder) / "run" / "log.jsonl").read_text().splitlines()]
    shown = [line for line in lines if line["kind"] == "train"]
    (held_out,) = (value for key, value in lines[-1].items() if key.startswith("loss_"))
    return shown[-1]["loss"], held_out, shown[-1]["seconds"] - shown[0]["seconds"]


if __name__ == "__main__":
    main()
