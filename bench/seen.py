"""Does the bundled depth know its scenes by heart? AbsRel on scenes that it was trained on, and on others.

python bench/seen.py [--scenes N] [--first N] [--seed N]      about 3 seconds a scene on two cores

It writes bench/results/seen.md.

Scenes that were seen are those that a run with this `seed` drew, from number `first` on. Left out, the options fit the
last run of the bundled depth.
"""

import argparse
from pathlib import Path

from marigold.data.pool import Pool
from marigold.data.reader import Reading
from marigold.data.source import Source
from marigold.evaluate.runner import score
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "seen.md"
FAR = 1 << 29
"""Training scenes from this number on are drawn so rarely that none has been met."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--first", type=int, default=90000)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    scenes = Procedural()
    pool = Pool(Source(scenes), ("depth",), options.seed, Reading())
    groups = {
        "seen": pool.keys(options.first, options.scenes),
        "not seen": [f"procedural/0/{FAR + number}" for number in range(options.scenes)],
        "held out": list(scenes.scan(Path(), "test")[: options.scenes]),
    }
    predictor = load(options.checkpoint, device="cpu", precision="fp32")
    card, request = predictor.estimator.card, Request(steps=1, ensemble=1, tta="none")
    label = f"`{card.name}` {card.revision}, seed {options.seed}"
    lines = [label, "", "| scenes | number | AbsRel |", "|---|---:|---:|"]
    for name, keys in groups.items():
        scores = score(predictor, scenes, Path(), keys, request=request, name=name, batch=2)
        lines.append(f"| {name} | {len(keys)} | {scores.means()['abs_rel']:.4f} |")
        print(lines[-1], flush=True)
    options.result.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
