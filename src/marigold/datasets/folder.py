"""A data set on disk: one folder for each sample, written whole or not at all, without loss where it matters.

    OUT/dataset.json                  fields, licence, source, how it was made
    OUT/SPLIT/NAME/image.png          the photo, 8-bit sRGB
    OUT/SPLIT/NAME/maps.npz           an array per field and per mask, and the camera

In `maps.npz` depth is float32 [1, H, W] in metres. The other fields are float16: normals keep a fiftieth of a degree,
colours and roughness three significant digits. `FIELD.valid` is bool [1, H, W]; `camera` is fx, fy, cx, cy in pixels.
The key of a sample is `SPLIT/NAME`.
"""

import json
import os
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.errors import DataError, ImageError, OutputError
from marigold.core.fields import FIELDS
from marigold.core.files import make_folder, whole_folder, write_json
from marigold.core.images import read_image
from marigold.core.png import write_png
from marigold.core.sample import Camera, Sample
from marigold.datasets.base import Dataset, DatasetCard

INDEX = "dataset.json"
LAYOUT = "marigold samples 1"
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_COMPRESSION = 1  # zlib levels above save nothing on float maps
_REMEDY = "delete the sample's folder and write it again (`marigold synth` renders what is missing)"


@dataclass(frozen=True)
class Folder(Dataset):
    """Samples that `write_sample` wrote."""

    fields: tuple[str, ...] = ()
    """The fields to read; empty means all that are there."""
    card: DatasetCard = field(
        default=DatasetCard(tuple(FIELDS), ("train", "test"), "see dataset.json", "see dataset.json"), init=False
    )

    def card_of(self, root: Path) -> DatasetCard:
        """As the folder's `dataset.json` says."""
        return read_card(root)

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split, in alphabetical order."""
        known = read_card(root).splits
        if split not in known:
            raise DataError(f"{root}: no split `{split}`; there are: {', '.join(known) or 'none'}")
        return [f"{split}/{name}" for name in _visible_folders(root / split)]

    def read(self, root: Path, key: str) -> Sample:
        """One sample. Raises `DataError` naming it when a part is missing, damaged or of a wrong shape."""
        folder = root / key
        if not folder.is_dir():
            raise DataError(f"{folder}: no such sample; scan the data set again")
        image = _photo(folder / "image.png")
        arrays = _load(folder / "maps.npz", self.fields)
        names = self.fields or tuple(name for name in arrays if name in FIELDS)
        for name in names:
            _check(folder, name, arrays, tuple(image.shape[-2:]))
        maps = {name: _unpacked(name, arrays[name]) for name in names}
        valid = {name: torch.from_numpy(arrays[f"{name}.valid"]) for name in names}
        camera = Camera(*arrays["camera"].tolist()) if "camera" in arrays else None
        return Sample(key, image, maps, valid, camera)


def read_card(root: Path) -> DatasetCard:
    """The label of the data set in a folder; its splits are the folders that hold samples."""
    index = read_index(root)
    if index is None:
        raise DataError(f"{root}: no data set there (no {INDEX}); `marigold synth {root}` makes one")
    far = index.get("farthest")
    depth_range = (index.get("nearest", 1e-3), float("inf") if far is None else far)
    splits = tuple(name for name in _visible_folders(root) if _visible_folders(root / name))
    return DatasetCard(tuple(index["fields"]), splits, index["licence"], index["source"], depth_range)


def read_index(root: Path) -> dict[str, Any] | None:
    """The content of `dataset.json`, or None where there is none. Raises `DataError` when it is damaged."""
    try:
        index = json.loads((root / INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{root / INDEX}: cannot be read ({error}); write the data set again") from error
    if (
        not isinstance(index, dict)
        or index.get("layout") != LAYOUT
        or not {"fields", "licence", "source"} <= set(index)
    ):
        raise DataError(f"{root / INDEX}: not the index of a data set in the layout `{LAYOUT}`; write it again")
    return index


def write_index(root: Path, card: DatasetCard, made: dict[str, Any]) -> None:
    """Writes `dataset.json`: the card's content, and `made`, the settings that made the samples."""
    nearest, farthest = card.depth_range
    label = {"layout": LAYOUT, "fields": list(card.fields), "licence": card.licence, "source": card.source}
    limits = {"nearest": nearest, "farthest": None if farthest == float("inf") else farthest}
    write_json(make_folder(root) / INDEX, {**label, **limits, "made": made})


def write_sample(root: Path, sample: Sample) -> Path:
    """Writes one sample (no batch dimension) to `root / sample.key`, whole or not at all, and returns that folder.

    Raises `DataError` for a sample that could not be read back, `OutputError` when it cannot be written.
    """
    if not _KEY.fullmatch(sample.key):
        raise DataError(f"`{sample.key}`: a key here is SPLIT/NAME of letters, digits, `_`, `-` and `.`; rename it")
    if has_sample(root, sample.key):
        raise OutputError(f"{root / sample.key}: is there already; delete it or choose another folder")
    arrays: dict[str, np.ndarray] = {}
    for name, values in sample.maps.items():
        arrays[name] = _packed(sample.key, name, values)
        arrays[f"{name}.valid"] = sample.valid[name].cpu().numpy()
    for name in sample.maps:
        _check(Path(sample.key), name, arrays, tuple(sample.image.shape[-2:]))
    if sample.camera is not None:
        camera = sample.camera
        arrays["camera"] = np.array([camera.fx, camera.fy, camera.cx, camera.cy], dtype=np.float64)
    photo = (sample.image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    with whole_folder(root / sample.key) as folder:
        write_png(folder / "image.png", photo)
        _save(folder / "maps.npz", arrays)
    return root / sample.key


def has_sample(root: Path, key: str) -> bool:
    """Whether the sample is there; one that is there is complete."""
    return (root / key).is_dir()


def _visible_folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


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
    values = torch.from_numpy(array.astype(np.float32))
    return F.normalize(values, dim=0) if FIELDS[name].resize == "unit" else values


def _check(folder: Path, name: str, arrays: dict[str, np.ndarray], size: tuple[int, ...]) -> None:
    """Raises `DataError` unless a field is there with its mask, of the right shape, and finite where it is valid."""
    values, valid = arrays.get(name), arrays.get(f"{name}.valid")
    if values is None or valid is None:
        raise DataError(f"{folder}: {name} is missing; write the sample again or leave it out of `fields`")
    expected = (FIELDS[name].channels, *size)
    if values.shape != expected or valid.shape != (1, *size) or valid.dtype != bool:
        shapes = f"{list(values.shape)} with a mask of {list(valid.shape)}"
        raise DataError(f"{folder}: {name} is {shapes}, the photo asks for {list(expected)}; write the sample again")
    if not np.isfinite(values[:, valid[0]]).all():
        raise DataError(f"{folder}: {name} is not finite where its mask allows it; mask these pixels out")


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz that `numpy.load` reads, compressed lightly: numpy itself has no setting for the level."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def _photo(path: Path) -> Tensor:
    try:
        return read_image(path)
    except ImageError as error:
        state = "damaged" if path.exists() else "missing"
        raise DataError(f"{path}: {state}; {_REMEDY}") from error


def _load(path: Path, fields: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of these fields (of all when empty) and the camera."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            wanted = {"camera", *fields}
            return {name: archive[name] for name in archive if not fields or name.partition(".")[0] in wanted}
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing; {_REMEDY}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged ({error}); {_REMEDY}") from error
