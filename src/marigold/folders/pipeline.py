"""Reading, computing and writing at the same time, in order, with few photos in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from marigold.folders.held import Held
from marigold.folders.writing import Writing
from marigold.predict.grouping import Group

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")
Compute = Callable[[Sequence[Read]], Sequence[Computed]]

READ_AHEAD = 2
"""Items that may have been read and wait to be computed, where one is computed at a time."""
MOST_HELD = 1 << 30
"""Bytes from which on nothing further is read before something has been written: a very large photo is alone."""
ALONE = Group(None, 1)
"""The group of an item that is computed by itself."""


@dataclass(frozen=True)
class Threads:
    """How many items are read and written at the same time, and how many wait in between."""

    readers: int = 1
    writers: int = 1
    """As many items may have been computed and wait to be written."""
    ahead: int = READ_AHEAD
    """Items that may have been read and wait to be computed."""
    most_held: int | None = None
    """Bytes from which on nothing further is read; `MOST_HELD` when None."""


@dataclass(eq=False)
class _Entry(Generic[Read]):
    """An item that has been read: its number, what was read, and the bytes that it counts as."""

    number: int
    ready: Read
    weight: int


def run_overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: "Sequence[Compute[Read, Computed]]",
    write: Callable[[Computed], object],
    weigh: Callable[[Read], int] = lambda read: 0,
    *,
    group: Callable[[Read], Group] = lambda read: ALONE,
    finish: Callable[[Computed], object] = lambda computed: None,
    threads: Threads = Threads(),
) -> None:
    """Every item is read, computed and written, each stage in threads of its own, and at last finished, in order.

    `compute` are functions that each compute some items of one `group` together, as many as it says, from those that
    have been read. One is called in this thread, several in a thread each, by who is free. `weigh` says how many bytes
    an item has that was just read; it counts as having them until it is written. About `MOST_HELD` are in memory, and
    one item more for each reader. What any function raises is raised here, and nothing further is started then; what
    has been computed is still written before that, so that an interrupted run leaves nothing half done.
    """
    held = Held(MOST_HELD if threads.most_held is None else threads.most_held)
    reader, writing = ThreadPoolExecutor(threads.readers, "reader"), Writing(write, finish, held, threads.writers)

    def weighed(number: int, item: Item) -> _Entry[Read]:
        if not held.let_in(number):
            raise CancelledError
        weight = 0
        try:
            ready = read(item)
            weight = weigh(ready)
            return _Entry(number, ready, weight)
        finally:
            held.has_read(weight)

    def computed(lane: "Compute[Read, Computed]", batch: list[_Entry[Read]]) -> None:
        with held.stopped_by_errors():
            for entry, one in zip(batch, lane([entry.ready for entry in batch]), strict=True):
                writing.add(entry.number, one, entry.weight)
            batch.clear()

    submitted = (reader.submit(weighed, number, item) for number, item in enumerate(items))
    lanes = _Lanes(compute, computed)
    try:
        for batch in _Ahead(submitted, group, threads.ahead, held).batches():
            lanes.run(batch)
            writing.wait(threads.writers)
        lanes.wait()
        writing.wait(0)
    except CancelledError:  # of reading, which something stopped that has failed in another thread
        lanes.wait()
        writing.wait(0)
        raise
    finally:
        held.stop()
        reader.shutdown(wait=False, cancel_futures=True)
        lanes.close()
        writing.close()
        reader.shutdown()


def run_serially(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: "Compute[Read, Computed]",
    write: Callable[[Computed], object],
    finish: Callable[[Computed], object] = lambda computed: None,
) -> None:
    """The same without threads, one item after the other."""
    for item in items:
        (computed,) = compute([read(item)])
        write(computed)
        finish(computed)


class _Ahead(Generic[Read]):
    """Items that are being read, in order, and which of them are computed together."""

    def __init__(
        self, submitted: "Iterator[Future[_Entry[Read]]]", group: Callable[[Read], Group], ahead: int, held: Held
    ) -> None:
        self._submitted, self._group, self._ahead, self._held = submitted, group, ahead, held
        self._waiting: deque[Future[_Entry[Read]]] = deque()

    def batches(self) -> Iterator[list[_Entry[Read]]]:
        """Lists of items, each with the first that is left; while they are computed, those after them are read."""
        self._fill(self._ahead + 1)
        while self._waiting:
            batch = self._batch()
            self._fill(self._ahead)
            yield batch
            self._fill(self._ahead + 1)

    def _fill(self, count: int) -> None:
        while len(self._waiting) < count and (one := next(self._submitted, None)) is not None:
            self._waiting.append(one)

    def _batch(self) -> list[_Entry[Read]]:
        """The first item and others of its group; waits for those to be read, unless memory has no room for them."""
        batch = [self._waiting.popleft().result()]
        group, left = self._group(batch[0].ready), deque[Future[_Entry[Read]]]()
        while self._waiting and len(batch) < group.most:
            if not self._held.comes(self._waiting[0]) or self._waiting[0].exception() is not None:
                break  # what it raised is raised when it is the first
            one = self._waiting.popleft()
            if self._group(one.result().ready).key == group.key:
                batch.append(one.result())
            else:
                left.append(one)
        self._waiting.extendleft(reversed(left))
        return batch


class _Lanes(Generic[Read, Computed]):
    """The functions that compute: one in this thread, several in a thread each."""

    def __init__(
        self,
        lanes: "Sequence[Compute[Read, Computed]]",
        run: "Callable[[Compute[Read, Computed], list[_Entry[Read]]], None]",
    ) -> None:
        self._lanes, self._run = lanes, run
        self._threads = ThreadPoolExecutor(len(lanes), "device")
        self._free: SimpleQueue[Compute[Read, Computed]] = SimpleQueue()
        for lane in lanes:
            self._free.put(lane)
        self._running: list[Future[None]] = []

    def run(self, batch: list[_Entry[Read]]) -> None:
        """Computes a batch now where there is one lane, or gives it to the first of several that is free."""
        if len(self._lanes) == 1:
            self._run(self._lanes[0], batch)
            return
        lane = self._free.get()
        finished = [one for one in self._running if one.done()]
        self._running = [one for one in self._running if one not in finished]
        for one in finished:
            one.result()
        self._running.append(self._threads.submit(self._in_thread, lane, batch))

    def wait(self) -> None:
        """Until all are done; raises what one raised."""
        for one in self._running:
            one.result()

    def close(self) -> None:
        """Until all are done."""
        self._threads.shutdown()

    def _in_thread(self, lane: "Compute[Read, Computed]", batch: list[_Entry[Read]]) -> None:
        try:
            self._run(lane, batch)
        finally:
            self._free.put(lane)
