"""Measured Albedo in the Wild: photographs with the measured albedo of some regions (Wu et al. 2023).

    labels/meta.csv                 a line for each photo, tab separated: colours (NPY), mask (PNG), folder, name,
                                    albedo (PNG), WHDR judgements or None; files below `labels`
    images_png/FOLDER/NAME.png      the photo

Colours are [regions, 3] in linear Adobe RGB. The values of a mask, sorted and without the first, are the regions in the
order of the colours (the data set's own evaluation).
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample, resize_field
from marigold.datasets import _decode
from marigold.datasets._layers import layered, text_of
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

TABLE = "labels/meta.csv"
# [3, 3], columns red, green, blue: to CIE XYZ at white D65, of both spaces (Adobe RGB (1998) 4.3.6.1; IEC 61966-2-1).
_XYZ_OF_ADOBE = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
_XYZ_OF_SRGB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
SRGB_OF_ADOBE = np.linalg.solve(_XYZ_OF_SRGB, _XYZ_OF_ADOBE)
"""Linear Adobe RGB to linear sRGB; white is the same in both."""


class Row(NamedTuple):
    """The files of a photo, by their names below the root."""

    colours: str
    mask: str


@dataclass(frozen=True)
class Maw(Dataset):
    """Photos with `regions`, and `annotations["region_albedo"]`; all are to evaluate on."""

    card = DatasetCard(
        fields=("regions",),
        annotations=("region_albedo",),
        splits=("test",),
        licence="by the terms of its makers",
        source="Measured Albedo in the Wild (Wu et al. 2023), photographs",
        mask="pixels of a region of measured albedo",
    )

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos in the order of the table. Raises `DataError` where there is none."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        if not tree.has(TABLE):
            raise DataError(f"{root}: no {TABLE}; give the folder into which labels.zip and images_png.zip unpack")
        return list(_rows(tree))

    def read(self, root: Path, key: str) -> Sample:
        """A photo with `regions`, their numbers from 1 and 0 for none, and `region_albedo` [regions, 3] float32: the
        albedo of region n in row n - 1, linear sRGB in 0 to 1. Raises `DataError`.
        """
        tree = _opened(root)
        row = _row(tree, key)
        image = _decode.photo(tree.read(key), tree.where(key))
        labels = numbered(_decode.integers(tree.read(row.mask), tree.where(row.mask)), tree.where(row.mask))
        count, albedo = int(labels.max()), in_srgb(tree, row.colours)
        if count > len(albedo):
            found = f"{count} regions, {len(albedo)} colours"
            raise DataError(f"{tree.where(row.mask)}: {found}; download the labels again")
        regions = resize_field("regions", labels, *image.shape[-2:])
        known = {"region_albedo": albedo[:count]}
        return Sample(key, image, {"regions": regions}, {"regions": regions > 0}, annotations=known)

    def identity(self, root: Path, key: str) -> str:
        """Of the three files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, [key, *_row(tree, key)])])


def numbered(mask: np.ndarray, where: str) -> Tensor:
    """The number of each pixel's region, [1, H, W] float32: the place of its value among all, 0 for the lowest.

    Raises `DataError` for a mask in colours.
    """
    values = mask if mask.ndim == 2 else mask[..., 0]
    if mask.ndim == 3 and (mask != values[..., None]).any():
        raise DataError(f"{where}: is in colours, where regions are levels of grey; download the labels again")
    places = np.cumsum(np.bincount(values.ravel()) > 0) - 1
    return torch.from_numpy(places.astype(np.float32)[values])[None]


def in_srgb(tree: Tree, name: str) -> Tensor:
    """The colours of a file, linear Adobe RGB, as linear sRGB, [regions, 3] cut to 0 to 1. Raises `DataError`."""
    colours = _decode.npy(tree.read(name), tree.where(name))
    if colours.ndim != 2 or colours.shape[1] != 3 or colours.dtype.kind != "f" or not np.isfinite(colours).all():
        told = f"{colours.dtype} {list(colours.shape)}"
        raise DataError(f"{tree.where(name)}: {told}, not finite colours [regions, 3]; download the labels again")
    return torch.from_numpy((colours.astype(np.float64) @ SRGB_OF_ADOBE.T).clip(0, 1).astype(np.float32))


def _row(tree: Tree, key: str) -> Row:
    if (row := _rows(tree).get(key)) is None:
        raise DataError(f"{printable(key)}: not in {tree.where(TABLE)}; scan the data set again")
    return row


def _rows(tree: Tree) -> dict[str, Row]:
    """The files of every photo by its name. Raises `DataError`."""
    rows = {}
    for number, row in enumerate(csv.reader(text_of(tree, TABLE).splitlines(), delimiter="\t"), start=1):
        if row and len(row) < 4:
            raise DataError(f"{tree.where(TABLE)}: line {number} has {len(row)} columns, not 6; download it again")
        if row:
            rows[f"images_png/{row[2]}/{row[3]}.png"] = Row(f"labels/{row[0]}", f"labels/{row[1]}")
    if not rows:
        raise DataError(f"{tree.where(TABLE)}: names no photo; download it again")
    return rows


def _opened(root: Path) -> Tree:
    return layered(root)
