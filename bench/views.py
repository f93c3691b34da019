"""What should the members of an ensemble see? Scores of several ways to look, on held-out scenes of the split `val`.

python bench/views.py [CHECKPOINT ...] [--scenes N]      writes bench/results/views.md

Every way to look begins with the photo as it is. The scenes are none of those of `bench/scores.py`, so that what is
chosen here is not chosen by what is reported there.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import torch
from tqdm import tqdm

from marigold import checkpoint
from marigold.core.sample import unstack
from marigold.evaluate.report import table
from marigold.evaluate.runner import Scores, painter
from marigold.measure.tally import Tally, merge
from marigold.predict.augmentation import View
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "views.md"
MODALITIES = ("depth", "normals", "appearance", "lighting")
SCALES = (Fraction(10, 9), Fraction(11, 9), Fraction(4, 3))
AT_ONCE = 2
"""Scenes at a time: on a CPU few are faster than many."""


def ways() -> dict[str, tuple[View, ...]]:
    """Ways to look by what they are called."""
    plain, mirrored = View(), View(mirrored=True)
    found = {"one look": (plain,), "2 views: mirrored": (plain, mirrored)}
    for scale in SCALES:
        both, scaled = View(mirrored=True, scale=scale), View(scale=scale)
        found[f"2 views: mirrored at {scale}"] = (plain, both)
        found[f"4 views: each at 1 and {scale}"] = (plain, both, scaled, mirrored)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=MODALITIES)
    parser.add_argument("--scenes", type=int, default=60)
    options = parser.parse_args()
    scenes = Procedural()
    keys = list(scenes.scan(Path(), "val")[: options.scenes])
    together = [keys[first : first + AT_ONCE] for first in range(0, len(keys), AT_ONCE)]
    batches = [unstack(scenes.read_many(Path(), part, "cpu"), part) for part in tqdm(together, desc="scenes")]
    parts = [f"{len(keys)} scenes of the split `val`. Sizes are relative to the one that a card recommends."]
    for name in options.checkpoints:
        estimator = checkpoint.open(name)
        resolution = int(estimator.card.defaults.get("resolution", 0))
        methods: dict[str, dict[str, Tally]] = {}
        for way, views in tqdm(ways().items(), desc=name):
            paint = painter(estimator, steps=1, ensemble=len(views), resolution=resolution, views=views)
            methods[way] = merge(
                [
                    estimator.modality.score(values, sample)
                    for batch in batches
                    for values, sample in zip(paint(torch.stack([one.image for one in batch])), batch, strict=True)
                ]
            )
        parts.append(f"`{estimator.card.name}` {estimator.card.revision}\n\n{table(Scores(methods))}")
        RESULT.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
