"""How much is in memory at a time: items are let in one after the other, while there is room."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Condition
from typing import Any


class Held:
    """The bytes of all items that are in memory, `most` of them and one item more for each that is read at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = Condition()
        self._bytes = self._reading = self._next = self._usual = 0
        self._stopped = False

    def let_in(self, number: int) -> bool:
        """Waits for the turn of item `number`, and for room; false when nothing further is to be read.

        Those that are being read count as much as the last one that was: what they weigh is not known yet.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (self._next == number and self._has_room()))
            if self._stopped:
                return False
            self._next += 1
            self._reading += 1
            self._changed.notify_all()
            return True

    def has_read(self, weight: int) -> None:
        """An item that was let in has so many bytes."""
        with self._changed:
            self._reading -= 1
            self._usual = weight
            self._bytes += weight
            self._changed.notify_all()

    def let_go(self, weight: int) -> None:
        """An item of so many bytes is in memory no longer."""
        with self._changed:
            self._bytes -= weight
            self._changed.notify_all()

    def comes(self, reading: "Future[Any]") -> bool:
        """Waits for an item to be read; false where it has to wait for others to be let go."""
        reading.add_done_callback(lambda _: self.let_go(0))
        with self._changed:
            self._changed.wait_for(lambda: reading.done() or (self._reading == 0 and not self._has_room()))
            return reading.done()

    @contextmanager
    def stopped_by_errors(self) -> Iterator[None]:
        """What fails in the block will let go of nothing: whoever waits for room must learn of it."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Nothing further is let in."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._bytes + self._reading * self._usual < self._most
