"""Intrinsic Images in the Wild: photographs, and which of two points people see as darker (Bell et al. 2014).

    data/ID.png         the photo
    data/ID.json        intrinsic_points [{id, x, y, opaque}], places as shares of width and height;
                        intrinsic_comparisons [{point1, point2, darker, darker_score}], darker "1", "2" or "E" (equal)

A judgement counts with the weight `darker_score` if it is 1, 2 or E, its weight is above 0, and both of its points are
opaque (the data set's own `whdr.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.documents import from_json
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode
from marigold.datasets._layers import layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

DARKER = {"E": 0, "1": 1, "2": 2}
"""Which point of a pair is darker, 0 for neither."""
EVERY = 5
"""The first of every five photos, in the order of their numbers, is in `test` (Narihira et al. 2015).

That is their `test` only where all photos are there, as the count tells.
"""
_PHOTO = re.compile(r"(\d+)\.png")


@dataclass(frozen=True)
class Iiw(Dataset):
    """Photos without maps: `annotations["judgements"]` holds what people see."""

    card = DatasetCard(
        fields=(),
        annotations=("judgements",),
        splits=("train", "test"),
        licence="of each photo by its owner; of the judgements by the terms of its makers",
        source="Intrinsic Images in the Wild (Bell et al. 2014), photographs",
        mask="judgements 1, 2 or E with a weight above 0 of two opaque points",
        counts={"train": 4184, "test": 1046, "train+test": 5230},
    )

    def scan(self, root: Path, split: str) -> list[str]:
        """The photos of a split in the order of their numbers, or of all 5230 by `train+test`.

        Raises `DataError` where there is none, and for a photo without judgements.
        """
        parts = split.split("+")
        for part in parts:
            if part not in self.card.splits:
                raise DataError(f"{root}: {unknown('split', printable(part), self.card.splits)}")
        tree = _opened(root)
        files = tree.files()
        photos = sorted((name for name in files if _PHOTO.fullmatch(name)), key=lambda name: int(name[:-4]))
        if not photos:
            raise DataError(f"{root}: no ID.png; give the folder of Intrinsic Images in the Wild that holds `data`")
        _check_judged(tree, photos, set(files))
        return [name for place, name in enumerate(photos) if ("train" if place % EVERY else "test") in parts]

    def read(self, root: Path, key: str) -> Sample:
        """A photo with `judgements` [N, 6] float64: x1, y1, x2, y2 as shares of width and height in 0 to 1, which
        point is darker (`DARKER`), and the weight. N is 0 where no judgement counts. Raises `DataError`.
        """
        tree = _opened(root)
        image = _decode.photo(tree.read(key), tree.where(key))
        return Sample(key, image, {}, {}, annotations={"judgements": judgements(tree, _beside(key))})

    def identity(self, root: Path, key: str) -> str:
        """Of both files."""
        tree = _opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(_beside(key))])


def judgements(tree: Tree, name: str) -> Tensor:
    """Those of a file that count, [N, 6]. Raises `DataError`."""
    try:
        document = from_json(tree.read(name))
        points = {point["id"]: point for point in document["intrinsic_points"]}
        rows = list(_rows(document["intrinsic_comparisons"], points))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        words = printable(" ".join(str(error).split())[:200])
        raise DataError(f"{tree.where(name)}: no judgements of points ({words}); download it again") from error
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)


def _rows(comparisons: list[dict[str, Any]], points: dict[Any, dict[str, Any]]) -> Iterator[list[float]]:
    for judged in comparisons:
        weight = judged["darker_score"]
        if judged["darker"] not in DARKER or weight is None or not 0 < weight < float("inf"):
            continue
        pair = [points[judged[name]] for name in ("point1", "point2")]
        if all(point["opaque"] is True for point in pair):
            yield [*(_place(point[axis]) for point in pair for axis in ("x", "y")), DARKER[judged["darker"]], weight]


def _place(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"a point at {share}, which is no share of the photo")
    return float(share)


def _check_judged(tree: Tree, photos: list[str], files: set[str]) -> None:
    for name in photos:
        if _beside(name) not in files:
            raise DataError(f"{tree.where(name)}: has no {_beside(name)}; unpack the whole data set there")


def _beside(key: str) -> str:
    """The judgements of a photo."""
    return f"{key.removesuffix('.png')}.json"


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: ["data", "iiw-dataset/data"])
