"""The evaluation archive of DSINE (Bae & Davison 2024): photos with normals of six sets, in one layout.

    dsine_eval/nyuv2/test/000000_{img,normal}.png               8 bits
    dsine_eval/scannet/SCENE/000000_{img,normal}.png            8 bits
    dsine_eval/vkitti/SCENE/000000_{img.jpg,normal.png}         16 bits
    dsine_eval/ibims/ibims/NAME_{img.png,normal.exr}
    dsine_eval/sintel/SEQUENCE/frame_0001_{img.png,normal.exr}
    dsine_eval/oasis/val/NAME_{img.png,normal.pkl}              OASIS' own file

Stored are x left, y up, z towards the viewer, but in OASIS' file. `NAME_intrins.npy` is not needed.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _normal_files, _physical, _splits
from marigold.datasets._layers import Layers
from marigold.datasets._normal_files import DSINE
from marigold.datasets._tree import Tree, opened
from marigold.datasets.base import Dataset, DatasetCard

COUNTS = {"nyuv2": 654, "scannet": 300, "ibims": 100, "sintel": 1064, "vkitti": 1000, "oasis": 10000}
"""How many photos the archive's list of each set has."""
_FOLDERS = {"nyuv2": "test/", "oasis": "val/"}
"""Where the photos of a set lie that has others too."""


@dataclass(frozen=True)
class Dsine(Dataset):
    """Photos with normals; all are to evaluate on."""

    set: Literal["nyuv2", "scannet", "ibims", "sintel", "vkitti", "oasis"] = "nyuv2"
    """Which set of the archive to read."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of photos for each split, as the archive's code has them; without, `test` is every photo with normals."""

    card = DatasetCard(
        fields=("normals",),
        splits=("test",),
        licence="by the terms of the makers of each set",
        source="the evaluation data of DSINE (Bae & Davison 2024)",
        mask="pixels with a normal: not black in PNG, longer than 0.5 in OpenEXR, not 0 in OASIS' box",
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The count of the set, and the splits of `lists` where there are any."""
        return replace(self.card, splits=tuple(self.lists) or self.card.splits, counts={"test": COUNTS[self.set]})

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos below the folder of the set. Raises `DataError` where there is none."""
        if self.lists:
            return [key for (key,) in _splits.rows(self.lists, split, 1).values()]
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        folder = _FOLDERS.get(self.set, "")
        found = [key for key in _normal_files.photos(self._opened(root), DSINE) if key.startswith(folder)]
        if not found:
            raise DataError(f"{root}: no photo with normals of `{self.set}`; give the folder that holds dsine_eval")
        return found

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its normals. Raises `DataError`."""
        tree = self._opened(root)
        image = _decode.photo(tree.read(key), tree.where(key))
        name = _normal_files.normals_of(tree, key, DSINE)
        height, width = image.shape[-2:]
        return _physical.assembled(key, image, {"normals": _normal_files.dsine(tree, name, (height, width))})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = self._opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(_normal_files.normals_of(tree, key, DSINE))])

    def _opened(self, root: Path) -> Tree:
        """The tree of the set: below the root, or the root itself."""
        whole = opened(root)
        tops = [top for top in whole.folders() if top == "dsine_eval"]
        above = next((f"{top}/" for top in tops), "")
        return Layers(root, [(whole, f"{above}{self.set}" if self.set in whole.folders(above.rstrip("/")) else "")])
