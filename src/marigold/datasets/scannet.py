"""ScanNet: frames of rooms with depth of a structure sensor (Dai et al. 2017).

As its tools export it, in a folder or a tar, with or without `scans` above the scenes:

    SCENE/color/000000.jpg      1296 x 968
    SCENE/depth/000000.png      640 x 480, 16 bits, millimetres; 0 is no depth

and the same with a list of `photo depth` lines for each split, as the published evaluation has them. Numbers may have
leading zeros or none. A photo of another size than its depth is resized to it.
"""

from dataclasses import dataclass
from pathlib import Path

from marigold.core.sample import Sample, resize_field
from marigold.datasets import _decode, _physical
from marigold.datasets._layers import all_tars, layered
from marigold.datasets._scenes import Scenes
from marigold.datasets._tree import Tree
from marigold.datasets.base import DatasetCard

PER_METRE = 1000
NEAREST, FARTHEST = 1e-3, 10.0
"""Metres between which depth is used, both excluded (the published evaluation)."""
LISTS = {"val": "scannet_val_sampled_list_800_1.txt"}
"""The file of the published list."""


@dataclass(frozen=True)
class ScanNet(Scenes):
    """Photos with planar depth, which the camera's depth sensor measured; `val` without lists is every frame there."""

    card = DatasetCard(
        fields=("depth",),
        splits=("val",),
        licence="by the terms of its makers",
        source="ScanNet (Dai et al. 2017)",
        depth_range=(NEAREST, FARTHEST),
        mask=f"measured depth between {NEAREST:g} and {FARTHEST:g} m",
        counts={"val": 800},
    )
    published = LISTS
    folder = "color"
    remedy = "export the depth of that scene too"

    def read(self, root: Path, key: str) -> Sample:
        """A photo, at the size of its depth, with that in metres. Raises `DataError`."""
        tree, depth = self.opened(root), self.partner(root, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        metres = _decode.depth_png(tree.read(depth), tree.where(depth), PER_METRE)
        if image.shape[-2:] != metres.shape:
            image = resize_field("image", image, *metres.shape).clamp(0, 1)
        return _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})

    def opened(self, root: Path) -> Tree:
        """What lies in the root, in `scans` there, and in tars."""
        return layered(root, lambda tree: ["scans"], all_tars)

    def photos(self, names: list[str]) -> list[str]:
        """Those whose names are numbers, in the order of these."""
        numbered = [name for name in names if name.endswith(".jpg") and name[:-4].isdecimal()]
        return sorted(numbered, key=lambda name: int(name[:-4]))

    def depth_of(self, photo: str) -> str:
        """The same number in the folder `depth`."""
        scene, _, name = photo.rsplit("/", 2)
        return f"{scene}/depth/{name[:-4]}.png"
