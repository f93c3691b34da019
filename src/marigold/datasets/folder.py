"""A data set on disk: one folder for each sample, written whole or not at all, without loss where it matters.

    OUT/dataset.json                  fields, licence, source, how it was made
    OUT/SPLIT/NAME/image.png          the photo, 8-bit sRGB
    OUT/SPLIT/NAME/maps.npz           an array per field and per mask, and the camera

In `maps.npz` depth is float32 [1, H, W] in metres. The other fields are float16: normals keep a fiftieth of a degree,
colours and roughness three significant digits. `FIELD.valid` is bool [1, H, W]; `camera` is fx, fy, cx, cy in pixels.
The key of a sample is `SPLIT/NAME`.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, ImageError, OutputError
from marigold.core.fields import FIELDS
from marigold.core.files import as_path, reason, whole_folder
from marigold.core.find import unknown
from marigold.core.flaws import flaw
from marigold.core.images import read_image
from marigold.core.plain import word
from marigold.core.png import write_png
from marigold.core.raster import MIN_SIDE
from marigold.core.reading import open_file
from marigold.core.sample import Camera, Sample, unit
from marigold.datasets import _index, _maps
from marigold.datasets._index import read_index
from marigold.datasets._index import write_index as write_index
from marigold.datasets._maps import MASK
from marigold.datasets.base import Dataset, DatasetCard

MOST_PIXELS = 1 << 24
"""The largest sample: 4096 x 4096 pixels."""
MOST_SAMPLES = 1_000_000
"""Samples that `marigold synth` numbers in a split."""
PARTS = ("image.png", "maps.npz")
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_REMEDY = "delete the sample's folder and write it again (`marigold synth` renders what is missing)"
_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@dataclass(frozen=True)
class Folder(Dataset):
    """Samples that `write_sample` wrote."""

    fields: tuple[str, ...] = ()
    """The fields to read; empty means all that are there."""
    card: DatasetCard = field(
        default=DatasetCard(tuple(FIELDS), ("train", "test"), "see dataset.json", "see dataset.json"), init=False
    )

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise ConfigError(f"fields: {unknown('field', printable(name), FIELDS)}")

    def card_of(self, root: Path) -> DatasetCard:
        """As the folder's `dataset.json` says."""
        return read_card(root)

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split, in alphabetical order."""
        root = as_path(root, "root", DataError)
        known = read_card(root).splits
        if split not in known:
            if split in _visible_folders(root):
                any(_visible_folders(root / split))  # which says why it cannot be listed
            raise DataError(
                f"{root}: no split `{printable(split)}`; there are: {printable(', '.join(known)) or 'none'}"
            )
        return [f"{split}/{name}" for name in sorted(_visible_folders(root / split))]

    def read(self, root: Path, key: str) -> Sample:
        """One sample. Raises `DataError` naming it when a part is missing, damaged or of a wrong shape."""
        folder = as_path(root, "root", DataError) / key
        if not os.path.isdir(folder):
            raise DataError(f"{printable(folder)}: no such sample; scan the data set again")
        image = _photo(folder / PARTS[0])
        size = tuple(image.shape[-2:])
        arrays = _maps.load(folder / PARTS[1], _shapes(self.fields or tuple(FIELDS), size), _REMEDY)
        names = self.fields or tuple(name for name in FIELDS if name in arrays)
        where = printable(folder)
        for name in names:
            _check(where, name, arrays, size)
        maps = {name: _unpacked(name, arrays[name]) for name in names}
        valid = {name: torch.from_numpy(arrays[name + MASK]) for name in names}
        return Sample(key, image, maps, valid, _camera(where, arrays.get("camera")))


def read_card(root: Path) -> DatasetCard:
    """The label of the data set in a folder; its splits are the folders that hold samples.

    Raises `DataError` where there is none, and where it cannot be read.
    """
    index = read_index(root)
    if index is None:
        raise DataError(f"{root}: no data set there (no {_index.INDEX}); `marigold synth {root}` makes one")
    splits = (name for name in sorted(_visible_folders(root)) if _holds_folders(root / name))
    return _index.card(index, tuple(splits))


def write_sample(root: Path, sample: Sample) -> Path:
    """Writes one sample (no batch dimension) to `root / sample.key`, whole or not at all, and returns that folder.

    Raises `DataError` for a sample that could not be read back, `OutputError` when it cannot be written.
    """
    root = as_path(root, "root")
    if not isinstance(sample.key, str) or not _KEY.fullmatch(sample.key):
        raise DataError(
            f"`{word(sample.key)}`: a key here is SPLIT/NAME of letters, digits, `_`, `-` and `.`; rename it"
        )
    if has_sample(root, sample.key):
        raise OutputError(f"{root / sample.key}: is there already; delete it or choose another folder")
    arrays = _checked(sample)
    photo = (sample.image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    with whole_folder(root / sample.key) as folder:
        write_png(folder / PARTS[0], photo)
        _maps.save(folder / PARTS[1], arrays)
    return root / sample.key


def has_sample(root: Path, key: str) -> bool:
    """Whether the sample is there: a folder that holds both of its files, which are written together.

    Raises `OutputError` where something else has its place, which is never replaced; an empty folder is nothing.
    """
    folder = root / key
    if all(os.path.isfile(folder / part) for part in PARTS):
        return True
    if os.path.lexists(folder) and not _is_empty(folder):
        raise OutputError(f"{folder}: is there, but no sample with its {' and '.join(PARTS)}; move or delete it")
    return False


def _is_empty(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and not os.listdir(folder)
    except OSError:
        return False


def _visible_folders(folder: Path) -> Iterator[str]:
    """The names of the folders in a folder, in no order. Raises `DataError` where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and os.path.isdir(entry):
                    yield entry.name
    except (OSError, ValueError) as error:
        words = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"{folder}: cannot be listed ({words}); check its permissions") from error


