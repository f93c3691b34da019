"""What a prediction takes of memory, the computer's and a GPU's, so that one that does not fit is refused ahead."""

from collections.abc import Sequence

from marigold.accel.runtime import Runtime
from marigold.compat.base import WorkingSize
from marigold.core.device import free_bytes
from marigold.core.errors import DeviceMemoryError
from marigold.core.memory import require_memory, require_of
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
    """Raises `DeviceMemoryError` for a prediction that surely does not fit into the computer's memory, or a GPU's.

    `sizes` are the working sizes that `members` take turns at, `photo` the photo's height and width.
    """
    size = max(sizes, key=lambda size: size.height * size.width)
    what = (
        f"resolution: working at {size.width} x {size.height} pixels for a photo of {photo[1]} x {photo[0]}, with an "
        f"ensemble of {members}"
    )
    _require(runtime, settings, sizes, members, photo, what, "choose a lower resolution or a smaller ensemble")


def check_refined_memory(
    runtime: Runtime, settings: Settings, size: WorkingSize, members: int, photo: tuple[int, int]
) -> None:
    """As `check_memory`, for maps that are refined at a size, by the estimator that encodes and decodes there."""
    what = (
        f"upscale: refining at {size.width} x {size.height} pixels for a photo of {photo[1]} x {photo[0]}, with an "
        f"ensemble of {members}"
    )
    _require(runtime, settings, [size], members, photo, what, "choose a smaller upscale or refiner_ensemble")


def _require(
    runtime: Runtime,
    settings: Settings,
    sizes: Sequence[WorkingSize],
    members: int,
    photo: tuple[int, int],
    what: str,
    remedy: str,
) -> None:
    """Raises `DeviceMemoryError` for what does not fit into the computer's memory, or a GPU's."""
    device = runtime.plan.device
    require_memory(least_bytes(runtime, settings, sizes, members, photo), f"{what},", DeviceMemoryError, remedy)
    if device.type != "cpu":
        needed = max(networks_bytes(runtime, sizes, members), runtime.turn_bytes())
        require_of(runtime.free_bytes(), needed, f"{what} on {device},", DeviceMemoryError, remedy)


def least_bytes(
    runtime: Runtime, settings: Settings, sizes: Sequence[WorkingSize], members: int, photo: tuple[int, int]
) -> int:
    """Bytes of the computer's memory that the prediction takes at its peak, at least.

    The result is made at the photo's size, and turned around for the arrays. What a device does not hold of
    activations waits there, and on a CPU the networks compute there too.
    """
    channels = sum(runtime.estimator.modality.channels)
    result = channels * photo[0] * photo[1] * _FLOAT if settings.match_input else 0
    on_cpu = runtime.plan.device.type == "cpu"
    waiting = max(runtime.estimator.backbone.waiting_bytes(size.height, size.width) for size in sizes)
    return max(waiting + (networks_bytes(runtime, sizes, members) if on_cpu else 0), 2 * result)


def networks_bytes(runtime: Runtime, sizes: Sequence[WorkingSize], members: int) -> int:
    """Bytes that networks and merging take at their peak, at least, where they run; beside the weights.

    Members run one at a time; their values are kept, joined in one array, and merged. The networks' share is that of
    the largest size.
    """
    estimator = runtime.estimator
    channels = sum(estimator.modality.channels)
    pixels = max(size.height * size.width for size in sizes)
    values = members * channels * pixels * _FLOAT
    network = max(estimator.backbone.working_bytes(size.height, size.width) for size in sizes)
    open_ = estimator.modality.ambiguity
    merging = 0 if members == 1 else _ALIGNED if open_.scale or open_.shift else _MERGED
    return values + max(network, (1 + merging) * values)
