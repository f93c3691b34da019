"""Locks between processes. An open file holds them, so that a process that has died holds none.

Where the system or the file system knows no such locks (Windows, some network folders), nothing is locked.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import OutputError, reason

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PAUSE = 0.02


@contextmanager
def locked(file: Path, use: str, *, wait: float = 0.0) -> Iterator[None]:
    """Holds the lock whose file is `file` during the block; the file is there only while somebody holds it.

    Waits `wait` seconds for another process. Raises `OutputError` that says with `use` what is in use, such as
    "runs/depth: is being trained", and names the process that holds it; or that the file cannot be made.
    """
    handle = _acquire(file, use, time.monotonic() + wait)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()
        os.close(handle)


def try_lock(handle: int) -> bool | None:
    """Locks an open file or folder: True, or False where another holds it, or None where that cannot be known."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one that the path leads to, and no link to it."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    return False


def _acquire(file: Path, use: str, until: float) -> int:
    while True:
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | _NONBLOCK, 0o644)
        except OSError as error:
            raise OutputError(
                f"{file}: cannot be locked ({reason(error)}); choose another folder or remove it"
            ) from error
        held = try_lock(handle)
        if held is not False and is_at(handle, file):
            with suppress(OSError):  # on a full disk; the lock is held all the same
                os.truncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
            return handle
        other = os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
        os.close(handle)
        if held is False and time.monotonic() >= until:
            raise OutputError(f"{use} by {printable(other)}; wait until it ends, or stop it")
        time.sleep(_PAUSE if held is False else 0)


_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
