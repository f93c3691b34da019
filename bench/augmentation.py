"""Which test-time augmentation helps? Scores of ensembles with several, on held-out scenes of the split `val`.

python bench/augmentation.py [CHECKPOINT ...] [--scenes N]      writes bench/results/augmentation.md

The first member of each sees the photo as it is. The scenes are none of those of `bench/scores.py`, so that what is
chosen here is not chosen by what is reported there.
"""

import argparse
from fractions import Fraction
from pathlib import Path
from unittest import mock

import torch
from tqdm import tqdm

from marigold.core.sample import Sample, unstack
from marigold.evaluate.report import table
from marigold.evaluate.runner import Scores, function
from marigold.measure.tally import Tally, merge
from marigold.predict.augmentation import TRANSFORMS, Transform
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "augmentation.md"
MODALITIES = ("depth", "normals", "appearance", "lighting")
SCALES = (Fraction(10, 9), Fraction(11, 9), Fraction(4, 3))
AT_ONCE = 2
"""Scenes at a time: on a CPU few are faster than many."""


def augmentations() -> dict[str, tuple[Transform, ...]]:
    """The transforms that the members take turns at, by what they are called."""
    plain, flipped = Transform(), Transform(flip=True)
    found = {"none": (plain,), "2 members: flip": (plain, flipped)}
    for scale in SCALES:
        both, scaled = Transform(flip=True, scale=scale), Transform(scale=scale)
        found[f"2 members: flip at {scale}"] = (plain, both)
        found[f"4 members: flip, each at 1 and {scale}"] = (plain, both, scaled, flipped)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=MODALITIES)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    scenes = Procedural()
    keys = list(scenes.scan(Path(), "val")[: options.scenes])
    together = [keys[first : first + AT_ONCE] for first in range(0, len(keys), AT_ONCE)]
    batches = [unstack(scenes.read_many(Path(), part, "cpu"), part) for part in tqdm(together, desc="scenes")]
    parts = [f"{len(keys)} scenes of the split `val`. Sizes are relative to the one that a card recommends."]
    for name in options.checkpoints:
        predictor = load(name, device="cpu", precision="fp32")
        card, metrics = predictor.estimator.card, predictor.estimator.modality.metrics
        methods = {
            augmentation: scores(predictor, transforms, batches)
            for augmentation, transforms in tqdm(augmentations().items(), desc=name)
        }
        parts.append(f"`{card.name}` {card.revision}\n\n{table(Scores(methods, metrics=metrics))}")
        options.result.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts))


def scores(predictor: Predictor, transforms: tuple[Transform, ...], batches: list[list[Sample]]) -> dict[str, Tally]:
    """The metrics of an ensemble with a member for each transform, in one step."""
    augmented = "flip-scale" if len(transforms) > 1 else "none"
    request = Request(steps=1, ensemble=len(transforms), tta=augmented)
    predict = function(predictor, request.settings(predictor.estimator.card.defaults))
    modality = predictor.estimator.modality
    # `infer` finds the transforms by the name of the augmentation: here others go by that name for a while.
    with mock.patch.dict(TRANSFORMS, {augmented: transforms}):
        return merge(
            [
                modality.score(values, sample)
                for batch in batches
                for values, sample in zip(predict(torch.stack([one.image for one in batch])), batch, strict=True)
            ]
        )


if __name__ == "__main__":
    main()
