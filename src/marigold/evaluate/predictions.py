"""A folder of somebody's predictions: a file for each map of each sample, found by a pattern of its name."""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

import numpy as np

from marigold.core.colour import linear_to_srgb
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, MissingPredictionError
from marigold.core.fields import FIELDS
from marigold.core.find import name_of
from marigold.core.reading import read_bytes
from marigold.core.sample import Sample
from marigold.datasets import _pair_files
from marigold.evaluate.answers import Answer, Answers
from marigold.evaluate.model import values
from marigold.modalities.base import Modality

USUAL = (
    *("{key}_{output}", "{key}", "{folder}/{name}_{output}", "{folder}/{output}_{name}", "{folder}/pred_{name}"),
    *("{folder}/pred_{id}", "{name}_{output}", "{name}", "pred_{name}", "{output}/{name}", "{output}/{key}"),
    *("{key}_{modality}_{output}", "{key}_{modality}", "{name}_{modality}_{output}", "{name}_{modality}"),
)
"""Patterns that are tried in turn where none is given: those of `marigold predict`, of the published code, and plain
names. `{id}` is the name behind its first `_`, as `rgb_0045` becomes `pred_0045`."""
ENDINGS = (".npy", ".png", ".exr", ".tiff", ".tif", ".pfm")
PLACES = ("key", "folder", "name", "id", "output", "modality")
MOST = 1 << 30
"""Bytes of one file."""
_PLACE = re.compile(r"\{([^{}]*)\}")


class PredictionFolder(Answers):
    """Predictions that lie in files: NPY, 16-bit PNG, OpenEXR, TIFF or PFM.

    NPY, OpenEXR, PFM and TIFF of floats hold values as they are: depth [H, W], or [H, W, 3]; colours of OpenEXR are in
    linear light. Pictures of whole numbers stand for 0 to 1, of normals for -1 to 1.
    """

    def __init__(self, folder: Path, modality: Modality, name: str = "", pattern: str = "") -> None:
        """`pattern` is such as `{key}_depth.npy`; empty tries what is usual. Raises `ConfigError`, `DataError`."""
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give --predictions the folder that holds the predictions")
        self.folder, self.modality, self.pattern = folder, modality, pattern
        self.name = printable(name or folder.resolve().name)
        check_pattern(pattern, len(modality.outputs))

    def answer(self, sample: Sample) -> Answer:
        """What the sample's files hold. Raises `MissingPredictionError`, and `DataError` for what cannot be used."""
        counted = zip(self.modality.outputs, self.modality.channels, strict=True)
        maps = {output: self._read(sample.key, output, count) for output, count in counted}
        return Answer(values(maps, self.modality, sample, self.name))

    def check(self, keys: Sequence[str]) -> None:
        """Raises `DataError` where one file would answer two samples, such as those of one name in two folders."""
        seen: dict[Path, str] = {}
        for key in keys if isinstance(keys, list | tuple) else ():
            if not (file := self._file(self._names(key, self.modality.outputs[0]))):
                continue
            if (other := seen.setdefault(file, key)) != key:
                told = printable(f"{file}: is the prediction of {other} and of {key}")
                raise DataError(f"{told}; write one for each, in folders like the data set's, or give --pattern")

    def _read(self, key: str, output: str, count: int) -> np.ndarray:
        tried = self._names(key, output)
        if not tried:
            raise DataError(f"{printable(key)}: no file can have that name; correct the data set's keys")
        if file := self._file(tried):
            return self._values(file, output, count)
        told = printable(f"{key}: no prediction of {output} in {self.folder}, such as {tried[0]}")
        raise MissingPredictionError(f"{told}; write it, or give --pattern")

    def _values(self, file: Path, output: str, count: int) -> np.ndarray:
        bare = len(self.modality.outputs) == 1 or output in file.name
        choose = partial(channels, output=output, count=count, bare=bare)
        stored = _pair_files.stored(read_bytes(file, DataError, "write it again", MOST), str(file), choose)
        if file.suffix.lower() == ".exr" and self.modality.meaning(output) == "srgb":
            return linear_to_srgb(stored)
        return _numbers(stored, output)

    def _names(self, key: str, output: str) -> list[str]:
        return [name for name in dict.fromkeys(self._candidates(key, output)) if _is_below(name)]

    def _file(self, names: Sequence[str]) -> Path | None:
        """The first of these names that is there; names that no file can have are not."""
        return next((self.folder / name for name in names if os.path.isfile(self.folder / name)), None)

    def _candidates(self, key: str, output: str) -> Iterator[str]:
        path = PurePosixPath(key)
        plain = path.with_suffix("") if path.suffix.lower() in _PHOTOS else path
        places = {
            "key": str(plain),
            "folder": str(plain.parent),
            "name": plain.name,
            "id": plain.name.partition("_")[2] or plain.name,
            "output": output,
            "modality": name_of(self.modality),
        }
        for pattern in self._patterns:
            if len(self.modality.outputs) > 1 and not {"output", "modality"} & set(_PLACE.findall(pattern)):
                continue
            name = _PLACE.sub(lambda place: places[place[1]], pattern)
            yield from [name] if PurePosixPath(pattern).suffix in ENDINGS else [name + end for end in ENDINGS]

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        return (self.pattern,) if self.pattern else USUAL


