"""Booster: photos of rooms with mirrors and glass, whose disparity was measured on paint (Ramirez et al. 2022).

As distributed, the training part, in a folder or a tar:

    train/balanced/SCENE/camera_00/im0.png          4112 x 3008; the same view in several kinds of light
    train/balanced/SCENE/disp_00.npy                disparity in pixels of these photos; 0 is none
    train/balanced/SCENE/mask_00.png                0 is invalid
    train/balanced/SCENE/mask_cat.png               the kind of the surface by number
    train/balanced/SCENE/calib_00-02.xml            OpenCV's `proj_matL`, `proj_matR`

With f = proj_matL[0, 0] and the baseline -proj_matR[0, 3] / f in millimetres, depth is f * baseline / disparity.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical
from marigold.datasets._layers import all_tars, each_with, layered
from marigold.datasets._opencv import matrix
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

MILLIMETRES = 1000
_SCENES = "train/balanced"
_CALIBRATION, _DISPARITY, _MASK, _KINDS = "calib_00-02.xml", "disp_00.npy", "mask_00.png", "mask_cat.png"


@dataclass(frozen=True)
class Booster(Dataset):
    """Left photos with planar depth; the training scenes, whose disparity is public, are the split `test`."""

    kinds: tuple[int, ...] = ()
    """Score only surfaces whose number in `mask_cat.png` is one of these; empty means all."""

    card = DatasetCard(
        fields=("depth",),
        splits=("test",),
        licence="by the terms of its makers",
        source="Booster, balanced training scenes (Ramirez et al. 2022)",
        mask="pixels with disparity that its mask allows",
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The mask says which pixels are scored."""
        kinds = f", of the kinds {', '.join(map(str, self.kinds))}" if self.kinds else ""
        return replace(self.card, mask=f"{self.card.mask}{kinds}")

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and where a file is missing."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        folders = [f"{_SCENES}/{scene}/camera_00" for scene in tree.folders(_SCENES)]
        names = [f"{folder}/{name}" for folder in folders for name in tree.files(folder) if _is_photo(name)]
        if not names:
            raise DataError(f"{root}: no {_SCENES}/SCENE/camera_00/im0.png; give the folder that holds `train`")
        for place in range(len(self._beside("//"))):
            each_with(tree, names, lambda name, place=place: self._beside(name)[place], "unpack all of that scene")
        return names

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`."""
        tree, (calibration, disparity, mask, *kinds) = _opened(root), self._beside(key)
        image = _decode.photo(tree.read(key), tree.where(key))
        pixels = _decode.npy(tree.read(disparity), tree.where(disparity))
        if pixels.ndim != 2 or pixels.dtype.kind != "f":
            told = f"{pixels.dtype} {list(pixels.shape)}"
            raise DataError(f"{tree.where(disparity)}: {told}, not disparity [H, W]; download it again")
        millimetres = _physical.triangulated(pixels, *_camera(tree, calibration))
        depth = _physical.metres(millimetres / MILLIMETRES, 0, float("inf"))
        depth = _physical.where_allowed(depth, _decode.integers(tree.read(mask), tree.where(mask)), tree.where(mask))
        for name in kinds:
            chosen = np.isin(_decode.integers(tree.read(name), tree.where(name)), self.kinds)
            depth = _physical.where_allowed(depth, chosen, tree.where(name))
        return _physical.assembled(key, image, {"depth": depth})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, (key, *self._beside(key)))])

    def _beside(self, photo: str) -> list[str]:
        """The names of a photo's calibration, disparity, mask and, where they are used, kinds of surfaces."""
        scene = photo.rsplit("/", 2)[0]
        return [f"{scene}/{name}" for name in (_CALIBRATION, _DISPARITY, _MASK, *([_KINDS] if self.kinds else []))]


def _camera(tree: Tree, name: str) -> tuple[float, float]:
    """Focal length in pixels and baseline in millimetres. Raises `DataError`."""
    content, where = tree.read(name), tree.where(name)
    left, right = (matrix(content, where, f"proj_mat{side}") for side in "LR")
    if left.shape != (3, 4) or right.shape != (3, 4) or left[0, 0] <= 0 or right[0, 3] >= 0:
        raise DataError(f"{where}: proj_matL and proj_matR are not those of two cameras, 3 x 4; download it again")
    return left[0, 0], -right[0, 3] / left[0, 0]


def _is_photo(name: str) -> bool:
    return name.startswith("im") and name.endswith(".png")


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: ["booster_gt", "Booster", "booster"], all_tars)
