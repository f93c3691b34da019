"""Computed items on their way to the disk: several are written at a time, and their ends are told in order."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Generic, TypeVar

from marigold.folders.held import Held

Computed = TypeVar("Computed")


class Writing(Generic[Computed]):
    """`write` in `threads` threads for items in any order; `finish` for each when those before it are finished."""

    def __init__(
        self,
        write: Callable[[Computed], object],
        finish: Callable[[Computed], object],
        held: Held,
        threads: int,
    ) -> None:
        self._write, self._held = write, held
        self._threads = ThreadPoolExecutor(threads, "writer")
        self._ends = _InOrder(finish)
        self._lock = Lock()
        self._unfinished: list[Future[None]] = []

    def add(self, number: int, computed: Computed, weight: int) -> None:
        """Takes item `number`, counted from 0, which lets go of `weight` bytes when it is written."""
        with self._lock:
            self._unfinished.append(self._threads.submit(self._written, number, computed, weight))

    def wait(self, most: int) -> None:
        """Until no more than this many are unfinished; raises what the first of those that failed raised."""
        while True:
            with self._lock:
                done = [one for one in self._unfinished if one.done()]
                left = self._unfinished = [one for one in self._unfinished if one not in done]
            for one in done:
                one.result()
            if len(left) <= most:
                return
            wait(left, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Writes what is left; what has been written behind an item that was not is finished now."""
        self._threads.shutdown()
        self._ends.close()

    def _written(self, number: int, computed: Computed, weight: int) -> None:
        with self._held.stopped_by_errors():
            self._write(computed)
            self._held.let_go(weight)
            self._ends.add(number, computed)


class _InOrder(Generic[Computed]):
    """Calls `finish` in the order of numbers from 0, in whatever order they come; no more once it has failed."""

    def __init__(self, finish: Callable[[Computed], object]) -> None:
        self._finish = finish
        self._lock = Lock()
        self._ready: dict[int, Computed] = {}
        self._next = 0
        self._failed = False

    def add(self, number: int, item: Computed) -> None:
        with self._lock:
            self._ready[number] = item
            while self._next in self._ready:
                self._tell(self._next)
                self._next += 1

    def close(self) -> None:
        with self._lock:
            for number in sorted(self._ready):
                self._tell(number)

    def _tell(self, number: int) -> None:
        item = self._ready.pop(number)
        if self._failed:
            return
        self._failed = True
        self._finish(item)
        self._failed = False
