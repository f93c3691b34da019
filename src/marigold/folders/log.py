"""What became of every photo, one JSON line each."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from marigold.core.errors import OutputError
from marigold.core.files import as_json, cannot_write, make_folder

ANOTHER = "another place with --log"


class Log:
    """Lines that are appended to a file, each in one piece; does nothing without a path."""

    def __init__(self, path: Path | None) -> None:
        """Raises `OutputError` when the file cannot be opened."""
        self._path = path
        self._file: BinaryIO | None = None
        if path is not None:
            make_folder(path.parent)
            try:
                self._file = path.open("ab", buffering=0)
            except OSError as error:
                raise OutputError(cannot_write(path, error, ANOTHER)) from error

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, **entry: Any) -> None:
        """Appends one line, with the time in front."""
        if self._file is None or self._path is None:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **entry}
        try:
            self._file.write(as_json(line) + b"\n")
        except OSError as error:
            raise OutputError(cannot_write(self._path, error, ANOTHER)) from error
