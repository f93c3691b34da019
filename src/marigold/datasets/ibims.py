"""iBims-1: 100 photos of rooms with depth of a laser scanner (Koch et al. 2018).

As distributed, in a folder or a tar, with or without the folder of the archive above:

    ibims1_core_mat/NAME.mat                                            the structure `data`: rgb, depth in metres,
                                                                        mask_invalid, mask_transp, edges
    ibims1_core_raw/{rgb,depth,mask_invalid,mask_transp}/NAME.png       depth in 16 bits, 65535 is 50 m
    ibims1_core_raw/edges/NAME.png                                      read where it is there
    imagelist.txt                                                       the names, one a line; not needed

Both masks are 1 where depth may be used, in spite of their names; depth of 0 is none. The map `edges` has what the
makers drew for their depth boundary error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical
from marigold.datasets._layers import all_tars, each_with, layered, text_of
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

FARTHEST = 50.0
"""Metres that the largest number of a stored depth stands for."""
MASKS = ("mask_invalid", "mask_transp")
_TOPS = ("ibims1_core_mat", "ibims1_core_raw")
_LIST = "imagelist.txt"
_EDGES = "edges"
_LAYOUTS = ("auto", "mat", "raw")


@dataclass(frozen=True)
class Ibims(Dataset):
    """Photos with planar depth; all of them are the split `test`."""

    layout: Literal["auto", "mat", "raw"] = "auto"
    """The archive to read: MATLAB files, whose depth is not rounded, or pictures; `auto` reads the first that is there.
    """

    card = DatasetCard(
        fields=("depth",),
        splits=("test",),
        licence="by the terms of its makers",
        source="iBims-1 (Koch et al. 2018)",
        depth_range=(1e-3, FARTHEST),
        mask="pixels with laser depth that both of its masks allow",
        counts={"test": 100},
    )

    def __post_init__(self) -> None:
        require(self.layout in _LAYOUTS, "layout", self.layout, f"among {', '.join(_LAYOUTS)}")

    def scan(self, root: Path, split: str) -> list[str]:
        """The names, in the order of `imagelist.txt` if that is there. Raises `DataError` where a file is missing."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        names = _listed(tree) or (_matlab(tree) if self._is_matlab(tree) else _pictures(tree))
        if not names:
            raise DataError(f"{root}: neither NAME.mat nor rgb/NAME.png; give the folder of ibims1_core_mat or _raw")
        for place in range(len(self._files(tree, ""))):
            each_with(tree, names, lambda name, place=place: self._files(tree, name)[place], "unpack all of iBims-1")
        return names

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its depth in metres. Raises `DataError`, and `MissingExtraError` without scipy for .mat."""
        tree = _opened(root)
        image, metres, masks, edges = (_of_matlab if self._is_matlab(tree) else _of_pictures)(
            tree, self._files(tree, key)
        )
        depth = _physical.metres(metres, 0, float("inf"))
        for name, mask in zip(MASKS, masks, strict=True):
            depth = _physical.where_allowed(depth, mask, f"{tree.where('')}: {name} of {printable(key)}")
        drawn = (
            {} if edges is None else {"edges": _physical.drawn(edges, f"{tree.where('')}: edges of {printable(key)}")}
        )
        return _physical.assembled(key, image, {"depth": depth, **drawn})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files."""
        tree = _opened(root)
        return " ".join([repr(self), *map(tree.identity, self._files(tree, key))])

    def _is_matlab(self, tree: Tree) -> bool:
        return self.layout == "mat" or (self.layout == "auto" and bool(_matlab(tree)))

    def _files(self, tree: Tree, key: str) -> list[str]:
        """The names of a sample's files."""
        if self._is_matlab(tree):
            return [f"{key}.mat"]
        return [f"{folder}/{key}.png" for folder in ("rgb", "depth", *MASKS)]


Parts = tuple[torch.Tensor, np.ndarray, list[np.ndarray], np.ndarray | None]
"""The photo [3, H, W], depth [H, W] in metres, the masks [H, W], and the edges [H, W] where they are there."""


def _of_matlab(tree: Tree, files: list[str]) -> Parts:
    (name,) = files
    where = tree.where(name)
    stored = _decode.matlab(tree.read(name), where, "data")
    wanted = ("rgb", "depth", *MASKS)
    if missing := [field for field in wanted if field not in (stored.dtype.names or ()) or stored.size != 1]:
        raise DataError(f"{where}: its structure `data` has no {', '.join(missing)}; download it again")
    photo, metres, *masks = (np.asarray(stored[field].reshape(-1)[0]) for field in wanted)
    if photo.ndim != 3 or photo.shape[-1] != 3 or photo.dtype != np.uint8 or metres.ndim != 2:
        told = f"rgb is {photo.dtype} {list(photo.shape)}, depth {metres.dtype} {list(metres.shape)}"
        raise DataError(f"{where}: {told}; download it again")
    image = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1), np.float32)) / 255
    edges = np.asarray(stored[_EDGES].reshape(-1)[0]) if _EDGES in (stored.dtype.names or ()) else None
    return image, metres, masks, edges


def _of_pictures(tree: Tree, files: list[str]) -> Parts:
    photo, depth, *masks = files
    image = _decode.photo(tree.read(photo), tree.where(photo))
    metres = _decode.depth_png(tree.read(depth), tree.where(depth), 65535 / FARTHEST)
    drawn = photo.replace("rgb/", f"{_EDGES}/", 1)
    edges = _decode.integers(tree.read(drawn), tree.where(drawn)) if tree.has(drawn) else None
    return image, metres, [_decode.integers(tree.read(name), tree.where(name)) for name in masks], edges


def _listed(tree: Tree) -> list[str]:
    lines = text_of(tree, _LIST).splitlines() if tree.has(_LIST) else []
    return [line.strip() for line in lines if line.strip()]


def _matlab(tree: Tree) -> list[str]:
    return [name.removesuffix(".mat") for name in tree.files() if name.endswith(".mat")]


def _pictures(tree: Tree) -> list[str]:
    return [name.removesuffix(".png") for name in tree.files("rgb") if name.endswith(".png")]


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: _TOPS, all_tars)
