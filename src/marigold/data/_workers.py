"""The same work on many items, in several processes that end with the one that started them."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from typing import TypeVar

import torch

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.device import require_room
from marigold.core.errors import DataError, MarigoldError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 256
_PROCESS = 400 << 20
"""Bytes that a process takes before it works on anything."""
_stops: list[Event] = []
"""In a process that works for another: the one event by which that one tells it to stop."""


def check(workers: int) -> None:
    """Raises `ConfigError` for a number of processes that cannot be used."""
    require(1 <= workers <= MOST, "--workers", workers, f"1 to {MOST}")
    require_room((workers - 1) * _PROCESS, "cpu", f"--workers {workers}", "use fewer")


def usual() -> int:
    """As many processes as the machine has processor cores."""
    return min(MOST, os.cpu_count() or 1)


def results(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Generator[Result]:
    """What `work` gives for every item, as it comes; with one worker here, and in order.

    Raises what the work raises, and `DataError` where a process dies or the work cannot be sent to one; before that
    the others are told to stop, and waited for.
    """
    if workers == 1 or len(items) < 2:
        yield from map(work, items)
        return
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(min(workers, len(items)), context, _begin, (stop,))
    try:
        for done in as_completed([pool.submit(work, item) for item in items]):
            yield done.result()
    except MarigoldError:
        raise
    except BrokenProcessPool as error:
        words = "perhaps for want of memory; give the same command again, with fewer --workers"
        raise DataError(f"a process that works was ended from outside, {words}") from error
    except Exception as error:  # of what cannot be sent to another process, or back
        words = printable(" ".join(f"{type(error).__name__}: {error}".split())[:300])
        raise DataError(f"the work cannot be done in another process ({words}); use --workers 1") from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def go_on() -> None:
    """To be called between two parts of the work; ends it where the process that asked for it has stopped."""
    if any(stop.is_set() for stop in _stops):
        raise DataError("the work was stopped; give the same command again")


def _begin(stop: Event) -> None:
    """What a process does first."""
    _stops.append(stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it tells it
    end_with_parent()
    torch.set_num_threads(1)


def end_with_parent() -> None:
    """Makes this process end once the one that started it has died, by whatever means."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
