"""KITTI: photos from a car with depth of a laser scanner (Geiger et al. 2013; Uhrig et al. 2017).

As distributed, the raw drives and the depth of the benchmark, unpacked into one folder or each into its own:

    DATE/DRIVE/image_02/data/0000000005.png                                    the left colour camera
    {train,val}/DRIVE/proj_depth/groundtruth/image_02/0000000005.png           16 bits, metres * 256; 0 is no depth

and the published evaluation's tar, or the drives above, with a list of `photo depth focal` lines for each split. The
depth of a list is looked for as it is named, and below `train` and `val`. A line whose depth is `None` is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._kitti import Window, benchmark_crop, only_within
from marigold.datasets._layers import all_tars, each_with, layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

PER_METRE = 256
NEAREST, FARTHEST = 1e-5, 80.0
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"test": "eigen_test_files_with_gt.txt", "val": "eigen_val_from_train_800.txt"}
"""The files of the published lists; of the 697 lines of the Eigen test split 45 have no depth."""
PARTS = ("train", "val")
_DATE = re.compile(r"\d{4}_\d\d_\d\d")
_DRIVE = re.compile(r"(\d{4}_\d\d_\d\d)_drive_\d+_sync")
_NO_DEPTH = "None"
_WORDS = {"eigen": "Eigen crop", "garg": "Garg crop", "none": "all of the photo"}


@dataclass(frozen=True)
class Kitti(Dataset):
    """Photos with sparse planar depth: the Eigen split by its list, or the drives of the depth benchmark."""

    crop: bool = True
    """Cut out the benchmark window, 352 x 1216: the lowest rows, the columns in the middle."""
    mask: Window = "eigen"
    """The pixels that are scored: those of the crop of Eigen et al., of Garg et al., or all; of the cropped photo."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split; when left out, the published ones that lie in the root."""

    card = DatasetCard(
        fields=("depth",),
        splits=PARTS,
        licence="by the terms of its makers",
        source="KITTI (Geiger et al. 2013; depth of Uhrig et al. 2017)",
        depth_range=(NEAREST, FARTHEST),
        counts={"test": 652, "val": 800},
    )

    def __post_init__(self) -> None:
        require(self.mask in _WORDS, "mask", self.mask, f"among {', '.join(_WORDS)}")

    def card_of(self, root: Path) -> DatasetCard:
        """The splits of the lists, where there are any; the source says how many lines have no depth."""
        lists = self._lists(root)
        window = "KITTI's benchmark crop 352 x 1216, " if self.crop else ""
        mask = f"{window}{_WORDS[self.mask]}, laser depth between {NEAREST:g} and {FARTHEST:g} m"
        if not lists:
            return replace(self.card, mask=mask, counts={})
        without = (f"{split}: {_without(lists, split)}" for split in lists)
        source = f"{self.card.source}; lines without depth, left out: {', '.join(without)}"
        return replace(self.card, splits=tuple(lists), mask=mask, source=source)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of a split's photos. Raises `DataError` where there is none, and for depth without its photo."""
        if lists := self._lists(root):
            return [photo for photo, (_, depth) in _splits.rows(lists, split, 2).items() if depth != _NO_DEPTH]
        if split not in PARTS:
            known = unknown("split", printable(split), PARTS)
            raise DataError(f"{root}: {known}; the Eigen split needs its list, `lists: {{test: FILE}}`")
        tree = _opened(root)
        depths = [name for drive in tree.folders(split) for name in _frames(tree, f"{split}/{drive}")]
        if not depths:
            folder = f"{split}/DRIVE/proj_depth/groundtruth/image_02"
            raise DataError(f"{root}: no depth in {folder}; unpack data_depth_annotated.zip there, or give `lists`")
        each_with(tree, depths, _photo_of, "unpack the raw data of that drive there")
        return [_photo_of(name) for name in depths]

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`."""
        tree = _opened(root)
        depth = self._depth(root, tree, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        metres = _decode.depth_png(tree.read(depth), tree.where(depth), PER_METRE)
        sample = _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})
        return only_within(benchmark_crop(sample) if self.crop else sample, self.mask)

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self._depth(root, tree, key))])

    def _lists(self, root: Path) -> Mapping[str, Path]:
        return _splits.published(self.lists, root, LISTS)

    def _depth(self, root: Path, tree: Tree, key: str) -> str:
        """The name of a photo's depth, which may lie in either part of the benchmark."""
        lists = self._lists(root)
        name = _splits.row(lists, key, 2)[1] if lists else _depth_of(key)
        places = [name, *(f"{part}/{name}" for part in PARTS)]
        return next((place for place in places if tree.has(place)), name)


def _without(lists: Mapping[str, Path], split: str) -> str:
    depths = [depth for _, depth in _splits.rows(lists, split, 2).values()]
    return f"{depths.count(_NO_DEPTH)} of {len(depths)}"


def _frames(tree: Tree, drive: str) -> list[str]:
    """The names of a drive's depth for the left colour camera."""
    folder = f"{drive}/proj_depth/groundtruth/image_02"
    is_drive = _DRIVE.fullmatch(drive.rpartition("/")[2]) is not None
    return [f"{folder}/{name}" for name in tree.files(folder) if is_drive and name.endswith(".png")]


def _photo_of(depth: str) -> str:
    """`PART/DRIVE/proj_depth/groundtruth/image_02/N.png` => `DATE/DRIVE/image_02/data/N.png`."""
    drive, number = depth.split("/")[1], depth.rpartition("/")[2]
    return f"{drive[:10]}/{drive}/image_02/data/{number}"


def _depth_of(photo: str) -> str:
    """`DATE/DRIVE/image_02/data/N.png` => `DRIVE/proj_depth/groundtruth/image_02/N.png`."""
    _, _, rest = photo.partition("/")
    return f"{rest.partition('/')[0]}/proj_depth/groundtruth/image_02/{photo.rpartition('/')[2]}"


def _opened(root: Path) -> Tree:
    return layered(
        root, lambda tree: [name for name in tree.folders() if not (_DATE.fullmatch(name) or name in PARTS)], all_tars
    )