def check_pattern(pattern: str, outputs: int) -> None:
    """Raises `ConfigError` for a pattern with an unknown place, or none, and for one that leads out of the folder."""
    if not pattern:
        return
    found = set(_PLACE.findall(pattern))
    if unknown := found - {*PLACES}:
        known = ", ".join(f"{{{place}}}" for place in PLACES)
        raise ConfigError(f"--pattern {printable(pattern)}: no place `{printable(min(unknown))}`; there are: {known}")
    if not found & {"key", "name", "id"}:
        raise ConfigError(f"--pattern {printable(pattern)}: is one file for all samples; put {{key}} or {{name}} in it")
    if outputs > 1 and "output" not in found:
        raise ConfigError(f"--pattern {printable(pattern)}: is one file for {outputs} maps; put {{output}} in it")
    if pattern.startswith("/") or ".." in PurePosixPath(pattern).parts:
        raise ConfigError(f"--pattern {printable(pattern)}: leads out of the folder; give a name below it")


def channels(found: set[str], output: str, count: int, *, bare: bool = True) -> list[str]:
    """Which channels of an OpenEXR file are a map, in its order: of the layer called like it or, if `bare`, of none.

    A single number is in the only channel, or in one that is called as usual. Where nothing tells, all are given.
    """
    layers = (
        [name for name in sorted(found) if name.rpartition(".")[0] == layer] for layer in (output, "")[: 1 + bare]
    )
    own = next(filter(None, layers), sorted(found) if bare else [f"{output}.{letter}" for letter in "RGB"[:count]])
    if len(own) == 1:
        return own
    known = {name.rpartition(".")[2].upper(): name for name in own}
    orders = ("RGB", "XYZ") if count > 1 else ("Z", "Y", "V")
    return next(([known[letter] for letter in order] for order in orders if known.keys() >= set(order)), own)


def _is_below(name: str) -> bool:
    """Whether a name stays in the folder that it is looked for in."""
    return not name.startswith("/") and ".." not in PurePosixPath(name).parts and "\0" not in name


_PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".exr", ".bmp")


def _numbers(stored: np.ndarray, output: str) -> np.ndarray:
    """Numbers as values: whole ones are shares of their range, and of normals from -1 to 1."""
    if stored.dtype.kind not in "ui":
        return stored
    share = stored.astype(np.float32) / np.iinfo(stored.dtype).max
    signed = output in FIELDS and FIELDS[output].low < 0
    return share * 2 - 1 if signed else share
