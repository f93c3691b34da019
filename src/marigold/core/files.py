"""Files written whole or not at all: a temporary neighbour that takes the final name when it is complete."""

import ctypes
import errno
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from marigold.core.console import printable
from marigold.core.errors import MarigoldError, OutputError, reason
from marigold.core.locks import is_at, try_lock

T = TypeVar("T")

LONGEST_NAME = 200
"""Bytes of a file's name; systems allow 255, of which endings and temporary names need some."""

_UNFIT = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]")
_UNPRINTED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part", re.DOTALL)
_EARLIER = "earlier"
_HERE = -100
"""Linux's AT_FDCWD."""
_RENAME_EXCHANGE = 2


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` when the block ends well; whatever stops the block leaves nothing behind.

    Its content is on the disk before it takes the name. Raises `OutputError` when it cannot be written.
    """
    path = Path(path)
    part = None
    try:
        part, handle = _made(path, _new_file)
        with _Part(io.FileIO(handle, "r+")) as file:
            yield file
            file.flush()
            os.fsync(handle)
            os.replace(part, path)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from error
    finally:
        if part is not None:
            _remove(part)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary neighbour of the folder that takes its place when the block ends well; else all stays as it was.

    Its content is on the disk before it takes the name. Raises `OutputError`.
    """
    make_folder(folder.parent)
    part, handle = None, None
    try:
        part, handle = _made(folder, _new_folder)
        yield part
        _flush(part)
        _exchange(part, folder)
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
        if handle is not None:
            os.close(handle)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder`, for files that move out of it when all are whole; it is gone after the block.

    Raises `OutputError` when it cannot be made.
    """
    make_folder(folder)
    try:
        part, handle = _made(folder / "results", _new_folder)
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from error
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(handle)


def delete_leftovers(folder: Path, name: str = "") -> None:
    """Deletes what killed processes have left half written in a folder: of all, or of the file or folder `name` alone.

    What a living process is writing stays. The earlier version of a folder that had lost its name gets it back.
    """
    for part in _hidden(folder):
        found = _LEFTOVER.fullmatch(part.name)
        if found is None or name not in ("", found[1]) or part.is_symlink():
            continue
        with suppress(OSError):
            handle = os.open(part, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                if try_lock(handle):
                    _clear(part, part.with_name(found[1]))
            finally:
                os.close(handle)


def delete_folder(folder: Path) -> None:
    """Deletes a folder: it loses its name at once, and what a killed process leaves of it is a leftover.

    Raises `OutputError` when it cannot be deleted; then it is whole, or gone but for a leftover.
    """
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        folder.rename(part)
        shutil.rmtree(part)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be deleted ({reason(error)}); correct its permissions") from error


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is, or was, being written."""
    return bool(_LEFTOVER.fullmatch(name))


def keep_aside(path: Path) -> Path:
    """Renames a file that somebody else has written to `FILE.kept`, `FILE.kept1` and so on; returns its place.

    Raises `OutputError`.
    """
    ways = (path.with_name(f"{path.name}.kept{number or ''}") for number in range(10_000))
    kept = next(way for way in ways if not os.path.lexists(way))
    try:
        path.rename(kept)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from error
    return kept


def file_name(name: str, what: str, raises: type[MarigoldError] = OutputError) -> str:
    """A name that a file or folder can have: itself, where it is one.

    Raises `OutputError`, or what else is asked for, that calls it `what` for any other: one that leads elsewhere
    (`../x`, `/x`, `.`), is empty or begins with a dot, holds a separator, a control character or half a character, or
    is longer than 200 bytes.
    """
    if not isinstance(name, str):
        raise raises(f"{what} is of type {type(name).__name__}, and a file's name is text; give it as text")
    plain = bool(name) and not _UNFIT.search(name) and name == name.strip() and not name.startswith(".")
    if not plain or len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise raises(
            f"{what} `{printable(name[:60])}` cannot name a file; use letters, digits, `-`, `_` and `.`, at most "
            f"{LONGEST_NAME} of them"
        )
    return name


def as_path(path: object, what: str, raises: type[MarigoldError] = OutputError) -> Path:
    """A path given as text or as an object that stands for one; `~` stays as it is.

    Raises `OutputError`, or what else is asked for, that calls it `what` for what is no path, is empty, or cannot be
    spelled by the system.
    """
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
        if not isinstance(text, str) or not text or b"\0" in os.fsencode(text):
            raise ValueError
    except (TypeError, ValueError):
        shown = repr(path) if isinstance(path, str | bytes) else f"an object of type {type(path).__name__}"
        raise raises(f"{what}: {shown[:80]} is no path; give one as text or as a pathlib.Path") from None
    return Path(text)


