"""Scores of a bundled checkpoint on 200 held-out scenes, beside the trivial answers, for several settings.

python bench/scores.py [CHECKPOINT] [--device cuda] [--scenes N]      writes bench/results/scores-NAME.json
python bench/scores.py --tables                                       writes bench/results/scores.md from all of them
"""

import argparse
import json
from pathlib import Path

from marigold import checkpoint
from marigold.datasets.procedural import Procedural
from marigold.evaluate.report import table
from marigold.evaluate.runner import Scores, evaluate, painter
from marigold.measure.tally import Tally

RESULTS = Path(__file__).parent / "results"
SETTINGS = {"1 step": (1, 1), "2 steps": (2, 1), "4 steps": (4, 1), "4 steps, 5 members": (4, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--resolution", type=int, default=0, help="longest side at work; 0: the scenes' own, 256")
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--result", type=Path, default=None)
    parser.add_argument("--tables", action="store_true", help="only write the tables of what has been scored")
    options = parser.parse_args()
    if options.tables:
        write_tables()
        return
    estimator = checkpoint.open(options.checkpoint, device=options.device)
    scenes = Procedural()
    keys = list(scenes.scan(Path(), "test")[: options.scenes])
    methods: dict = {}
    for name in options.settings:
        steps, ensemble = SETTINGS[name]
        paint = painter(estimator, steps=steps, ensemble=ensemble, resolution=options.resolution)
        scored = evaluate(paint, estimator.modality, scenes, Path(), keys, name=name, batch=10, device=options.device)
        methods = {name: scored.methods.pop(name), **methods, **scored.methods}
    print(table(Scores(methods)))
    result = options.result or RESULTS / f"scores-{estimator.card.name}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    means = {name: {metric: tally.mean for metric, tally in tallies.items()} for name, tallies in methods.items()}
    facts = {
        "scenes": len(keys),
        "pixels": scenes.width,
        "resolution": options.resolution or scenes.width,
        "recipe": estimator.card.recipe,
        "revision": estimator.card.revision,
        "scores": means,
    }
    result.write_text(json.dumps(facts, indent=1) + "\n")


def write_tables() -> None:
    """Every scored checkpoint as a table, in the order of their names."""
    lines = ["# Scores of the bundled checkpoints", ""]
    for file in sorted(RESULTS.glob("scores-*.json")):
        facts = json.loads(file.read_text())
        methods = {
            name: {metric: Tally(mean, 1) for metric, mean in means.items()} for name, means in facts["scores"].items()
        }
        seen = f"{facts['scenes']} held-out scenes of {facts['pixels']} pixels, worked at {facts['resolution']}"
        lines += [
            f"## {file.stem.removeprefix('scores-')}",
            "",
            f"{facts['recipe']}, revision {facts['revision']}; {seen}.",
        ]
        lines += ["", table(Scores(methods)), ""]
    (RESULTS / "scores.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
