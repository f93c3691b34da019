"""NYUv2: frames of rooms with depth of a Kinect (Silberman et al. 2012).

As distributed, the labelled archive with its splits, read without unpacking anything (`_nyu_labelled.py`),

    nyu_depth_v2_labeled.mat
    splits.mat

or pictures of it, in a folder or a tar, with or without `official_splits` above:

    {train,test}/SCENE/rgb_00045.jpg, sync_depth_00045.png      the synchronised frames of BTS
    {train,test}/SCENE/rgb_0045.png, depth_0045.png             the published evaluation's tar

and these with a list of `photo depth` lines for each split. Depth in pictures has 16 bits, millimetres; 0 is none. It
is what the camera measured: the depth that was filled in, `filled_0045.png`, is not read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._layers import all_tars, each_with, layered
from marigold.datasets._nyu_labelled import SPLITS, labelled
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

PER_METRE = 1000
NEAREST, FARTHEST = 1e-3, 10.0
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"test": "filename_list_test.txt", "train": "filename_list_train.txt"}
"""The files of the published lists."""
TOP, BOTTOM, LEFT, RIGHT = 45, 471, 41, 601
"""The crop of Eigen et al. 2014: rows 45 to 470 and columns 41 to 600 of 640 x 480 pixels."""
SIZE = (480, 640)
_PHOTO = re.compile(r"rgb_(\d+)\.(png|jpg)")
_MASKS = {
    "eigen": f"Eigen crop (rows {TOP} to {BOTTOM - 1}, columns {LEFT} to {RIGHT - 1})",
    "none": "all of the photo",
}


@dataclass(frozen=True)
class NyuV2(Dataset):
    """Photos with planar depth of the camera's sensor, by the official split."""

    mask: Literal["eigen", "none"] = "eigen"
    """The pixels that are scored: those of the crop of Eigen et al., or all."""
    split_file: Path = Path()
    """Where the archive's `splits.mat` lies; a dot looks for it beside the archive."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split; when left out, the published ones that lie in the root."""

    card = DatasetCard(
        fields=("depth",),
        splits=tuple(SPLITS),
        licence="by the terms of its makers",
        source="NYU Depth V2, labelled (Silberman et al. 2012)",
        depth_range=(NEAREST, FARTHEST),
        counts={"train": 795, "test": 654},
    )

    def __post_init__(self) -> None:
        require(self.mask in _MASKS, "mask", self.mask, f"among {', '.join(_MASKS)}")

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any; the mask says which pixels are scored."""
        mask = f"{_MASKS[self.mask]}, measured depth between {NEAREST:g} and {FARTHEST:g} m"
        return replace(self.card, splits=tuple(self._lists(root)) or self.card.splits, mask=mask)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of a split's photos, or their numbers in the archive. Raises `DataError` where there is none."""
        if lists := self._lists(root):
            return list(_splits.rows(lists, split, 2))
        if split not in SPLITS:
            raise DataError(f"{root}: {unknown('split', printable(split), SPLITS)}")
        if archive := labelled(root):
            return archive.keys(split, self.split_file)
        tree = _opened(root)
        names = [name for scene in tree.folders(split) for name in _photos(tree, f"{split}/{scene}")]
        if not names:
            there = f"neither nyu_depth_v2_labeled.mat nor {split}/SCENE/rgb_0001.png"
            raise DataError(f"{root}: {there}; give the folder that holds one of them, or `lists`")
        return each_with(tree, names, lambda name: _depth_of(tree, name), "unpack the depth too")

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`, also for a size that has no Eigen crop."""
        image, metres = self._read(root, key)
        sample = _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})
        return sample if self.mask == "none" else _within_crop(sample)

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and the files."""
        if not self._lists(root) and (archive := labelled(root)):
            return f"{self!r} {archive.identity(key)}"
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self._depth(root, tree, key))])

    def _read(self, root: Path, key: str) -> tuple[Tensor, np.ndarray]:
        """The photo [3, H, W], 0 to 1, and depth [H, W] in metres."""
        if not self._lists(root) and (archive := labelled(root)):
            photo, metres = archive.read(key)
            return torch.from_numpy(np.ascontiguousarray(photo, np.float32)) / 255, metres
        tree = _opened(root)
        depth = self._depth(root, tree, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        return image, _decode.depth_png(tree.read(depth), tree.where(depth), PER_METRE)

    def _lists(self, root: Path) -> Mapping[str, Path]:
        return _splits.published(self.lists, root, LISTS)

    def _depth(self, root: Path, tree: Tree, key: str) -> str:
        lists = self._lists(root)
        return _splits.row(lists, key, 2)[1] if lists else _depth_of(tree, key)


def _photos(tree: Tree, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in tree.files(folder) if _PHOTO.fullmatch(name)]


def _depth_of(tree: Tree, photo: str) -> str:
    """The name of a photo's depth: `depth_0045.png`, or `sync_depth_00045.png` where that is there."""
    folder, _, name = photo.rpartition("/")
    measured = _PHOTO.sub(r"depth_\1.png", name)
    synchronised = f"{folder}/sync_{measured}"
    return synchronised if tree.has(synchronised) else f"{folder}/{measured}"


def _within_crop(sample: Sample) -> Sample:
    """The sample with depth that is valid in the Eigen crop alone. Raises `DataError` unless it is 640 x 480."""
    valid = sample.valid["depth"]
    if valid.shape[-2:] != SIZE:
        size = f"{valid.shape[-1]} x {valid.shape[-2]}"
        raise DataError(f"{sample.key}: {size}, the Eigen crop is one of 640 x 480 pixels; set `mask: none`")
    inside = torch.zeros_like(valid)
    inside[:, TOP:BOTTOM, LEFT:RIGHT] = True
    return replace(sample, valid={"depth": valid & inside})


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: ["official_splits"], all_tars)
