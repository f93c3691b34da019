"""MPI Sintel: frames of a rendered film with depth (Butler et al. 2012), or with normals as the published training has.

As distributed, frames and depth unpacked into one folder or each into its own:

    training/{clean,final}/SEQUENCE/frame_0001.png      1024 x 436
    training/depth/SEQUENCE/frame_0001.dpt              metres
    training/camdata_left/SEQUENCE/frame_0001.cam       the camera; not needed

The published training has a folder of photos with normals in NPY, x right, y up, z towards the viewer, and one list of
`photo normals` lines.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Camera, Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._layers import layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

SHORTEST = 0.1
"""A stored normal that is not longer is none, as in the sky (the published training)."""
_FRAME = re.compile(r"frame_\d{4}\.png")


@dataclass(frozen=True)
class Sintel(Dataset):
    """Photos with planar depth, or with normals; all are to train on, as the test frames have no depth."""

    passes: tuple[Literal["clean", "final"], ...] = ("final",)
    """The renderings to read: `final` has blur and haze, `clean` has not."""
    cut: int = 0
    """Columns to leave out on each side; the published training leaves out 221, which makes 582 x 436 of 1024 x 436."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo normals` lines for each split, in place of the frames with depth."""

    card = DatasetCard(
        fields=("depth",),
        splits=("train",),
        licence="CC-BY-3.0, the film's; of the rest by the terms of its makers",
        source="MPI Sintel (Butler et al. 2012), synthetic",
    )

    def __post_init__(self) -> None:
        require(self.cut >= 0, "cut", self.cut, "at least 0 columns")
        require(len(self.passes) > 0, "passes", self.passes, "one or both of clean and final")

    def card_of(self, root: Path) -> DatasetCard:
        """Normals with lists, depth without."""
        mask = f"pixels with a normal longer than {SHORTEST}"
        return replace(self.card, fields=("normals",), splits=tuple(self.lists), mask=mask) if self.lists else self.card

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and for a frame without depth."""
        if self.lists:
            return list(_splits.rows(self.lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        folders = [f"training/{name}" for name in self.passes]
        keys = [name for folder in folders for scene in tree.folders(folder) for name in _frames(tree, folder, scene)]
        if not keys:
            there = ", ".join(folders)
            raise DataError(f"{root}: no frame in {there}; give the folder that holds `training`, or `lists`")
        return keys

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth, and its camera where it is there, or with its normals. Raises `DataError`."""
        tree = _opened(root)
        image = _decode.photo(tree.read(key), tree.where(key))
        other = self._other(key)
        content, where = tree.read(other), tree.where(other)
        if self.lists:
            maps = {"normals": _physical.unit_vectors(_physical.vectors(_decode.npy(content, where), where), SHORTEST)}
        else:
            maps = {"depth": _physical.metres(_decode.sintel_depth(content, where), 0, float("inf"))}
        sample = _physical.assembled(key, image, maps)
        sample = replace(sample, camera=None if self.lists else _camera(tree, key))
        return _cut(sample, self.cut)

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self._other(key))])

    def _other(self, key: str) -> str:
        """The name of a photo's depth or normals."""
        return _splits.row(self.lists, key, 2)[1] if self.lists else _beside(key, "depth", ".dpt")


def _frames(tree: Tree, folder: str, scene: str) -> list[str]:
    """The names of a sequence's frames, each of which has its depth."""
    found = [f"{folder}/{scene}/{name}" for name in tree.files(f"{folder}/{scene}") if _FRAME.fullmatch(name)]
    depth = {f"training/depth/{scene}/{name}" for name in tree.files(f"training/depth/{scene}")}
    for name in found:
        if (other := _beside(name, "depth", ".dpt")) not in depth:
            raise DataError(f"{tree.root}: {name} has no {other}; unpack the depth of MPI Sintel there")
    return found


def _camera(tree: Tree, key: str) -> Camera | None:
    """The pinhole camera of a frame, of which the file counts the first pixel's centre as (0, 0)."""
    name = _beside(key, "camdata_left", ".cam")
    if not tree.has(name):
        return None
    matrix = _decode.sintel_camera(tree.read(name), tree.where(name))
    (fx, _, cx), (_, fy, cy), _ = matrix.tolist()
    return Camera(fx, fy, cx + 0.5, cy + 0.5)


def _cut(sample: Sample, columns: int) -> Sample:
    height, width = sample.image.shape[-2:]
    if 2 * columns >= width:
        raise DataError(f"{sample.key}: {width} columns, of which `cut` leaves none; set a smaller `cut`")
    return sample.cropped(0, columns, height, width - 2 * columns)


def _beside(key: str, kind: str, ending: str) -> str:
    """The file of another kind of the same frame: `training/KIND/SEQUENCE/frame_0001.ENDING`."""
    scene, _, name = key.rpartition("/")
    scene = scene.rpartition("/")[2]
    return f"training/{kind}/{scene}/{name.removesuffix('.png')}{ending}"


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: [name for name in tree.folders() if name not in ("training", "test")])
