"""Recipes that lie in a run or a checkpoint: data of whoever made that, which does not choose code."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from marigold.backbones.base import Backbone
from marigold.core.config import NAME
from marigold.core.errors import ConfigError
from marigold.core.find import may_name, not_trusted
from marigold.datasets.base import Dataset
from marigold.modalities.base import Modality
from marigold.objectives.base import Objective

_FAMILIES = {"modality": Modality, "objective": Objective, "dataset": Dataset, "network": Backbone}
"""The keys of a recipe that choose a class."""
_CHECKPOINT, _RUN = ("model_index.json", "card.json"), ("run.json", "state.safetensors")
"""What lies beside a recipe that a program has written."""


def check_code(content: Any, file: Path, trusted: Collection[str] | None) -> None:
    """Raises `ConfigError` for a stored recipe that names a module of another package, unless that is trusted.

    With None nothing is trusted in a checkpoint, and the caller vouches for runs.
    """
    beside = _CHECKPOINT if trusted is None else (*_CHECKPOINT, *_RUN)
    if not any(os.path.lexists(file.parent / name) for name in beside):
        return
    for base, name in _chosen(content):
        if not may_name(base, name, trusted or ()):
            raise ConfigError(f"{file}: lies in a run or a checkpoint and {not_trusted(base, name)}")


def _chosen(content: Any) -> Iterator[tuple[type, str]]:
    """The families and names of all classes that a recipe chooses."""
    if isinstance(content, list):
        for item in content:
            yield from _chosen(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            name = value.get(NAME) if isinstance(value, dict) else value
            if key in _FAMILIES and isinstance(name, str):
                yield _FAMILIES[key], name
            yield from _chosen(value)
