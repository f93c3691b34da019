"""Averages the denoisers of checkpoints that go back to one another: a soup, often better than each of its parts.

    python bench/average.py OUT FOLDER=0.3 FOLDER=0.7 [--scenes N] [--device cuda]

Wortsman et al. 2022. Prints the AbsRel of each part and of their average on validation scenes, which no one was trained
on and by which the shares may be chosen; the scores of `bench/scores.py` come from other scenes. Everything but the
denoiser is that of the last part.
"""

import argparse
from pathlib import Path

import torch

from marigold import checkpoint
from marigold.datasets.procedural import Procedural
from marigold.estimator import Estimator
from marigold.evaluate.runner import evaluate, painter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="+", help="a checkpoint and its share, FOLDER=SHARE; shares add up to 1")
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    pairs = [part.rpartition("=") for part in options.parts]
    shares = [float(share) for _, _, share in pairs]
    if abs(sum(shares) - 1) > 1e-6:
        parser.error(f"the shares add up to {sum(shares):g}; give shares that add up to 1")
    estimators = [checkpoint.open(name, device=options.device) for name, _, _ in pairs]
    for (name, _, _), estimator in zip(pairs, estimators, strict=True):
        print(f"{name}: AbsRel {score(estimator, options):.4f}", flush=True)
    last = estimators[-1]
    every = [estimator.backbone.denoiser.state_dict() for estimator in estimators]
    mixed = {name: sum(share * part[name] for share, part in zip(shares, every, strict=True)) for name in every[0]}
    last.backbone.denoiser.load_state_dict(mixed)
    checkpoint.save(last, options.out)
    print(f"{options.out}: AbsRel {score(last, options):.4f}")


@torch.no_grad()
def score(estimator: Estimator, options: argparse.Namespace) -> float:
    """The mean AbsRel of single steps on the first validation scenes."""
    scenes = Procedural()
    keys = list(scenes.scan(Path(), "val")[: options.scenes])
    paint = painter(estimator, steps=1, resolution=estimator.card.defaults.get("resolution", 0))
    scored = evaluate(paint, estimator.modality, scenes, Path(), keys, batch=10, device=options.device)
    return scored.means()["abs_rel"]


if __name__ == "__main__":
    main()
