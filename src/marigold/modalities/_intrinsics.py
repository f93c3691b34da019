"""What the two kinds of intrinsic images share in published checkpoints: a pipeline class and how it lists targets."""

from collections.abc import Collection, Mapping
from typing import Any

GAMMA = 2.2
"""Of a display, with which the published code encodes and compares: light to the power of 1 / 2.2."""
PIPELINES = ("MarigoldIntrinsicsPipeline", "MarigoldIIDPipeline")


def lists(index: Mapping[str, Any], targets: tuple[str, ...], words: Collection[str], word: str) -> int:
    """1 for a pipeline of `PIPELINES` that lists these targets or, where it lists none, has the word in its name."""
    listed = (index.get("target_properties") or {}).get("target_names")
    return int(index.get("_class_name") in PIPELINES and (tuple(listed) == targets if listed else word in words))
