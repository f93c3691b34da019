"""ScanNet: frames of rooms with depth of a structure sensor (Dai et al. 2017).

As its tools export it, in a folder or a tar, with or without `scans` above the scenes:

    SCENE/color/000000.jpg      1296 x 968
    SCENE/depth/000000.png      640 x 480, 16 bits, millimetres; 0 is no depth

and the same with a list of `photo depth` lines for each split, as the published evaluation has them. Numbers may have
leading zeros or none. A photo of another size than its depth is resized to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample, resize_field
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._layers import all_tars, each_with, layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

PER_METRE = 1000
NEAREST, FARTHEST = 1e-3, 10.0
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"val": "scannet_val_sampled_list_800_1.txt"}
"""The file of the published list."""


@dataclass(frozen=True)
class ScanNet(Dataset):
    """Photos with planar depth, which the camera's depth sensor measured; `val` without lists is every frame there."""

    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split; when left out, the published one if it lies in the root."""

    card = DatasetCard(
        fields=("depth",),
        splits=("val",),
        licence="by the terms of its makers",
        source="ScanNet (Dai et al. 2017)",
        depth_range=(NEAREST, FARTHEST),
        mask=f"measured depth between {NEAREST:g} and {FARTHEST:g} m",
        counts={"val": 800},
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any."""
        return replace(self.card, splits=tuple(self._lists(root)) or self.card.splits)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos by scene and number. Raises `DataError` where there is none, or one has no depth."""
        if lists := self._lists(root):
            return list(_splits.rows(lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        names = [name for scene in tree.folders() for name in _frames(tree, f"{scene}/color")]
        if not names:
            raise DataError(f"{root}: no photo in SCENE/color; give the folder that holds the scenes, or `lists`")
        return each_with(tree, names, _depth_of, "export the depth of that scene too")

    def read(self, root: Path, key: str) -> Sample:
        """A photo, at the size of its depth, with that in metres. Raises `DataError`."""
        tree, depth = _opened(root), self._depth(root, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        metres = _decode.depth_png(tree.read(depth), tree.where(depth), PER_METRE)
        if image.shape[-2:] != metres.shape:
            image = resize_field("image", image, *metres.shape).clamp(0, 1)
        return _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self._depth(root, key))])

    def _lists(self, root: Path) -> Mapping[str, Path]:
        return _splits.published(self.lists, root, LISTS)

    def _depth(self, root: Path, key: str) -> str:
        lists = self._lists(root)
        return _splits.row(lists, key, 2)[1] if lists else _depth_of(key)


def _frames(tree: Tree, folder: str) -> list[str]:
    """The names of a scene's photos in the order of their numbers."""
    names = [name for name in tree.files(folder) if name.endswith(".jpg") and name[:-4].isdecimal()]
    return [f"{folder}/{name}" for name in sorted(names, key=lambda name: int(name[:-4]))]


def _depth_of(photo: str) -> str:
    scene, _, name = photo.rsplit("/", 2)
    return f"{scene}/depth/{name[:-4]}.png"


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: ["scans"], all_tars)
