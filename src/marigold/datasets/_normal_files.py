"""The published evaluation data of normals: where a photo's normals lie, and what their files hold.

Two layouts, in which a photo and its normals share the start of their names:

    NAME_img.png or NAME.png, NAME_normal.npy           the published lists of Marigold: x right, y up, z to the viewer
    NAME_img.{png,jpg}, NAME_normal.{png,exr,pkl}       the archive of DSINE: x left, y up, z to the viewer

DSINE's PNG has 8 or 16 bits of (normal + 1) / 2, where (0, 0, 0) is none; its OpenEXR has vectors, of which those not
longer than 0.5 are none; its pickle is OASIS' own (`_normal_box.py`).
"""

import re
from collections.abc import Callable, Iterator

import numpy as np

from marigold.core.errors import DataError
from marigold.datasets import _decode, _physical
from marigold.datasets._normal_box import opened_out
from marigold.datasets._physical import Masked
from marigold.datasets._tree import Tree

Size = tuple[int, int]
"""Height and width."""

PUBLISHED, DSINE = ("npy",), ("png", "exr", "pkl")
"""The endings of either layout."""
LEAST_EXR = 0.5
"""A vector in DSINE's OpenEXR files that is not longer is none (its own readers)."""
_PHOTOS = ("_img.png", "_img.jpg", ".png", ".jpg")
_DEEPEST = 8
"""Folders below one another in which photos are looked for."""


def photos(tree: Tree, endings: tuple[str, ...], folder: str = "") -> list[str]:
    """The photos below a folder that have normals, in alphabetical order. Raises `DataError` for normals without."""
    stored = re.compile(rf"(.+)_normal\.({'|'.join(endings)})")
    found = []
    for place, files in _walk(tree, folder):
        there = set(files)
        for stem in (match[1] for name in files if (match := stored.fullmatch(name))):
            names = [stem + ending for ending in _PHOTOS if stem + ending in there]
            if not names:
                raise DataError(f"{tree.where(place + stem)}_normal: has no photo beside it; download the set again")
            found.append(place + names[0])
    return sorted(found)


def normals_of(tree: Tree, photo: str, endings: tuple[str, ...]) -> str:
    """The name of a photo's normals. Raises `DataError` where there are none."""
    stem = re.sub(r"(_img)?\.\w+$", "", photo)
    names = [f"{stem}_normal.{ending}" for ending in endings]
    if (found := next(filter(tree.has, names), None)) is None:
        raise DataError(f"{tree.where(photo)}: has no normals {', '.join(names)}; unpack the whole set there")
    return found


def published(tree: Tree, name: str) -> Masked:
    """The normals of a published list: NPY, [H, W, 3], float16 to float64; a vector of length 0 is none.

    Raises `DataError`.
    """
    where = tree.where(name)
    return _physical.unit_vectors(_physical.vectors(_decode.npy(tree.read(name), where), where), 0)


def dsine(tree: Tree, name: str, size: Size) -> Masked:
    """The normals of DSINE's archive beside a photo of this size, with the sign of x turned. Raises `DataError`."""
    read = _READERS[name.rpartition(".")[2]]
    vectors, shortest, flip = read(tree.read(name), tree.where(name), size)
    return _physical.unit_vectors(vectors * np.array(flip), shortest)


Stored = tuple[np.ndarray, float, tuple[int, int, int]]
"""Vectors [H, W, 3]; which length is still none; the factors that make their axes ours."""


def _png(content: bytes, where: str, size: Size) -> Stored:
    samples = _decode.integers(content, where)
    if samples.ndim != 3 or samples.shape[-1] != 3:
        raise DataError(f"{where}: {list(samples.shape)}, not normals [H, W, 3]; download the set again")
    vectors = samples / float(np.iinfo(samples.dtype).max) * 2 - 1
    return vectors * samples.any(axis=-1, keepdims=True), 0, (-1, 1, 1)


def _exr(content: bytes, where: str, size: Size) -> Stored:
    return _decode.openexr(content, where), LEAST_EXR, (-1, 1, 1)


def _pickle(content: bytes, where: str, size: Size) -> Stored:
    """OASIS' own file, whose axes are x right, y down, z to the viewer."""
    return opened_out(content, where, *size), 0, (1, -1, 1)


_READERS: dict[str, Callable[[bytes, str, Size], Stored]] = {"png": _png, "exr": _exr, "pkl": _pickle}


def _walk(tree: Tree, folder: str, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the names of its files."""
    yield f"{folder}/" if folder else "", tree.files(folder)
    for name in tree.folders(folder) if depth < _DEEPEST else ():
        yield from _walk(tree, f"{folder}/{name}" if folder else name, depth + 1)
