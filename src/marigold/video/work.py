"""What a run over a clip has computed so far, on disk: the same command goes on from there, and memory stays small."""

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from marigold.core.documents import from_json
from marigold.core.errors import MarigoldError, OutputError
from marigold.core.files import as_json, delete_leftovers, make_folder, whole_file, write_json
from marigold.core.reading import read_bytes

LARGEST = 1 << 28
"""Bytes of a document about a clip; one of two hours takes a tenth of it."""
_STAMP = "made_from.json"


class Work:
    """Frames as they were predicted, until their shot is written, and what is known of finished shots."""

    def __init__(self, folder: Path, made_from: Mapping[str, Any]) -> None:
        """Keeps what the folder holds if it was made from exactly this, else empties it. Raises `OutputError`."""
        self.folder = folder
        wanted = json.loads(as_json(made_from))
        if content(folder / _STAMP) != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            make_folder(folder)
            write_json(folder / _STAMP, wanted)
        delete_leftovers(folder)

    def save(self, modality: str, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps what was predicted of a frame. Raises `OutputError`."""
        with whole_file(self._frame(modality, number)) as file:
            np.savez(file, **dict(arrays))  # pyright: ignore[reportArgumentType]

    def load(self, modality: str, number: int) -> dict[str, np.ndarray] | None:
        """What was predicted of a frame; None where that is not there or is not whole."""
        try:
            with np.load(self._frame(modality, number), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def has(self, modality: str, number: int) -> bool:
        """Whether there is something predicted of a frame."""
        return self._frame(modality, number).is_file()

    def drop(self, modality: str, numbers: Iterable[int]) -> None:
        """Deletes what was predicted of frames whose results are written."""
        for number in numbers:
            with suppress(OSError):
                self._frame(modality, number).unlink()

    def note(self, name: str, value: Mapping[str, Any]) -> None:
        """Keeps a document of this name. Raises `OutputError`."""
        write_json(self.folder / f"{name}.json", value)

    def noted(self, name: str) -> dict[str, Any] | None:
        """The document of this name, if there is one."""
        return content(self.folder / f"{name}.json")

    def segment(self, shot: int, label: str) -> Path:
        """Where the preview of a shot is."""
        return self.folder / f"shot{shot:06d}_{label}.nut"

    def clear(self) -> None:
        """Deletes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _frame(self, modality: str, number: int) -> Path:
        return self.folder / f"{number:06d}_{modality}.npz"


def content(path: Path) -> dict[str, Any] | None:
    """A JSON object; None for whatever is none, or is not there."""
    try:
        found = from_json(read_bytes(path, OutputError, "", LARGEST))
    except (MarigoldError, ValueError):
        return None
    return found if isinstance(found, dict) else None
