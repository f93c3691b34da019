"""What a report says: the files of one result, and what they were made from. It is data from disk, whatever it says.

Names in reports are the bytes of the files' names as UTF-8, whatever the locale of the process that writes or reads
them.
"""

import os
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path, PurePath
from typing import Any

from marigold.core.documents import from_json
from marigold.core.errors import MarigoldError, OutputError
from marigold.core.reading import read_bytes

_LARGEST = 1 << 20
"""Bytes that a report may have."""
_LONGEST = 4096
"""Characters that a listed name may have."""


def content_of(report: Path) -> dict[str, Any]:
    """What a report says; nothing for whatever is no JSON object, is no file or is not there."""
    try:
        content = from_json(read_bytes(report, OutputError, "", _LARGEST))
    except (MarigoldError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def files_of(report: Path) -> list[str]:
    """The files of a report, itself among them, as paths within its folder; none for any other content."""
    files = content_of(report).get("files")
    if not isinstance(files, list) or not all(map(_is_place, files)):
        return []
    here = [os.fsdecode(file.encode("utf-8", "surrogateescape")) for file in files]
    return here if report.name in here else []


def photo_of(report: Path) -> str | None:
    """The hash of the photo that a report's files were made from; None where it says nothing of that."""
    made_from = content_of(report).get("made_from")
    photo = made_from.get("photo") if isinstance(made_from, dict) else None
    return photo if isinstance(photo, str) else None


def places(files: Iterable[Path], folder: Path) -> list[str]:
    """Where files are within a folder, each once."""
    return list(dict.fromkeys(file.relative_to(folder).as_posix() for file in files))


def stored(name: str | Path) -> str:
    """A file's name as documents hold it; what can be no name stays as it is."""
    try:
        return os.fsencode(name).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return str(name)


def alike(files: Collection[str]) -> set[str]:
    """Names as file systems compare them that tell neither cases nor ways to write an accent apart."""
    return {unicodedata.normalize("NFC", file).casefold() for file in files}


def _is_place(file: object) -> bool:
    """Whether this is the path of a file within a folder, one that a file can have."""
    if not isinstance(file, str) or not 0 < len(file) <= _LONGEST or "\0" in file:
        return False
    try:
        file.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    path = PurePath(file)
    return not path.anchor and bool(path.parts) and ".." not in path.parts
