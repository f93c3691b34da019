"""Does the generator's prior help? The same depth training from the generator and from random weights.

    python bench/prior.py run OUT [--start CHECKPOINT] [--device cuda] [--steps N] [--batch N]
    python bench/prior.py plot

`run` trains twice by the published protocol alone, with AdamW and the data of the recipe `tiny-depth`, on every family
of scenes but streets, with the same batches in the same order, once from the generator (pretrained on all
families) and once from random weights, and scores every snapshot on held-out scenes of the trained families and on
streets. It writes bench/results/prior.json; `plot` draws it.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from marigold.evaluate.runner import score
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.predict.predictor import load as load_predictor
from marigold.predict.settings import Request
from marigold.train.loop import train
from marigold.train.recipe import Every, Optim, Recipe, load
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "prior.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "prior.png"
LEFT_OUT = "street"
GROUPS = ("trained families", "family left out")
STARTS = {"generator": False, "random weights": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("out", type=Path)
    run.add_argument("--start", default="generator")
    run.add_argument("--device", default="cpu")
    run.add_argument("--steps", type=int, default=2400)
    run.add_argument("--batch", type=int, default=16)
    run.add_argument("--capacity", type=int, default=1024)
    run.add_argument("--renewal", type=float, default=1.0)
    run.add_argument("--size", type=int, default=256)
    run.add_argument("--scenes", type=int, default=100)
    run.add_argument("--snapshots", type=int, default=5)
    run.add_argument("--workers", type=int, default=0)
    run.add_argument("--compiled", action="store_true")
    run.add_argument("--result", type=Path, default=RESULT)
    commands.add_parser("plot")
    options = parser.parse_args()
    if options.command == "run":
        measure(options)
    else:
        plot()


def measure(options: argparse.Namespace) -> None:
    """Trains both, scores every snapshot, writes the result."""
    result: dict = {
        "size": options.size,
        "steps": options.steps,
        "batch": options.batch,
        "scenes": options.scenes,
        "left_out": LEFT_OUT,
    }
    for name, fresh in STARTS.items():
        folder = options.out / name.replace(" ", "-")
        made = recipe(options, name, fresh)
        train(made, folder, device=options.device, workers=options.workers)
        result[name] = [
            {"step": int(snapshot.name), **scores(snapshot, options)}
            for snapshot in sorted((folder / "steps").iterdir())
        ]
        print(name, json.dumps(result[name], indent=1))
    options.result.parent.mkdir(parents=True, exist_ok=True)
    options.result.write_text(json.dumps(result, indent=1) + "\n")


def recipe(options: argparse.Namespace, name: str, fresh: bool) -> Recipe:
    """The protocol on the data of `tiny-depth` but the family that is left out; only the starting weights differ."""
    base = load("tiny-depth")
    source = replace(
        base.data[0],
        dataset=Procedural(options.size, options.size, families=trained_families()),
        capacity=options.capacity,
        renewal=options.renewal,
    )
    return replace(
        base,
        name=f"prior-{name.replace(' ', '-')}",
        start=options.start,
        layers=(),
        fresh_denoiser=fresh,
        data=(source,),
        modality=Depth(),
        objective=Denoise(noise="annealed", strength=0.9),
        optim=Optim(lr=3e-4, warmup=min(300, options.steps // 2), decay=options.steps, final=0.02, weight_decay=0.01),
        phases=(),
        reuse=1,
        every=Every(log=50, save=0, validate=0, keep=options.steps // options.snapshots),
        steps=options.steps,
        batch=options.batch,
        average=0.99,
        plan=replace(base.plan, compiled=options.compiled),
    )


def trained_families() -> tuple[str, ...]:
    return tuple(family for family in Procedural().families if family != LEFT_OUT)


def scores(snapshot: Path, options: argparse.Namespace) -> dict[str, float]:
    """AbsRel on held-out scenes of the trained families and of the family that was left out."""
    predictor = load_predictor(snapshot, device=options.device, precision="fp32")
    request = Request(steps=1, ensemble=1, resolution=0, tta="none")
    found = {}
    for name, families in zip(GROUPS, (trained_families(), (LEFT_OUT,)), strict=True):
        dataset = Procedural(options.size, options.size, families=families)
        keys = list(dataset.scan(Path(), "test")[: options.scenes])
        scored = score(predictor, dataset, Path(), keys, request=request, batch=10, progress=False)
        found[name] = scored.means()["abs_rel"]
    return found


def plot() -> None:
    """Draws docs/images/prior.png from the committed result."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    result = json.loads(RESULT.read_text())
    title = f"{result['size']} pixels, batches of {result['batch']}, {result['scenes']} held-out scenes each"
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, group in zip(axes, GROUPS, strict=True):
        for name, colour in zip(STARTS, ("#2b6cb0", "#c05621"), strict=True):
            rows = result[name]
            axis.plot([row["step"] for row in rows], [row[group] for row in rows], "o-", color=colour, label=name)
        axis.set_title(f"held-out scenes, {group}" + (f" ({LEFT_OUT})" if group == "family left out" else ""))
        axis.set_xlabel("fine-tuning steps")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, 1.1 * max(row[group] for name in STARTS for row in result[name] for group in GROUPS))
    axes[0].set_ylabel("AbsRel after alignment")
    axes[0].legend(title="start from")
    figure.suptitle(title, fontsize=9)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
