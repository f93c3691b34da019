"""Files written whole or not at all: a temporary neighbour that takes the final name when it is complete."""

import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from marigold.core.errors import OutputError


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` when the block ends well; whatever stops the block leaves nothing behind.

    Raises `OutputError` when the folder or the file cannot be written.
    """
    path = Path(path)
    part = _neighbour(path)
    try:
        with _Part(io.FileIO(part, "x+")) as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from error
    finally:
        _remove(part)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary neighbour of the folder that takes its place when the block ends well; else all stays as it was.

    The neighbour's name is fixed, so that what a killed process left behind goes with the next one. Raises
    `OutputError`.
    """
    make_folder(folder.parent)
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        yield part
        _exchange(part, folder)
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def prepare(path: str | Path) -> Path:
    """The path of a file that long work will end in: makes its folder. Raises `OutputError` if it cannot be written."""
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file, such as {path / 'result.json'}")
    part = _neighbour(path)
    try:
        part.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from error
    finally:
        _remove(part)
    return path


def cache_folder() -> Path:
    """The user's folder for what can be computed again; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "marigold"


def make_folder(path: str | Path) -> Path:
    """The folder at `path`, made if it is not there. Raises `OutputError`."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(cannot_write(Path(path), error)) from error
    return Path(path)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON that a person can read."""
    with whole_file(path) as file:
        file.write(as_json(value, indent=2) + b"\n")


def as_json(value: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8; what of a file's name is no UTF-8 becomes escapes, which reading turns back into the name."""
    return json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")


class _Part(io.BufferedRandom):
    """A file without a number: NumPy and Pillow write past Python to one that has it, and lose why that fails."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _neighbour(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _remove(part: Path) -> None:
    with suppress(OSError):  # where it could not be made, the error of making it is the one to tell
        part.unlink()


def _exchange(part: Path, folder: Path) -> None:
    """Moves `part` to `folder`, and what was there away; puts it back if that fails."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def cannot_write(path: Path, error: OSError, another: str = "another folder") -> str:
    """The message for a path that cannot be written."""
    return f"{path}: cannot be written ({reason(error)}); choose {another} or make room there"


def reason(error: OSError) -> str:
    """What the system says of an error, as a part of a sentence."""
    return (error.strerror or str(error)).lower()
