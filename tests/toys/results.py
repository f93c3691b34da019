"""Summaries of evaluations in the form of `summary.json`."""

from typing import Any

METRICS = {
    "abs_rel": {"unit": "", "higher_is_better": False},
    "rmse": {"unit": "m", "higher_is_better": False},
    "delta1": {"unit": "", "higher_is_better": True},
}


def scored(mean: float | None, half: float | None = None) -> dict[str, float | None]:
    """A mean with an interval of this half width; none where it has none."""
    if mean is None or half is None:
        return {"mean": mean, "low": None, "high": None}
    return {"mean": mean, "low": mean - half, "high": mean + half}


def one_set(name: str = "NYUv2", **changes: Any) -> dict[str, Any]:
    """A set scored under Marigold's protocol; `changes` replace keys, those of `protocol` one by one."""
    protocol = {
        "space": "depth",
        "fit": "least-squares",
        "longest": 0,
        "nearest": 0.001,
        "farthest": 10.0,
        "pooling": "image",
        "mask": "Eigen crop",
        "words": "least squares scale and shift in depth, clipped to 0.001 .. 10 m",
    }
    content: dict[str, Any] = {
        "set": name,
        "dataset": "nyuv2",
        "split": "test",
        "settings": {},
        "count": 654,
        "published_count": 654,
        "holes": [],
        "protocol": protocol | changes.pop("protocol", {}),
        "prediction": {"steps": 1, "ensemble": 10, "resolution": 0, "seed": 1234},
        "metrics": METRICS,
        "scores": {
            "ours": {"abs_rel": scored(0.0552, 0.0025), "rmse": scored(0.25, 0.125), "delta1": scored(0.964, 0.008)},
            "representation ceiling": {"abs_rel": scored(0.001, 0.0001), "rmse": scored(0.01), "delta1": scored(1.0)},
            "constant": {"abs_rel": scored(0.4, 0.1), "rmse": scored(None), "delta1": scored(0.26)},
        },
        "seconds": {"read": 1.5, "predict": 20.25, "score": 0.5},
    }
    return content | changes


def summary(*sets: dict[str, Any], modality: str = "depth", model: str = "ours") -> dict[str, Any]:
    """A result of these sets; by default of one."""
    about = {"name": model, "kind": "checkpoint", "revision": "34f90bd2", "licence": "Apache-2.0", "modality": modality}
    return {
        "format": 1,
        "suite": "depth",
        "model": about,
        "versions": {"marigold": "0.1.0", "torch": "2.8.0", "python": "3.11.7", "device": "cpu"},
        "created": "2026-01-02T03:04:05Z",
        "seconds": 22.25,
        "sets": list(sets) or [one_set()],
    }
