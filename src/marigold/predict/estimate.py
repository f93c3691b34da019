"""What a prediction takes of the computer's memory, so that one that does not fit is refused before it is begun."""

from collections.abc import Sequence

from marigold.accel.runtime import Runtime
from marigold.compat.base import WorkingSize
from marigold.core.device import free_bytes
from marigold.core.errors import DeviceMemoryError
from marigold.core.memory import require_memory
from marigold.predict.settings import Settings

_FLOAT = 4
"""Bytes of a float32."""
_ALIGNED, _MERGED = 3, 1
"""Arrays of the members' size that merging makes at least, where members are aligned first and where they are not."""


_SPARE = 1.5
"""What a network takes at its peak, as a multiple of what its largest layer takes."""


def most_at_once(runtime: Runtime, size: WorkingSize) -> int | None:
    """How many inputs of a working size free memory holds beside the weights, one at least; None: not known."""
    free = free_bytes(runtime.plan.device)
    needed = _SPARE * runtime.estimator.backbone.working_bytes(size.height, size.width)
    return None if free is None else max(1, int(free / needed))


def check_memory(
    runtime: Runtime, settings: Settings, sizes: Sequence[WorkingSize], members: int, photo: tuple[int, int]
) -> None:
    """Raises `DeviceMemoryError` for a prediction that surely does not fit into the computer's memory.

    `sizes` are the working sizes that `members` take turns at, `photo` the photo's height and width. On a GPU, which
    says itself when it is full, what it computes is left out.
    """
    needed = least_bytes(runtime, settings, sizes, members, photo)
    size = max(sizes, key=lambda size: size.height * size.width)
    require_memory(
        needed,
        f"resolution: working at {size.width} x {size.height} pixels for a photo of {photo[1]} x {photo[0]}, with an "
        f"ensemble of {members},",
        DeviceMemoryError,
        "choose a lower resolution or a smaller ensemble",
    )


def least_bytes(
    runtime: Runtime, settings: Settings, sizes: Sequence[WorkingSize], members: int, photo: tuple[int, int]
) -> int:
    """Bytes that the prediction takes at its peak, at least.

    Members run one at a time; their values are kept, joined in one array, and merged. The networks' share is that of
    the largest size. The result is made at the photo's size, and turned around for the arrays.
    """
    estimator, on_cpu = runtime.estimator, runtime.plan.device.type == "cpu"
    channels = sum(estimator.modality.channels)
    pixels = max(size.height * size.width for size in sizes)
    values = members * channels * pixels * _FLOAT
    network = max(estimator.backbone.working_bytes(size.height, size.width) for size in sizes)
    open_ = estimator.modality.ambiguity
    merging = 0 if members == 1 else _ALIGNED if open_.scale or open_.shift else _MERGED
    result = channels * photo[0] * photo[1] * _FLOAT if settings.match_input else 0
    return max(values + max(network, (1 + merging) * values) if on_cpu else 0, 2 * result)
