"""Which photos the networks take together: those of one working size, as many as run as one batch."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import Tensor

from marigold.accel.runtime import Runtime
from marigold.predict.infer import working_sizes
from marigold.predict.settings import Settings, check_number

MOST_AT_ONCE = 1024
"""Inputs that a batch may be asked to hold."""
MOST_RESULTS = 1 << 30
"""Bytes of maps at the size of their photos that a batch makes, but for a single photo."""


@dataclass(frozen=True)
class Group:
    """What a photo can run with: photos of the same key, and no more than `most` of them, itself counted."""

    key: Hashable
    most: int


def checked(batch: object) -> int | None:
    """A number of inputs that the networks are to take at once; None leaves it to the plan. Raises `ConfigError`."""
    return None if batch is None else check_number("batch", batch, (1, MOST_AT_ONCE))


def group_of(runtime: Runtime, settings: Settings, photo: Tensor, batch: int | None = None) -> Group:
    """The group of a photo [3, H, W] whose members fill a batch; `batch` inputs are asked for, by the plan when None.

    Raises `ConfigError` and `DeviceMemoryError` for a photo without a working size.
    """
    sizes = working_sizes(runtime, settings, photo)
    pixels = max(size.height * size.width for size in sizes)
    most = runtime.at_once(pixels, batch) // settings.ensemble
    if settings.match_input:
        result = sum(runtime.estimator.modality.channels) * photo.shape[-2] * photo.shape[-1] * 4
        most = min(most, MOST_RESULTS // result)
    return Group(sizes, max(1, most))


def joint(groups: Sequence[Group]) -> Group:
    """The group of one photo for several networks: photos that are together for all of them."""
    return Group(tuple(one.key for one in groups), min(one.most for one in groups))


def parts(groups: Sequence[Group]) -> list[list[int]]:
    """The numbers of photos that run together, from the groups of all; each part begins with the first that is left."""
    found: dict[Hashable, list[list[int]]] = {}
    for number, group in enumerate(groups):
        same = found.setdefault(group.key, [[]])
        if len(same[-1]) >= group.most:
            same.append([])
        same[-1].append(number)
    return sorted(part for same in found.values() for part in same)