def prepare(path: str | Path) -> Path:
    """The path of a file that long work will end in: makes its folder and deletes what was left half written of it.

    Raises `OutputError` if it cannot be written, or is something else than a file.
    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file, such as {path / 'result.json'}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(f"{path}: is there and is no file; choose another name")
    delete_leftovers(path.parent, path.name)
    try:
        part, handle = _made(path, _new_file)
        os.close(handle)
        _remove(part)
    except OSError as error:
        raise OutputError(cannot_write(path, error)) from error
    return path


def cache_folder() -> Path:
    """The user's folder for what can be computed again; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "marigold"


def make_folder(path: str | Path) -> Path:
    """The folder at `path`, made if it is not there. Raises `OutputError`."""
    try:
        _by_the_system(lambda folder: folder.mkdir(parents=True, exist_ok=True), Path(path))
    except FileExistsError as error:
        raise OutputError(f"{path}: cannot be written (a file has this name); choose another folder") from error
    except OSError as error:
        raise OutputError(cannot_write(Path(path), error)) from error
    return Path(path)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON that a person can read. Raises `OutputError`, also for a value that JSON does not know."""
    try:
        content = as_json(value, indent=2) + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(f"{path}: holds what JSON cannot ({error}); use numbers, text, lists and mappings") from error
    with whole_file(path) as file:
        file.write(content)


def as_json(value: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8, with escapes for what is no UTF-8, breaks lines or steers terminals; reading turns them back."""
    return _escaped(json.dumps(value, indent=indent, ensure_ascii=False)).encode("utf-8")


def _escaped(text: str) -> str:
    r"""JSON with `\uXXXX` for characters that are not to be printed; those of ASCII are escapes already."""
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _Part(io.BufferedRandom):
    """A file without a number: NumPy and Pillow write past Python to one that has it, and lose why that fails."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _made(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A neighbour of the path and its handle, which holds its lock: `delete_leftovers` spares it while it is open."""
    while True:
        part = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
        handle = _by_the_system(make, part)
        locked = try_lock(handle)
        if locked is None or (locked and is_at(handle, part)):
            return part, handle
        os.close(handle)  # it was taken for a leftover


def _by_the_system(make: Callable[[Path], T], path: Path) -> T:
    """What `make` makes at the path; `OSError` also for a name that the system cannot have."""
    try:
        return make(path)
    except ValueError as error:  # of a zero byte, or of what is no byte in the system's encoding
        raise OSError(errno.EINVAL, str(error)) from error


def _new_file(part: Path) -> int:
    return os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _new_folder(part: Path) -> int:
    part.mkdir()
    return os.open(part, os.O_RDONLY)


def _remove(part: Path) -> None:
    with suppress(OSError):  # where it could not be made, the error of making it is the one to tell
        part.unlink()


def _hidden(folder: Path) -> list[Path]:
    """What has a name that begins with a dot; nothing where the folder cannot be listed."""
    try:
        return [folder / name for name in os.listdir(folder) if name.startswith(".")]
    except (OSError, ValueError):
        return []


def _clear(part: Path, place: Path) -> None:
    """Deletes a leftover of `place`, or moves it there if it is the earlier version of a folder that is gone."""
    if not part.is_dir():
        part.unlink()
    elif (part / _EARLIER).exists() and not place.exists():
        (part / _EARLIER).rename(place)
        shutil.rmtree(part)
    else:
        shutil.rmtree(part)


def _flush(folder: Path) -> None:
    """Brings every file below a folder to the disk."""
    for place, _, files in os.walk(folder):
        for file in (Path(place), *(Path(place) / name for name in files)):
            if os.name == "nt" or file.is_symlink():
                continue
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _exchange(part: Path, folder: Path) -> None:
    """Moves `part` to `folder`; what was there is then at, or in, `part`."""
    if not folder.is_symlink() and not folder.exists():
        with suppress(OSError):  # another process may have made one there meanwhile
            part.rename(folder)
            return
    if _swap(part, folder):
        if part.is_symlink():
            part.unlink()
        return
    # In two steps: `delete_leftovers` finds the way back from between them.
    aside = part.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    aside.mkdir()
    try:
        folder.rename(aside / _EARLIER)
        part.rename(folder)
    except OSError:
        if (aside / _EARLIER).exists():
            (aside / _EARLIER).rename(folder)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _swap(part: Path, folder: Path) -> bool:
    """Exchanges two folders in one step, where the system can (Linux)."""
    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return exchange(_HERE, os.fsencode(part), _HERE, os.fsencode(folder), _RENAME_EXCHANGE) == 0


def cannot_write(path: Path, error: OSError, another: str = "another folder") -> str:
    """The message for a path that cannot be written."""
    return f"{path}: cannot be written ({reason(error)}); choose {another} or make room there"
