"""How much of depth's error is the alignment's: AbsRel on held-out scenes after different fits of scale and shift.

python bench/alignment.py [CHECKPOINT] [--scenes N]      writes bench/results/alignment.md

`target range` compares with the truth between the ends that the target image spans, as training does; `best for AbsRel`
fits scale and shift to the sum of relative errors itself, by reweighted least squares. The tables of this project use
the least squares in depth.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from marigold.evaluate.runner import function
from marigold.measure.alignment import align, least_squares
from marigold.modalities.depth import usable
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "alignment.md"
ROUNDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="depth")
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    predictor, scenes = load(options.checkpoint, device="cpu", precision="fp32"), Procedural()
    estimator = predictor.estimator
    request = Request(steps=1, ensemble=1, tta="none")
    predict = function(predictor, request.settings(estimator.card.defaults))
    keys = list(scenes.scan(Path(), "test")[: options.scenes])
    errors = []
    for first in range(0, len(keys), 2):
        sample = scenes.read_many(Path(), keys[first : first + 2], "cpu")
        shown = zip(predict(sample.image)[:, 0], sample.maps["depth"][:, 0], usable(sample)[:, 0], strict=True)
        errors += [fits(*one, ends=(estimator.modality.low, estimator.modality.high)) for one in shown]
        print(f"{len(errors)} of {len(keys)}", end="\r", flush=True)
    means = {name: sum(each[name] for each in errors) / len(errors) for name in errors[0]}
    lines = [
        f"`{estimator.card.name}` {estimator.card.revision}, {len(keys)} held-out scenes",
        "",
        "| scale and shift | AbsRel |",
        "|---|---:|",
        *(f"| {name} | {mean:.4f} |" for name, mean in means.items()),
    ]
    options.result.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def fits(found: Tensor, truth: Tensor, valid: Tensor, ends: tuple[float, float]) -> dict[str, float]:
    """AbsRel of one map after every kind of fit; `ends` are the quantiles that the target image spans."""
    low, high = torch.quantile(truth[valid], truth.new_tensor(ends))
    clipped = truth.clamp(low, high)
    return {
        "least squares in depth": relative(align(found, truth, valid), truth, valid),
        "least squares in depth, target range": relative(align(found, clipped, valid), clipped, valid),
        "best for AbsRel": relative(for_abs_rel(found[valid], truth[valid]), truth[valid], valid[valid]),
    }


def relative(aligned: Tensor, truth: Tensor, valid: Tensor) -> float:
    return float(((aligned - truth).abs() / truth)[valid].mean())


def for_abs_rel(found: Tensor, truth: Tensor) -> Tensor:
    """The values [N] with the scale and shift of the least sum of |aligned - truth| / truth."""
    x, y = found.double(), truth.double()
    scale, shift = least_squares(x[None], y[None], torch.ones_like(x[None], dtype=torch.bool))
    columns = torch.stack([x, torch.ones_like(x)], dim=1) / y[:, None]
    aligned = scale * x + shift
    for _ in range(ROUNDS):
        weight = 1 / ((aligned - y).abs() / y).clamp(min=1e-3)
        left, right = columns.T @ (columns * weight[:, None]), columns.T @ weight
        scale, shift = torch.linalg.solve(left, right)
        aligned = scale * x + shift
    return aligned


if __name__ == "__main__":
    main()
