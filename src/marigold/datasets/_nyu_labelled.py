"""NYUv2's own archive: `nyu_depth_v2_labeled.mat`, a MATLAB 7.3 file of 1449 photos, and `splits.mat` beside it.

MATLAB stores the last dimension first, so that each photo lies there with its width and height exchanged. The splits
count photos from 1.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError, reason
from marigold.core.reading import open_file, read_bytes
from marigold.datasets import _decode

NAME = "nyu_depth_v2_labeled.mat"
SPLITS = {"train": "trainNdxs", "test": "testNdxs"}
"""The variables of `splits.mat`."""
_REMEDY = "download it again, or give another --root"
_SPLITS_REMEDY = "give `split_file`, the path of NYUv2's splits.mat, or lay that file into the root"


@dataclass(frozen=True)
class Labelled:
    """The archive at a path."""

    path: Path

    def keys(self, split: str, split_file: Path) -> list[str]:
        """The numbers of a split's photos, `0001` for the first of the archive. Raises `DataError`."""
        file = self.path.parent / "splits.mat" if split_file == Path() else split_file
        stored = _decode.matlab(read_bytes(file, DataError, _SPLITS_REMEDY), str(file), SPLITS[split])
        numbers = np.asarray(stored).reshape(-1)
        if numbers.dtype.kind not in "uif" or not (numbers >= 1).all() or not (numbers == np.floor(numbers)).all():
            raise DataError(f"{file}: {SPLITS[split]} are not numbers from 1 on; {_SPLITS_REMEDY}")
        return [f"{int(number):04d}" for number in numbers]

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """A photo [3, H, W], uint8, and its measured depth [H, W] in metres, 0 where there is none.

        Raises `DataError`.
        """
        if not (key.isascii() and key.isdecimal() and len(key) < 10):
            raise DataError(f"{printable(key)}: no number of a photo in {self.path}; scan the data set again")
        photo = self._entry("images", int(key) - 1)
        depth = self._entry("rawDepths", int(key) - 1)
        if photo.ndim != 3 or photo.shape != (3, *depth.shape) or photo.dtype != np.uint8 or depth.dtype.kind != "f":
            told = f"photo {photo.dtype} {list(photo.shape)}, depth {depth.dtype} {list(depth.shape)}"
            raise DataError(f"{self.path}: number {key} is {told}; {_REMEDY}")
        return photo.transpose(0, 2, 1), depth.T

    def identity(self, key: str) -> str:
        """The number, and the archive's size and time of change. Raises `DataError`."""
        try:
            state = os.stat(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({reason(error)}); {_REMEDY}") from error
        return f"{key} of {state.st_size} {state.st_mtime_ns}"

    def _entry(self, name: str, index: int) -> np.ndarray:
        with open_file(self.path, DataError, _REMEDY) as file:
            return _decode.hdf5_entry(file, str(self.path), name, index)


def labelled(root: Path) -> Labelled | None:
    """The archive that is the root, or lies in it; nothing where there is none."""
    path = root / NAME if os.path.isdir(root) else root
    return Labelled(path) if path.suffix == ".mat" and os.path.isfile(path) else None
