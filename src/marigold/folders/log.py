"""What became of every photo, one JSON line each."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marigold.core.errors import OutputError
from marigold.core.files import as_json, cannot_write, make_folder


class Log:
    """Lines that are appended to a file, each in one piece; does nothing without a path."""

    def __init__(self, path: Path | None) -> None:
        """Raises `OutputError` when the file cannot be opened."""
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
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise OutputError(cannot_write(self._path, error, "another place with --log")) from error
