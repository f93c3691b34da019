"""What is stated of a prediction: the checkpoint, every setting, sizes, seconds of each stage and notes."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from marigold.accel.precision import precision_name
from marigold.accel.runtime import Runtime
from marigold.compat.base import WorkingSize
from marigold.core.distribution import VERSION
from marigold.core.find import name_of
from marigold.predict.infer import Inference
from marigold.predict.settings import Settings


def report(
    runtime: Runtime,
    photo: Tensor,
    settings: Settings,
    found: Inference,
    seconds: Mapping[str, float],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The content of a photo's JSON file, but for what stands for its files; `photo` is [3, H, W]."""
    card, size = runtime.estimator.card, found.working_size
    return {
        "modality": name_of(runtime.estimator.modality),
        "checkpoint": {"name": card.name, "revision": card.revision, "licence": card.licence},
        "settings": {
            **settings.stated(),
            "precision": precision_name(found.dtype),
            "device": str(runtime.plan.device),
        },
        "plan": {"batch": found.batch, **runtime.stated_at(size.height, size.width)},
        "photo_size": {"height": photo.shape[-2], "width": photo.shape[-1]},
        "working_size": _sides(size),
        **_of_refinement(found),
        "seconds": {stage: round(taken, 4) for stage, taken in seconds.items()},
        "notes": list(notes),
        "marigold": VERSION,
    }


def _of_refinement(found: Inference) -> dict[str, Any]:
    """Of a refined map how it was refined; nothing of others."""
    if found.refined is None:
        return {}
    refined = found.refined
    return {
        "refinement": {
            "global_size": _sides(refined.global_size),
            "tiles": refined.tiles,
            "change": round(refined.change, 6),
        }
    }


def _sides(size: WorkingSize) -> dict[str, int]:
    return {"height": size.height, "width": size.width}
