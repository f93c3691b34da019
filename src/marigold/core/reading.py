"""The border where files are opened for reading: what is no file, or no file to be read, is refused at once."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from marigold.core.errors import MarigoldError, reason

_KINDS = (
    (stat.S_ISDIR, "a folder, not a file; name a file in it"),
    (stat.S_ISFIFO, "a pipe, not a file; save what comes from it as a file first"),
    (stat.S_ISSOCK, "a socket, not a file; name a file"),
    (stat.S_ISCHR, "a device, not a file; name a file"),
    (stat.S_ISBLK, "a device, not a file; name a file"),
)
DOCUMENT = 16 << 20
"""Bytes that a document such as a card, a configuration or a report may have."""


def open_file(path: Path, raises: type[MarigoldError], remedy: str) -> BufferedReader:
    """A regular file, opened to be read.

    Raises `raises` for all else, and never waits: a missing file, a folder, pipe, device or socket, a link that leads
    nowhere or back to itself, a file that may not be read, a name that the system cannot have.
    """
    try:
        check_kind(os.stat(path).st_mode, path, raises)  # opening some devices has effects
        # A pipe that took the file's place would wait for a writer without the flag.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        file = os.fdopen(handle, "rb")
        try:
            check_kind(os.fstat(handle).st_mode, path, raises)
        except raises:
            file.close()
            raise
        return file
    except FileNotFoundError as error:
        raise raises(f"{path}: no such file; {remedy}") from error
    except (OSError, ValueError) as error:  # a name with a zero byte, or that the system cannot spell, is a ValueError
        raise raises(f"{path}: cannot be read ({reason(error)}); {remedy}") from error


def read_bytes(path: Path, raises: type[MarigoldError], remedy: str, most: int = DOCUMENT) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises `raises`, as `open_file` does."""
    with open_file(path, raises, remedy) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise raises(f"{path}: cannot be read ({reason(error)}); {remedy}") from error
    if len(content) > most:
        raise raises(f"{path}: more than {most >> 20} MB, which no file of its kind has; {remedy}")
    return content


def real_path(path: Path) -> Path:
    """Where a path leads, for comparing; itself where links lead back to themselves or it can be no name at all."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path


def check_kind(mode: int, path: Path, raises: type[MarigoldError]) -> None:
    """Raises `raises` for the mode of what is no regular file."""
    if stat.S_ISREG(mode):
        return
    what = next((words for is_kind, words in _KINDS if is_kind(mode)), "not a file; name a file")
    raise raises(f"{path}: {what}")
