"""ETH3D: photos of 13 places with depth of a laser scanner (Schoeps et al. 2017).

As distributed, the photos and the depth of the multi-view training scenes, unpacked into one folder or each into its
own:

    SCENE/images/dslr_images/DSC_0001.JPG                   6048 x 4032
    SCENE/ground_truth_depth/dslr_images/DSC_0001.JPG       no JPEG: float32 rows, little-endian, metres; inf is none

and the published evaluation's tar, which holds `rgb/SCENE/...` and `depth/SCENE_dslr_depth/SCENE/...`, with or without
its list of `photo depth` lines.
"""

from dataclasses import dataclass
from pathlib import Path

from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical
from marigold.datasets._layers import all_tars, layered
from marigold.datasets._scenes import Scenes
from marigold.datasets._tree import Tree
from marigold.datasets.base import DatasetCard

NEAREST, FARTHEST = 1e-5, float("inf")
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"test": "eth3d_filename_list.txt"}
"""The file of the published list."""
_PACKED = ("_dslr_jpg", "_dslr_depth")
"""What the folders of single scenes end with."""
_PHOTOS, _DEPTHS = "images/dslr_images", "ground_truth_depth/dslr_images"


@dataclass(frozen=True)
class Eth3d(Scenes):
    """Photos with planar depth; `test` is all whose depth is public, which its makers call training."""

    card = DatasetCard(
        fields=("depth",),
        splits=("test",),
        licence="by the terms of its makers",
        source="ETH3D, multi-view training scenes (Schoeps et al. 2017)",
        depth_range=(NEAREST, FARTHEST),
        mask="pixels with laser depth",
        counts={"test": 454},
    )
    published = LISTS
    folder = _PHOTOS
    remedy = "unpack the depth of ETH3D there"

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres; the photo says how many numbers the depth has. Raises `DataError`."""
        tree, depth = self.opened(root), self.partner(root, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        height, width = image.shape[-2:]
        metres = _decode.floats(tree.read(depth), tree.where(depth), width, height)
        return _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})

    def opened(self, root: Path) -> Tree:
        """What lies in the root, in the folders of the published tar, and in tars."""
        return layered(root, _tops, all_tars)

    def photos(self, names: list[str]) -> list[str]:
        """Those that end as a JPEG does."""
        return [name for name in names if name.lower().endswith(".jpg")]

    def depth_of(self, photo: str) -> str:
        """The same name in the folder of depth."""
        return photo.replace(f"/{_PHOTOS}/", f"/{_DEPTHS}/")


def _tops(tree: Tree) -> list[str]:
    """Folders that hold scenes: of the published tar `rgb` and `depth/courtyard_dslr_depth`, `depth/...`."""
    outer = [name for name in tree.folders() if not _is_scene(tree, name)]
    return outer + [f"{name}/{inner}" for name in outer for inner in tree.folders(name) if inner.endswith(_PACKED)]


def _is_scene(tree: Tree, name: str) -> bool:
    return not {"images", "ground_truth_depth"}.isdisjoint(tree.folders(name))
