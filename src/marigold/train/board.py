"""Numbers for TensorBoard, written at once: its own writer leaves that to a thread, whose errors come late or never."""

import time
from pathlib import Path
from typing import Any


class Board:
    """An event file in a folder; nothing where TensorBoard is not installed. Raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._file = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        folder.mkdir(exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._event: Any = Event
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def add(self, name: str, value: float, step: int) -> None:
        """One point of a curve."""
        if self._file is not None:
            self._write(step=step, summary={"value": [{"tag": name, "simple_value": value}]})

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
        self._records.flush()
