"""Batches of what networks compute, as large as memory holds: one that it does not hold is halved and tried again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from marigold.accel.runtime import Runtime, memory_is_full
from marigold.compat.base import WorkingSize
from marigold.core.errors import DeviceMemoryError
from marigold.predict.estimate import most_at_once

Result = TypeVar("Result")


@dataclass
class Batches:
    """Batches of one estimator; `asked` inputs run at once, by the plan when None.

    `setting` is what a person lowers where a single input does not fit. `notes` say what memory did not hold.
    """

    runtime: Runtime
    asked: int | None = None
    setting: str = "resolution"
    notes: list[str] = field(default_factory=list, init=False)

    def run(self, size: WorkingSize, count: int, compute: Callable[[slice], Result]) -> Iterator[tuple[slice, Result]]:
        """`compute` of so many inputs, a batch after the other. Raises `DeviceMemoryError`."""
        start = 0
        while start < count:
            part = slice(start, min(count, start + self._at_once(size, count - start)))
            found = self._attempt(size, part, compute)
            if found is not None:
                yield part, found
                start = part.stop

    def _at_once(self, size: WorkingSize, left: int) -> int:
        """How many of the inputs that are left run as one batch: no more than memory is known to hold."""
        pixels = size.height * size.width
        count = min(left, self.runtime.at_once(pixels, self.asked))
        room = most_at_once(self.runtime, size) if count > 1 else None
        if room is None or room >= count:
            return count
        self.runtime.hold_at_most(room * pixels)
        return room

    def _attempt(self, size: WorkingSize, part: slice, compute: Callable[[slice], Result]) -> Result | None:
        """What `compute` gives; None where memory was full, and from now on half of it is to be taken.

        Batches hold half of the inputs; of a single one the autoencoder has half of the activations at once.
        """
        try:
            return compute(part)
        except (RuntimeError, MemoryError) as error:
            if not memory_is_full(error):
                raise
            device, count = self.runtime.plan.device, part.stop - part.start
            if count == 1 and not self.runtime.take_less(size.height, size.width):
                raise DeviceMemoryError(
                    f"{self.setting}: {size.width} x {size.height} pixels do not fit into {device}; choose less"
                ) from error
        if count == 1:
            self.notes.append(f"{device} had no memory for the whole image; encoded and decoded in stripes")
        else:
            self.runtime.hold_at_most(count // 2 * size.height * size.width)
            self.notes.append(f"{device} had no memory for a batch of {count}; took {count // 2}")
        return None
