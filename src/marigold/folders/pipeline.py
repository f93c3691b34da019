"""Reading, computing and writing at the same time, in order, with few photos in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")

READ_AHEAD = 2
"""Items that may have been read and wait to be computed."""
WRITE_BEHIND = 1
"""Items that may have been computed and are still to be written."""
MOST_HELD = 1 << 30
"""Bytes from which on nothing further is read before something has been written: a very large photo is alone."""


def run_overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Computed], object],
    weigh: Callable[[Read], int] = lambda read: 0,
) -> None:
    """`write(compute(read(item)))` for every item, in order: one thread reads, this one computes, one writes.

    `weigh` says how many bytes an item has that was just read; it counts as having them until it is written. At most
    `MOST_HELD` and one item more are in memory. What any of the three raises is raised here, and nothing further is
    started then; what has been computed is still written before that, so that an interrupted run leaves nothing half
    done.
    """
    reader, writer = ThreadPoolExecutor(1, "reader"), ThreadPoolExecutor(1, "writer")
    held = _Held()

    def weighed(item: Item) -> tuple[Read, int]:
        if not held.has_room():
            raise CancelledError
        ready = read(item)
        return ready, held.add(weigh(ready))

    def written(computed: Computed, weight: int) -> None:
        write(computed)
        held.add(-weight)

    try:
        writing: deque[Future[None]] = deque()
        for ready, weight in _read_ahead(reader, weighed, items):
            writing.append(writer.submit(written, compute(ready), weight))
            del ready
            _wait(writing, WRITE_BEHIND)
        _wait(writing, 0)
    finally:
        held.stop()
        reader.shutdown(wait=False, cancel_futures=True)
        writer.shutdown()
        reader.shutdown()


class _Held:
    """The bytes of all items that are in memory."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._bytes = 0
        self._stopped = False

    def has_room(self) -> bool:
        """Waits until there is room for another item; false when nothing further is to be read."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._bytes < MOST_HELD)
            return not self._stopped

    def add(self, count: int) -> int:
        with self._changed:
            self._bytes += count
            self._changed.notify_all()
        return count

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def run_serially(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Computed], object],
    weigh: Callable[[Read], int] = lambda read: 0,
) -> None:
    """The same without threads, one item after the other, so that nothing needs to be weighed."""
    for item in items:
        write(compute(read(item)))


def _read_ahead(reader: ThreadPoolExecutor, read: Callable[[Item], Read], items: Iterable[Item]) -> Iterator[Read]:
    waiting: deque[Future[Read]] = deque()
    for item in items:
        waiting.append(reader.submit(read, item))
        if len(waiting) > READ_AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _wait(writing: deque[Future[None]], most: int) -> None:
    """Until no more than this many are unfinished; raises what a finished one raised."""
    while writing and (len(writing) > most or writing[0].done()):
        writing.popleft().result()
