"""What became of every photo, one JSON line each."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marigold.core.errors import OutputError
from marigold.core.files import as_json, cannot_write, make_folder

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
_NO_SURPRISE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link or a pipe that took the file's place meanwhile is an error at once."""


class Log:
    """Lines that are appended to a file, each in one piece; does nothing without a path."""

    def __init__(self, path: Path | None) -> None:
        """Raises `OutputError` when the file cannot be opened, is no file, or is a link, which is not followed."""
        self._path = path
        if path is not None:
            make_folder(path.parent)
            self._append(b"")

    def add(self, **entry: Any) -> None:
        """Appends one line, with the time in front."""
        self._append(as_json({"time": datetime.now(UTC).isoformat(timespec="seconds"), **entry}) + b"\n")

    def _append(self, line: bytes) -> None:
        if self._path is None:
            return
        try:
            _check(self._path)
            handle = os.open(self._path, _FLAGS | _NO_SURPRISE, 0o666)
            try:
                _write(handle, line)
            finally:
                os.close(handle)
        except (OSError, ValueError) as error:  # a name with a zero byte, or that the system cannot spell
            raise OutputError(_cannot_write(self._path, error)) from error


def _check(path: Path) -> None:
    """Raises `OutputError` for what is there and is no file; opening some devices has effects."""
    if not os.path.lexists(path):
        return
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        raise OutputError(f"{path}: a link, which is not followed; remove it or name another file with --log")
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "a pipe, device or socket"
        raise OutputError(f"{path}: cannot be written ({what}); choose another place with --log")


def _write(handle: int, line: bytes) -> None:
    """Appends a line, on a line of its own where a killed process or a full disk has left half of one."""
    size = os.fstat(handle).st_size
    os.lseek(handle, max(0, size - 1), os.SEEK_SET)
    begun = size > 0 and os.read(handle, 1) != b"\n"
    rest = b"\n" * begun + line if line else b""
    while rest:
        rest = rest[os.write(handle, rest) :]


def _cannot_write(path: Path, error: OSError | ValueError) -> str:
    shown = error if isinstance(error, OSError) else OSError(str(error))
    return cannot_write(path, shown, "another place with --log")
