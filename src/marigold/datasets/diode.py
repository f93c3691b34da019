"""DIODE: photos indoors and outdoors with depth of a laser scanner (Vasiljevic et al. 2019).

As distributed, in a folder or a tar, with or without `val` above:

    val/{indoors,outdoor}/scene_00019/scan_00183/NAME.png               1024 x 768
    val/{indoors,outdoor}/scene_00019/scan_00183/NAME_depth.npy         float32 [768, 1024, 1], planar, metres
    val/{indoors,outdoor}/scene_00019/scan_00183/NAME_depth_mask.npy    float32 or float64; 0 is invalid

and the same with a list of `photo depth mask` lines for each split, as the published evaluation has them. It uses depth
wherever the mask allows it, also out of the range to which it clips predictions. The axes of `NAME_normal.npy` are
unconfirmed, so these are not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._layers import all_tars, each_with, layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

NEAREST, FARTHEST = 0.6, 350.0
"""Metres to which the published evaluation clips predictions."""
LISTS = {
    "val": "diode_val_all_filename_list.txt",
    "indoors": "diode_val_indoor_filename_list.txt",
    "outdoor": "diode_val_outdoor_filename_list.txt",
}
"""The files of the published lists."""
PARTS = ("indoors", "outdoor")
_REMEDY = "unpack all of the depth of DIODE's validation there"


@dataclass(frozen=True)
class Diode(Dataset):
    """The validation photos with planar depth: `indoors`, `outdoor`, and `val`, which is both."""

    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth mask` lines for each split; when left out, the published ones that lie in the root."""

    card = DatasetCard(
        fields=("depth",),
        splits=PARTS,
        licence="by the terms of its makers",
        source="DIODE, validation (Vasiljevic et al. 2019)",
        depth_range=(NEAREST, FARTHEST),
        mask="pixels that DIODE's own mask allows",
        counts={"val": 771, "indoors": 325, "outdoor": 446},
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any; without, `val` is read too but holds the others."""
        return replace(self.card, splits=tuple(self._lists(root)) or self.card.splits)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and for one without depth or mask."""
        if lists := self._lists(root):
            return list(_splits.rows(lists, split, 3))
        if split not in ("val", *PARTS):
            raise DataError(f"{root}: {unknown('split', printable(split), ('val', *PARTS))}")
        tree, parts = _opened(root), PARTS if split == "val" else (split,)
        names = [name for part in parts for name in _photos(tree, part)]
        if not names:
            folders = " or ".join(f"val/{part}" for part in parts)
            raise DataError(f"{root}: no photo in {folders}; give the folder that holds `val`, or `lists`")
        for place in (0, 1):
            each_with(tree, names, lambda name, place=place: _beside(name)[place], _REMEDY)
        return names

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`."""
        tree, (depth, mask) = _opened(root), self._files(root, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        metres = _decode.npy(tree.read(depth), tree.where(depth))
        if metres.ndim not in (2, 3) or metres.shape[2:] not in ((), (1,)) or metres.dtype.kind != "f":
            told = f"{metres.dtype} {list(metres.shape)}"
            raise DataError(f"{tree.where(depth)}: {told}, not depth [H, W, 1]; download it again")
        measured = _physical.metres(metres.reshape(metres.shape[:2]), 0, float("inf"))
        allowed = _decode.npy(tree.read(mask), tree.where(mask))
        field = _physical.where_allowed(measured, allowed, tree.where(mask))
        return _physical.assembled(key, image, {"depth": field})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and the three files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, (key, *self._files(root, key)))])

    def _lists(self, root: Path) -> Mapping[str, Path]:
        return _splits.published(self.lists, root, LISTS)

    def _files(self, root: Path, key: str) -> tuple[str, str]:
        """The names of a photo's depth and mask."""
        if lists := self._lists(root):
            _, depth, mask = _splits.row(lists, key, 3)
            return depth, mask
        return _beside(key)


def _photos(tree: Tree, part: str) -> list[str]:
    scans = [f"{part}/{scene}/{scan}" for scene in tree.folders(part) for scan in tree.folders(f"{part}/{scene}")]
    return [f"{scan}/{name}" for scan in scans for name in tree.files(scan) if name.endswith(".png")]


def _beside(photo: str) -> tuple[str, str]:
    stem = photo.removesuffix(".png")
    return f"{stem}_depth.npy", f"{stem}_depth_mask.npy"


def _opened(root: Path) -> Tree:
    tree = layered(root, lambda tree: ["val"], all_tars)
    if tree.wrapper() == "train":
        raise DataError(f"{root}: has the folder `train` alone; give the folder that holds `val`")
    return tree
