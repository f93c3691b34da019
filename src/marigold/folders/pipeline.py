"""Reading, computing and writing at the same time, in order, with few photos in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")
Computed = TypeVar("Computed")

READ_AHEAD = 2
"""Items that may have been read and wait to be computed."""
WRITE_BEHIND = 1
"""Items that may have been computed and are still to be written."""


def run_overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Computed], object],
) -> None:
    """`write(compute(read(item)))` for every item, in order: one thread reads, this one computes, one writes.

    What any of the three raises is raised here, and nothing further is started then; what has been computed is still
    written before that, so that an interrupted run leaves nothing half done.
    """
    reader, writer = ThreadPoolExecutor(1, "reader"), ThreadPoolExecutor(1, "writer")
    try:
        writing: deque[Future[object]] = deque()
        for ready in _read_ahead(reader, read, items):
            writing.append(writer.submit(write, compute(ready)))
            _wait(writing, WRITE_BEHIND)
        _wait(writing, 0)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
        writer.shutdown()
        reader.shutdown()


def run_serially(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    compute: Callable[[Read], Computed],
    write: Callable[[Computed], object],
) -> None:
    """The same without threads, one item after the other."""
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


def _wait(writing: deque[Future[object]], most: int) -> None:
    """Until no more than this many are unfinished; raises what a finished one raised."""
    while writing and (len(writing) > most or writing[0].done()):
        writing.popleft().result()
