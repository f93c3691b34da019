"""How the working size of a photo should follow from its shape, on rendered scenes that are wide, tall and square.

    python bench/working_size.py [CHECKPOINT ...] [--scenes N] [--device cuda]      writes bench/results/working_size.md

Every scene of `val` is rendered in several SHAPES with about as many pixels, and predicted by every rule and at
multiples of the card's resolution. Test-time augmentation and ensemble are the card's. The errors are the modality's
first metric.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from marigold.core.sample import unstack
from marigold.evaluate.runner import function
from marigold.measure.tally import Tally
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "working_size.md"
SHAPES = {
    "1 : 1": (256, 256),
    "4 : 3": (224, 296),
    "2 : 1": (184, 360),
    "3.3 : 1": (144, 476),
    "8 : 1": (96, 768),
    "3 : 4": (296, 224),
    "1 : 3.3": (476, 144),
}
"""Width to height, and height and width in pixels."""
BATCH = 8
CHECKPOINTS = ("depth", "normals")


@dataclass(frozen=True)
class Rule:
    """A way to the working size: the longest side is the resolution times a power of the aspect ratio."""

    name: str
    power: float

    def resolution(self, usual: int, height: int, width: int) -> int:
        """The longest side at work."""
        aspect = max(height, width) / min(height, width)
        return round(usual * aspect**self.power)


RULES = (Rule("longest side", 0), Rule("half-way between", 0.25), Rule("area", 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=CHECKPOINTS)
    parser.add_argument("--scenes", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    predictors = [load(name, device=options.device, precision="fp32") for name in options.checkpoints]
    sections = [table(predictor, options.scenes) for predictor in predictors]
    head = (
        f"Errors by working size on {options.scenes} scenes of `val` in every shape (`python bench/working_size.py`)."
    )
    options.result.write_text(f"{head}\n\n" + "\n\n".join(sections) + "\n", encoding="utf-8")
    print(options.result.read_text(encoding="utf-8"))


def table(predictor: Predictor, scenes: int) -> str:
    """Rows are rules, columns are SHAPES."""
    card = predictor.estimator.card
    metric = predictor.estimator.modality.metrics[0]
    lines = [
        f"## {card.name} {card.revision}: {metric.name} {metric.arrow}",
        "",
        f"| rule | {' | '.join(SHAPES)} |",
        f"|---|{'---:|' * len(SHAPES)}",
    ]
    found = {shape: errors(predictor, *size, scenes) for shape, size in tqdm(SHAPES.items(), desc=card.name)}
    for rule in RULES:
        lines.append(f"| {rule.name} | {' | '.join(f'{found[shape][rule.name]:.4f}' for shape in SHAPES)} |")
    return "\n".join(lines)


def errors(predictor: Predictor, height: int, width: int, scenes: int) -> dict[str, float]:
    """The first metric by rule; every scene is rendered once."""
    dataset, modality = Procedural(height=height, width=width), predictor.estimator.modality
    keys, defaults = list(dataset.scan(Path(), "val")[:scenes]), predictor.estimator.card.defaults
    functions = {}
    for rule in RULES:
        resolution = rule.resolution(int(defaults["resolution"]), height, width)
        functions[rule.name] = function(predictor, Request(sizing="longest", resolution=resolution).settings(defaults))
    totals = dict.fromkeys(functions, Tally())
    for first in range(0, scenes, BATCH):
        chosen = keys[first : first + BATCH]
        sample = dataset.read_many(Path(), chosen, str(predictor.plan.device))
        for name, predict in functions.items():
            for values, one in zip(predict(sample.image), unstack(sample, chosen), strict=True):
                totals[name] += modality.score(values, one)[modality.metrics[0].name]
    return {name: tally.mean for name, tally in totals.items()}


if __name__ == "__main__":
    main()
