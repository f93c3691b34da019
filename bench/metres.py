"""Depth in metres from few known distances: an affine fit, guided completion and plain interpolation, in AbsRel.

python bench/metres.py [--checkpoint NAME] [--scenes N] [--size PIXELS] [--device cpu]
writes bench/results/metres.md

Held-out rendered scenes with exact depth. The points are pixels drawn evenly; of half of the photo alone, where its
left half has none; or all over it, a fifth of them wrong by a factor between 1.5 and 4. Interpolation is linear over
the points' triangles, by the nearest point outside them (SciPy).
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from scipy.interpolate import griddata

from marigold import checkpoint
from marigold.accel.plan import apply, make_plan
from marigold.core.sample import Sample, unstack
from marigold.metric.completion import Completion
from marigold.metric.measured import measured
from marigold.metric.points import Points
from marigold.modalities.depth import usable
from marigold.predict.predictor import Predictor, load
from marigold_scenes.procedural import Procedural

RESULT = Path(__file__).parent / "results" / "metres.md"
CASES = (("all over", 20), ("all over", 100), ("all over", 500), ("right half", 100), ("a fifth wrong", 100))
WAYS = ("interpolation", "affine fit", "guided completion")


def main(name: str, scenes: int, size: int, device: str) -> None:
    predictor = load(name, device=device)
    plan = predictor.plan
    completion = Completion(lambda _: apply(checkpoint.open(name, dtype=plan.dtype), make_plan(device)))
    source = Procedural(size, size)
    keys = list(source.scan(Path(), "test")[:scenes])
    samples = unstack(source.read_many(Path(), keys, "cpu"), keys)
    lines = [
        f"Median AbsRel of all pixels over {scenes} held-out scenes of {size} pixels; checkpoint "
        f"`{predictor.estimator.card.name}` {predictor.estimator.card.revision}, {plan.device.type}, "
        "worked at that size, no ensemble. "
        "Better: in how many scenes the completion is closer than the affine fit.",
        "",
        f"| points | number | {' | '.join(WAYS)} | better | seconds a photo: predicted, completed |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for where, count in CASES:
        rows = [_scores(predictor, completion, sample, where, count, seed) for seed, sample in enumerate(samples)]
        cells = " | ".join(f"{statistics.median(row[way] for row in rows):.4f}" for way in WAYS)
        better = sum(row[WAYS[2]] < row[WAYS[1]] for row in rows)
        seconds = ", ".join(f"{statistics.median(row[kind] for row in rows):.2f}" for kind in ("predict", "complete"))
        lines.append(f"| {where} | {count} | {cells} | {better} of {scenes} | {seconds} |")
        print(lines[-1], flush=True)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _scores(
    predictor: Predictor, completion: Completion, sample: Sample, where: str, count: int, seed: int
) -> dict[str, float]:
    truth, valid = sample.maps["depth"][0].double().numpy(), usable(sample)[0].numpy()
    points = drawn(truth, valid, where, count, seed)
    start = time.perf_counter()
    prediction = predictor.predict(sample.image, ensemble=1, resolution=sample.image.shape[-1])
    predicted = time.perf_counter() - start
    start = time.perf_counter()
    guided = completion.completed(prediction, points)
    completed = time.perf_counter() - start
    maps = (interpolated(points, truth.shape), measured(prediction, points).maps["depth"], guided.maps["depth"])
    errors = {way: abs_rel(map_, truth, valid) for way, map_ in zip(WAYS, maps, strict=True)}
    return {**errors, "predict": predicted, "complete": completed}


def drawn(truth: np.ndarray, valid: np.ndarray, where: str, count: int, seed: int) -> Points:
    """Points of a scene's depth [H, W], as a case says."""
    rng = np.random.default_rng(seed)
    allowed = valid.copy()
    if where == "right half":
        allowed[:, : truth.shape[1] // 2] = False
    rows, columns = _some(allowed, count, rng)
    depth = truth[rows, columns].copy()
    if where == "a fifth wrong":
        wrong = rng.permutation(count)[: count // 5]
        depth[wrong] *= rng.uniform(1.5, 4, len(wrong))
    return Points(columns + 0.5, rows + 0.5, depth, where)


def _some(allowed: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(allowed)
    chosen = rng.permutation(len(rows))[:count]
    return rows[chosen], columns[chosen]


def interpolated(points: Points, size: tuple[int, ...]) -> np.ndarray:
    """Depth [H, W] from the points alone."""
    places = np.stack([points.y, points.x], axis=-1)
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    linear = griddata(places, points.depth, (rows, columns), method="linear")
    return np.where(np.isnan(linear), griddata(places, points.depth, (rows, columns), method="nearest"), linear)


def abs_rel(metres: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> float:
    """The mean of |metres - truth| / truth; nothing is aligned."""
    return float((np.abs(metres - truth)[valid] / truth[valid]).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="depth")
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--size", type=int, default=288)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    main(arguments.checkpoint, arguments.scenes, arguments.size, arguments.device)
