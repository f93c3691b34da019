"""The log of a run: one JSON line for each logged step, each validation and each sample that is left out."""

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from marigold.core.documents import from_json
from marigold.core.errors import OutputError
from marigold.core.files import cannot_write, whole_file
from marigold.core.reading import open_file

LONGEST = 1 << 20
"""Bytes that a line may have; what is longer is none of a run's."""
CHANGED = "changed"
"""The kind of a line that says which settings a run goes on with; it belongs to what comes after its step."""
EMPTY: Mapping[str, str] = MappingProxyType({})
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def append(file: Path, step: int, kind: str, numbers: Mapping[str, float], words: Mapping[str, str] = EMPTY) -> None:
    """Appends a line; numbers that are none are null. Raises `OutputError`, also where a link or no file is there."""
    plain = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    line = json.dumps({"step": step, "kind": kind, **plain, **words}).encode() + b"\n"
    try:
        with os.fdopen(os.open(file, _FLAGS, 0o666), "ab", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OutputError(f"{file}: is no file; remove it, or choose another --run")
            written = stream.write(line)
        if written != len(line):
            raise OSError(28, "no space left on device")
    except OSError as error:
        raise OutputError(cannot_write(file, error)) from error


def rewind(file: Path, step: int) -> None:
    """Drops the lines after `step`, which a resumed run writes again, and those that are damaged.

    Raises `OutputError` when the file cannot be read or written.
    """
    if not file.exists():
        return
    with open_file(file, OutputError, "remove it, or choose another --run") as old, whole_file(file) as fresh:
        while line := old.readline(LONGEST):
            if _stays(line, step):
                fresh.write(line)


def _stays(line: bytes, step: int) -> bool:
    """Whether a line is whole and one of those until `step`."""
    try:
        entry: Any = from_json(line)
    except ValueError:  # cut short by a kill, or damaged
        return False
    if not (line.endswith(b"\n") and isinstance(entry, dict) and type(entry.get("step")) is int):
        return False
    return 0 <= entry["step"] < step + (entry.get("kind") != CHANGED)
