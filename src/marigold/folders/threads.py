"""How many photos of a run are read and written at the same time."""

import os

from marigold.core.memory import available_bytes
from marigold.folders.pipeline import MOST_HELD, READ_AHEAD, Threads

WINDOW = 32
"""Photos that may have been read and wait for others of their size."""
MOST_READERS, MOST_WRITERS = 8, 24
_SHARE = 8
"""One of so many parts of the free memory may hold photos, where that is more than `MOST_HELD`."""


def threads_for(batch: int | None, *, on_cpu: bool) -> Threads:
    """Threads for a run whose networks take `batch` inputs at once (None: by the plan), from the number of cores.

    Where the networks run on the processor they need its cores: a quarter of them read, a quarter write. Beside a GPU
    three quarters write, which takes longer: 16-bit PNG and preview of 12 megapixels keep a core busy for most of a
    second, reading for a tenth.
    """
    cores = _cores()
    quarter = max(1, cores // 4)
    readers, writers = min(MOST_READERS, quarter), min(MOST_WRITERS, quarter if on_cpu else max(1, cores * 3 // 4))
    alone = batch == 1 or (batch is None and on_cpu)
    most = max(MOST_HELD, (available_bytes() or 0) // _SHARE)
    return Threads(
        readers, writers, READ_AHEAD + readers - 1 if alone else max(WINDOW, batch or 0), None if on_cpu else most
    )


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
