"""Middlebury 2014: photos of still lifes with depth of structured light (Scharstein et al. 2014).

As distributed, the scenes at full size, or those of the third stereo evaluation at full, half and quarter size:

    SCENE-{perfect,imperfect}/{im0.png,disp0.pfm,calib.txt}
    MiddEval3/training{F,H,Q}/SCENE/{im0.png,disp0GT.pfm,mask0nocc.png,calib.txt}

Disparity is in pixels of the left photo and infinite where there is none. With `cam0=[f ...]`, `doffs` and `baseline`
in millimetres of `calib.txt`, depth is baseline * f / (disparity + doffs).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical
from marigold.datasets._layers import all_tars, each_with, layered, text_of
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

FULL = ("perfect", "imperfect")
EVALUATION = ("trainingF", "trainingH", "trainingQ")
MILLIMETRES = 1000
_SEEN_TWICE = 255
"""Of `mask0nocc.png`: 128 is hidden from the right camera, 0 has no disparity."""
_TOPS = ("MiddEval3", "middlebury2014", "Middlebury2014")
_CAMERA = re.compile(r"\[\s*([^\s;\]]+)[^\]]*\]")


@dataclass(frozen=True)
class Middlebury(Dataset):
    """Photos with planar depth; all scenes whose disparity is public are the split `test`."""

    variant: Literal["perfect", "imperfect", "trainingF", "trainingH", "trainingQ"] = "perfect"
    """The scenes to read: at full size, with rectification that is perfect or not, or those of the third evaluation at
    full, half or quarter size."""
    mask: Literal["all", "nonoccluded"] = "all"
    """Score all pixels with disparity, or those alone that both cameras see, which the third evaluation tells."""

    card = DatasetCard(
        fields=("depth",),
        splits=("test",),
        licence="by the terms of its makers",
        source="Middlebury stereo 2014 (Scharstein et al. 2014)",
        mask="pixels with disparity",
    )

    def __post_init__(self) -> None:
        variants = (*FULL, *EVALUATION)
        require(self.variant in variants, "variant", self.variant, f"among {', '.join(variants)}")
        known = ("all", "nonoccluded") if self.variant in EVALUATION else ("all",)
        require(self.mask in known, "mask", self.mask, f"among {', '.join(known)} of `variant: {self.variant}`")

    def card_of(self, root: Path) -> DatasetCard:
        """The mask says which pixels are scored."""
        seen = " that both cameras see" if self.mask == "nonoccluded" else ""
        return replace(self.card, mask=f"{self.card.mask}{seen}", source=f"{self.card.source}, {self.variant}")

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and where a file is missing."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        names = [f"{folder}/im0.png" for folder in self._scenes(tree) if tree.has(f"{folder}/im0.png")]
        if not names:
            there = f"SCENE-{self.variant}/im0.png" if self.variant in FULL else f"{self.variant}/SCENE/im0.png"
            raise DataError(f"{root}: no {there}; give the folder that holds it, or another `variant`")
        for place in range(len(self._beside(""))):
            each_with(tree, names, lambda name, place=place: self._beside(name)[place], "unpack all of that scene")
        return names

    def read(self, root: Path, key: str) -> Sample:
        """A left photo with its depth in metres. Raises `DataError`."""
        tree, (calibration, disparity, *masks) = _opened(root), self._beside(key)
        image = _decode.photo(tree.read(key), tree.where(key))
        pixels = _decode.pfm(tree.read(disparity), tree.where(disparity))
        focal, baseline, offset = _calibration(tree, calibration, pixels)
        millimetres = _physical.triangulated(pixels, focal, baseline, offset)
        depth = _physical.metres(millimetres / MILLIMETRES, 0, float("inf"))
        for name in masks:
            seen = _decode.integers(tree.read(name), tree.where(name)) == _SEEN_TWICE
            depth = _physical.where_allowed(depth, seen, tree.where(name))
        return _physical.assembled(key, image, {"depth": depth})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, (key, *self._beside(key)))])

    def _scenes(self, tree: Tree) -> list[str]:
        if self.variant in EVALUATION:
            return [f"{self.variant}/{scene}" for scene in tree.folders(self.variant)]
        return [scene for scene in tree.folders() if scene.endswith(f"-{self.variant}")]

    def _beside(self, photo: str) -> list[str]:
        """The names of a photo's calibration, disparity and, where it is used, mask."""
        disparity = "disp0GT.pfm" if self.variant in EVALUATION else "disp0.pfm"
        masks = ["mask0nocc.png"] if self.mask == "nonoccluded" else []
        folder = photo.rpartition("/")[0]
        return [f"{folder}/{name}" for name in ("calib.txt", disparity, *masks)]


def _calibration(tree: Tree, name: str, disparity: np.ndarray) -> tuple[float, float, float]:
    """Focal length in pixels, baseline in millimetres and `doffs` in pixels of a `calib.txt`.

    Raises `DataError` where one is missing or no number, and for that of another size than the disparity's.
    """
    lines = (line.partition("=") for line in text_of(tree, name).splitlines())
    values = {key.strip(): value.strip() for key, _, value in lines}
    camera = _CAMERA.match(values.get("cam0", ""))
    try:
        focal, baseline, offset = (float(text) for text in (camera[1], values["baseline"], values["doffs"]))  # type: ignore[index]
        width, height = int(values["width"]), int(values["height"])
    except (KeyError, TypeError, ValueError):
        wanted = "cam0=[f ...], doffs, baseline, width and height"
        raise DataError(f"{tree.where(name)}: has not the numbers {wanted}; download it again") from None
    if not (np.isfinite([focal, baseline, offset]).all() and focal > 0 and baseline > 0):
        raise DataError(f"{tree.where(name)}: its focal length or baseline is not above 0; download it again")
    if (height, width) != disparity.shape:
        size = f"{disparity.shape[1]} x {disparity.shape[0]}"
        raise DataError(f"{tree.where(name)}: is of {width} x {height}, the disparity {size}; take that of this size")
    return focal, baseline, offset


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: _TOPS, all_tars)
