"""Normals as the published evaluation of Marigold has them: photos with vectors in NPY, a folder or tar for a set.

    NAME_img.png NAME_normal.npy                in nyuv2, ibims and oasis; below SCENE/ in scannet
    indoors/SCENE/SCAN/NAME.png NAME_normal.npy and outdoor/..., in diode

Vectors are [H, W, 3], x right, y up, z towards the viewer, and 0 where there is none (Ke et al. 2025). Their axes come
converted, so that this reads no set as its makers distribute it: `dsine` and `oasis` do.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _normal_files, _physical, _splits
from marigold.datasets._layers import layered
from marigold.datasets._normal_files import PUBLISHED
from marigold.datasets._tree import Tree, opened
from marigold.datasets.base import Dataset, DatasetCard

COUNTS = {"nyuv2": 654, "scannet": 300, "ibims": 100, "diode": 771, "oasis": 9999}
"""How many photos the published list of each set has."""


@dataclass(frozen=True)
class PublishedNormals(Dataset):
    """Photos with normals; all are to evaluate on."""

    set: Literal["nyuv2", "scannet", "ibims", "diode", "oasis"] = "nyuv2"
    """Which set it is; its files are found by their names, and this says how many there are to be."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo normals` lines for each split; without, `test` is every photo with normals beside it."""

    card = DatasetCard(
        fields=("normals",),
        splits=("test",),
        licence="by the terms of the makers of each set",
        source="the evaluation data of Marigold (Ke et al. 2025), photographs with normals of NYUv2, ScanNet, ...",
        mask="pixels with a normal of a length above 0",
    )

    def card_of(self, root: Path) -> DatasetCard:
        """The count of the set, and the splits of `lists` where there are any."""
        return replace(self.card, splits=tuple(self.lists) or self.card.splits, counts={"test": COUNTS[self.set]})

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none."""
        if self.lists:
            return list(_splits.rows(self.lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        if not (found := _normal_files.photos(opened(root), PUBLISHED)):
            raise DataError(f"{root}: no NAME_normal.npy; give the folder or tar of `{self.set}`, or `lists`")
        return found

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its normals. Raises `DataError`."""
        tree = layered(root)
        image = _decode.photo(tree.read(key), tree.where(key))
        return _physical.assembled(key, image, {"normals": _normal_files.published(tree, self._normals(tree, key))})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = layered(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self._normals(tree, key))])

    def _normals(self, tree: Tree, key: str) -> str:
        return _splits.row(self.lists, key, 2)[1] if self.lists else _normal_files.normals_of(tree, key, PUBLISHED)
