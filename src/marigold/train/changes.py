"""With what another recipe a run may go on, and the error for what it may not, with both values."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from marigold.accel.training import TrainPlan
from marigold.core.console import printable
from marigold.core.errors import ConfigError
from marigold.core.plain import shown

BITS = "optimizer_bits"
"""What of the plan a run keeps: its moments are numbers of so many bits."""
SCORING = ("scored", "validation", "validation_batches")
"""Keys that say on what a run is scored."""
_PLAN = tuple(f"plan.{one.name}" for one in fields(TrainPlan) if one.name != BITS)
LATER = ("steps", "every", "nonfinite", *SCORING, *_PLAN)
"""Keys that a run may be continued with another value of: no step that was made depends on them, but for rounding."""
REMEDIES = ("optim.lr", "optim.warmup", "optim.clip")
"""Keys that may also be changed once a run has stopped because its loss or its weights were no numbers."""
_ROOT = re.compile(r"(data|validation)\.\d+\.root")
SHOWN = 5
"""Differing keys that a message lists."""
LONGEST = 60
"""Characters of such a key."""


class Difference(NamedTuple):
    """A value that is another one than before; None stands for one that is not there."""

    key: str
    before: Any
    now: Any


def refuse(folder: Path, before: dict[str, Any], now: dict[str, Any], free: tuple[str, ...]) -> None:
    """Raises `ConfigError` where a folder's run was asked for with another recipe, but for keys that are `free`."""
    if found := differing(before, now, free):
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        named = printable(", ".join(map(in_words, found[:SHOWN])))
        raise ConfigError(
            f"{folder}: holds a run whose recipe differs from this one in {named}{more}; "
            f"compare {folder / 'recipe.yaml'}, then give --run another folder or delete this one"
        )


def differing(before: Any, now: Any, free: tuple[str, ...] = ()) -> list[Difference]:
    """The values that differ, by their paths, but for those that are `free` to, or whose first part is."""
    found = _differing(before, now, "")
    return [one for one in found if one.key not in free and one.key.partition(".")[0] not in free]


def roots(found: list[Difference]) -> list[Difference]:
    """Those that are the folder of a source, which may be moved."""
    return [one for one in found if _ROOT.fullmatch(one.key)]


def _differing(before: Any, now: Any, path: str) -> list[Difference]:
    if isinstance(before, list) and isinstance(now, list):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [Difference(path, before, now)]
    inner = [_differing(before.get(key), now.get(key), f"{path}.{key}".lstrip(".")) for key in {**before, **now}]
    return [one for found in inner for one in found]


def in_words(difference: Difference) -> str:
    """A key with the value that the run has and the one that was asked for."""
    before, now = ("left out" if value is None else shown(value) for value in difference[1:])
    return f"{difference.key[:LONGEST]} ({before} there, {now} now)"
