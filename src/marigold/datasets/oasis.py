"""OASIS: photos of the web with normals that people drew (Chen et al. 2020), as its makers distribute it.

    OASIS_trainval/image/NAME.png
    OASIS_trainval/normal/NAME.pkl              a box of the photo with vectors, both of its ends inside
    OASIS_trainval/OASIS_{train,val}.csv        14 columns: the photo first, the normals fourth or nothing

Vectors are stored with x right, y down, z towards the viewer, by DSINE's reader of the same files; what is 0 is none.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _normal_files, _physical
from marigold.datasets._layers import layered, text_of
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

_TOP = "OASIS_trainval"
_NORMALS = 3
"""The column of the normals, counted from 0."""


@dataclass(frozen=True)
class Oasis(Dataset):
    """Photos with normals in a part of them, by OASIS' own splits."""

    card = DatasetCard(
        fields=("normals",),
        splits=("train", "val"),
        licence="by the terms of its makers",
        source="OASIS (Chen et al. 2020), photographs with normals that people drew",
        mask="pixels of the box with a normal that is not 0",
        counts={"val": 10000},
    )

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos with normals, in the order of the table. Raises `DataError` where there is none."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree, name = _opened(root), f"OASIS_{split}.csv"
        if not tree.has(name):
            raise DataError(f"{root}: no {name}; give the folder that holds {_TOP}")
        rows = csv.reader(text_of(tree, name).splitlines()[1:])
        keys = [key for number, row in enumerate(rows, start=2) if (key := _key(row, f"{tree.where(name)}: {number}"))]
        if not keys:
            raise DataError(f"{tree.where(name)}: no photo with normals; download it again")
        return list(dict.fromkeys(keys))

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its normals. Raises `DataError`."""
        tree = _opened(root)
        image = _decode.photo(tree.read(key), tree.where(key))
        height, width = image.shape[-2:]
        return _physical.assembled(key, image, {"normals": _normal_files.dsine(tree, _beside(key), (height, width))})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(_beside(key))])


def _key(row: list[str], where: str) -> str:
    """The name of the photo of a line that has normals, or nothing. Raises `DataError`."""
    if not row:
        return ""
    if len(row) <= _NORMALS:
        raise DataError(f"{where}: {len(row)} columns, not the 14 of OASIS; download it again")
    photo, normals = (row[column].strip().rpartition("/")[2] for column in (0, _NORMALS))
    if not normals:
        return ""
    if _beside(f"image/{photo}") != f"normal/{normals}":
        raise DataError(f"{where}: {printable(normals)} is not called like {printable(photo)}; download it again")
    return f"image/{photo}"


def _beside(key: str) -> str:
    """The normals of a photo."""
    return f"normal/{key.rpartition('/')[2].rpartition('.')[0]}.pkl"


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: [_TOP])
