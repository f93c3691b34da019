"""ETH3D: photos of 13 places with depth of a laser scanner (Schoeps et al. 2017).

As distributed, the photos and the depth of the multi-view training scenes, unpacked into one folder or each into its
own:

    SCENE/images/dslr_images/DSC_0001.JPG                   6048 x 4032
    SCENE/ground_truth_depth/dslr_images/DSC_0001.JPG       no JPEG: float32 rows, little-endian, metres; inf is none

and the published evaluation's tar, which holds `rgb/SCENE/...` and `depth/SCENE_dslr_depth/SCENE/...`, with or without
its list of `photo depth` lines.
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

NEAREST, FARTHEST = 1e-5, float("inf")
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"test": "eth3d_filename_list.txt"}
"""The file of the published list."""
_PACKED = ("_dslr_jpg", "_dslr_depth")
"""What the folders of single scenes end with."""
_PHOTOS, _DEPTHS = "images/dslr_images", "ground_truth_depth/dslr_images"


@dataclass(frozen=True)
class Eth3d(Dataset):
    """Photos with planar depth; `test` is all whose depth is public, which its makers call training."""

    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split; when left out, the published one if it lies in the root."""

    card = DatasetCard(
        fields=("depth",),
        splits=("test",),
        licence="by the terms of its makers",
        source="ETH3D, multi-view training scenes (Schoeps et al. 2017)",
        depth_range=(NEAREST, FARTHEST),
        mask="pixels with laser depth",
        counts={"test": 454},
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any."""
        return replace(self.card, splits=tuple(self._lists(root)) or self.card.splits)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and for one without depth."""
        if lists := self._lists(root):
            return list(_splits.rows(lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        folders = [f"{scene}/{_PHOTOS}" for scene in tree.folders()]
        names = [f"{folder}/{name}" for folder in folders for name in tree.files(folder) if _is_photo(name)]
        if not names:
            raise DataError(f"{root}: no photo in SCENE/{_PHOTOS}; give the folder that holds the scenes, or `lists`")
        return each_with(tree, names, _depth_of, "unpack the depth of ETH3D there")

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres; the photo says how many numbers the depth has. Raises `DataError`."""
        tree, depth = _opened(root), self._depth(root, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        height, width = image.shape[-2:]
        metres = _decode.floats(tree.read(depth), tree.where(depth), width, height)
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


def _is_photo(name: str) -> bool:
    return name.lower().endswith(".jpg")


def _depth_of(photo: str) -> str:
    return photo.replace(f"/{_PHOTOS}/", f"/{_DEPTHS}/")


def _opened(root: Path) -> Tree:
    return layered(root, _tops, all_tars)


def _tops(tree: Tree) -> list[str]:
    """Folders that hold scenes: of the published tar `rgb` and `depth/courtyard_dslr_depth`, `depth/...`."""
    outer = [name for name in tree.folders() if not _is_scene(tree, name)]
    return outer + [f"{name}/{inner}" for name in outer for inner in tree.folders(name) if inner.endswith(_PACKED)]


def _is_scene(tree: Tree, name: str) -> bool:
    return not {"images", "ground_truth_depth"}.isdisjoint(tree.folders(name))