def _holds_folders(folder: Path) -> bool:
    try:
        return any(_visible_folders(folder))
    except DataError:  # a folder of somebody else's beside the splits
        return False


def _shapes(names: tuple[str, ...], size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shape of every array that a sample of this size may hold, by name."""
    maps = {name: (FIELDS[name].channels, *size) for name in names}
    return {**maps, **{name + MASK: (1, *size) for name in names}, "camera": (4,)}


def _checked(sample: Sample) -> dict[str, np.ndarray]:
    """A sample's arrays as they are stored. Raises `DataError` where it could not be read back."""
    image = sample.image
    if isinstance(image, Tensor) and image.ndim == 3 and len(image) == 3:
        _check_size(sample.key, image.shape[2], image.shape[1])
    if wrong := flaw(sample):
        raise DataError(f"{sample.key}: {wrong}; correct it")
    size = tuple(sample.image.shape[-2:])
    _check_size(sample.key, *size[::-1])
    arrays: dict[str, np.ndarray] = {}
    for name, values in sample.maps.items():
        arrays[name] = _packed(sample.key, name, values)
        arrays[name + MASK] = sample.valid[name].cpu().numpy()
        _check(sample.key, name, arrays, size)
    if sample.camera is not None:
        camera = sample.camera
        arrays["camera"] = np.array([camera.fx, camera.fy, camera.cx, camera.cy], dtype=np.float64)
    return arrays


def _check_size(where: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE or width * height > MOST_PIXELS:
        raise DataError(
            f"{where}: {width} x {height} pixels; a sample has at least {MIN_SIDE} x {MIN_SIDE} and at most "
            f"{MOST_PIXELS} in all; scale it or cut it"
        )


def _packed(key: str, name: str, values: Tensor) -> np.ndarray:
    array = values.detach().cpu().numpy()
    if name not in FIELDS:
        raise DataError(f"{key}: {name}: no such field; see core/fields.py")
    if name == "depth":
        return array.astype(np.float32)
    largest = np.abs(array[np.isfinite(array)]).max(initial=0)
    if largest > np.finfo(np.float16).max:
        raise DataError(f"{key}: {name}: {largest:g} is too large to store; check its unit ({FIELDS[name].unit})")
    return array.astype(np.float16)


def _unpacked(name: str, array: np.ndarray) -> Tensor:
    values = torch.from_numpy(array)
    return unit(values) if FIELDS[name].resize == "unit" else values


def _check(where: str, name: str, arrays: dict[str, np.ndarray], size: tuple[int, ...]) -> None:
    """Raises `DataError` unless a field is there with its mask, of the right shape, and finite where it is valid."""
    values, valid = arrays.get(name), arrays.get(name + MASK)
    if values is None or valid is None:
        raise DataError(f"{where}: {name} is missing; write the sample again or leave it out of `fields`")
    expected = (FIELDS[name].channels, *size)
    if values.shape != expected or valid.shape != (1, *size) or valid.dtype != bool:
        shapes = f"{list(values.shape)} with a mask of {list(valid.shape)}"
        raise DataError(f"{where}: {name} is {shapes}, the photo asks for {list(expected)}; write the sample again")
    if not np.isfinite(values[:, valid[0]]).all():
        raise DataError(f"{where}: {name} is not finite where its mask allows it; mask these pixels out")


def _camera(where: str, numbers: np.ndarray | None) -> Camera | None:
    if numbers is None:
        return None
    if not np.isfinite(numbers).all() or not (numbers[:2] > 0).all():
        raise DataError(
            f"{where}: camera {numbers.tolist()} is not fx, fy, cx, cy in pixels; correct it or leave it out"
        )
    return Camera(*numbers.tolist())


def _photo(path: Path) -> Tensor:
    """The photo, whose size is known to be that of a sample before it is decoded."""
    with open_file(path, DataError, _REMEDY) as file:
        head = file.read(len(_START) + 8)
    if not head.startswith(_START) or len(head) < len(_START) + 8:
        raise DataError(f"{printable(path)}: damaged (not a PNG); {_REMEDY}")
    _check_size(printable(path), *struct.unpack(">II", head[len(_START) :]))
    try:
        return read_image(path)
    except ImageError as error:
        raise DataError(
            f"{path}: damaged ({str(error).removeprefix(f'{path}: ').partition(';')[0]}); {_REMEDY}"
        ) from error
