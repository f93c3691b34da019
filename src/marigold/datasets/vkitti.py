"""Virtual KITTI 2: rendered streets with depth (Cabon, Murray and Humenberger 2020).

As distributed, the tars of photos and of depth, unpacked into one folder or each into its own, or as they are:

    SceneXX/VARIATION/frames/rgb/Camera_{0,1}/rgb_00000.jpg        1242 x 375
    SceneXX/VARIATION/frames/depth/Camera_{0,1}/depth_00000.png    16 bits, centimetres; the sky is 65535

and one folder or tar of both with a list of `photo depth` lines for each split, as the published training has them.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from marigold.core.config import require
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._kitti import benchmark_crop
from marigold.datasets._layers import layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

SPLITS = {"train": ("Scene02", "Scene06", "Scene18", "Scene20"), "val": ("Scene01",)}
"""The scenes of each split, as the published lists have them."""
VARIATIONS = ("clone", "15-deg-left", "15-deg-right", "morning", "overcast", "sunset")
"""Those of the published lists; the others are `30-deg-left`, `30-deg-right`, `fog` and `rain`."""
CENTIMETRES = 100
NEAREST, FARTHEST = 1e-5, 80.0
"""Metres between which depth is used, both excluded (the published training)."""
_SCENE = re.compile(r"Scene\d\d")
_TAR = re.compile(r"(rgb|depth).*\.tar$|^vkitti\.tar$")
_PHOTO = re.compile(r"rgb_(\d{5})\.jpg")


@dataclass(frozen=True)
class VirtualKitti(Dataset):
    """Photos with planar depth; four scenes to train on and one to validate on."""

    variations: tuple[str, ...] = VARIATIONS
    """Weather, times of day and camera turns to read."""
    cameras: tuple[int, ...] = (0, 1)
    """The left camera is 0, the right one 1."""
    scenes: tuple[str, ...] = ()
    """Those of a split's scenes to read; empty means all."""
    crop: bool = False
    """Cut out the benchmark window of KITTI, 352 x 1216: the lowest rows, the columns in the middle."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split, in place of `variations`, `cameras` and `scenes`."""

    card = DatasetCard(
        fields=("depth",),
        splits=tuple(SPLITS),
        licence="CC-BY-NC-SA-3.0",
        source="Virtual KITTI 2 (Cabon, Murray and Humenberger 2020), synthetic",
        depth_range=(NEAREST, FARTHEST),
    )

    def __post_init__(self) -> None:
        require(set(self.cameras) <= {0, 1}, "cameras", self.cameras, "among 0 and 1")
        known = {scene for scenes in SPLITS.values() for scene in scenes}
        require(set(self.scenes) <= known, "scenes", self.scenes, f"among {', '.join(sorted(known))}")

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any."""
        card = self.card
        return DatasetCard(card.fields, tuple(self.lists) or card.splits, card.licence, card.source, card.depth_range)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of a split's photos. Raises `DataError` where a scene, variation, camera or depth is missing."""
        if self.lists:
            return list(_splits.rows(self.lists, split, 2))
        if split not in SPLITS:
            raise DataError(f"{root}: {unknown('split', split, SPLITS)}")
        tree = _opened(root)
        scenes = [scene for scene in SPLITS[split] if not self.scenes or scene in self.scenes]
        folders = [(scene, variation) for scene in scenes for variation in self.variations]
        return [name for scene, variation in folders for name in self._photos(tree, f"{scene}/{variation}/frames")]

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`."""
        tree, (photo, depth) = _opened(root), self._files(key)
        image = _decode.photo(tree.read(photo), tree.where(photo))
        metres = _decode.depth_png(tree.read(depth), tree.where(depth), CENTIMETRES)
        sample = _physical.assembled(key, image, {"depth": _physical.metres(metres, NEAREST, FARTHEST)})
        return benchmark_crop(sample) if self.crop else sample

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, self._files(key))])

    def _photos(self, tree: Tree, frames: str) -> list[str]:
        found = []
        for camera in self.cameras:
            folder = f"{frames}/rgb/Camera_{camera}"
            photos = [name for name in tree.files(folder) if _PHOTO.fullmatch(name)]
            if not photos:
                remedy = "unpack all of vkitti_2.0.3_rgb.tar there, or set `scenes`, `variations` and `cameras`"
                raise DataError(f"{tree.root}: no photo in {folder}; {remedy}")
            depths = set(tree.files(f"{frames}/depth/Camera_{camera}"))
            if missing := [name for name in photos if _depth_of(name) not in depths]:
                place = f"{frames}/depth/Camera_{camera}/{_depth_of(missing[0])}"
                raise DataError(f"{tree.root}: no {place}; unpack all of vkitti_2.0.3_depth.tar there")
            found += [f"{folder}/{name}" for name in photos]
        return found

    def _files(self, key: str) -> tuple[str, str]:
        """The names of a sample's photo and depth."""
        if self.lists:
            photo, depth = _splits.row(self.lists, key, 2)
            return photo, depth
        folder, _, name = key.rpartition("/")
        return key, f"{folder.replace('/frames/rgb/', '/frames/depth/')}/{_depth_of(name)}"


def _opened(root: Path) -> Tree:
    return layered(
        root,
        lambda tree: [name for name in tree.folders() if not _SCENE.fullmatch(name)],
        lambda tree: [name for name in tree.files() if _TAR.search(name)],
    )


def _depth_of(photo: str) -> str:
    return _PHOTO.sub(r"depth_\1.png", photo)
