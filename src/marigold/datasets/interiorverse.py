"""InteriorVerse: rendered rooms with depth, normals and materials (Zhu et al. 2022).

As distributed, all in OpenEXR:

    dataset_85/SCENE/NNN_im.exr         linear light, which may be above 1
    dataset_85/SCENE/NNN_mask.exr       usable where it is not 0
    dataset_85/SCENE/NNN_depth.exr      millimetres in its first channel; infinite where there is nothing
    dataset_85/SCENE/NNN_normal.exr     x right, y up, z towards the viewer
    dataset_85/SCENE/NNN_albedo.exr     linear reflectance
    dataset_85/SCENE/NNN_material.exr   red roughness, green metallicity, blue unused
    train.txt, val.txt, test.txt        a scene, or a frame of one, in each line

The published training calls the folder `scenes_85`, keeps it in a tar, and has lists of its own: lines of
`im albedo material mask` for materials, and for normals lines of `photo normals`, which are PNG and NPY.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode, _physical, _splits
from marigold.datasets._layers import layered, text_of
from marigold.datasets._physical import Masked
from marigold.datasets._tree import FolderTree, Tree
from marigold.datasets.base import Dataset, DatasetCard

MATERIALS = ("albedo", "roughness", "metallicity")
TOPS = ("dataset_85", "scenes_85")
GAMMA = 2.2
"""Photos are linear light, clipped to 0 to 1, to the power of 1 / 2.2 (the published training)."""
MILLIMETRES = 1000
SHORTEST = 0.1
"""A stored normal that is not longer is none (the published preprocessing)."""


@dataclass(frozen=True)
class Stored:
    """How a field is stored."""

    word: str
    """What the name of its file says."""
    read: Callable[[np.ndarray], Masked]
    """Of the file's red, green and blue, [H, W, 3] float32."""


STORED = {
    "depth": Stored("depth", lambda x: _physical.metres(x[..., 0] / MILLIMETRES, 0, float("inf"))),
    "normals": Stored("normal", lambda x: _physical.unit_vectors(x, SHORTEST)),
    "albedo": Stored("albedo", _physical.fractions),
    "roughness": Stored("material", lambda x: _physical.fractions(x[..., :1])),
    "metallicity": Stored("material", lambda x: _physical.fractions(x[..., 1:2])),
}
_PHOTO = re.compile(r"(\d+)_im\.exr")
_FRAME = re.compile(r"(\d+)[^/]*")


@dataclass(frozen=True)
class InteriorVerse(Dataset):
    """Photos with planar depth, normals, albedo, roughness and metallicity."""

    fields: tuple[str, ...] = ()
    """The fields to read; empty means those that a frame has, or with `lists` those that the lists are for."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A list for each split, in place of `train.txt` and so on: `im albedo material mask` or `photo normals`."""
    masked: bool = True
    """Leave out what the masks leave out. The published evaluation of materials does not, and scores every pixel."""

    card = DatasetCard(
        fields=tuple(STORED),
        splits=("train", "val", "test"),
        licence="for research, by the terms of its makers",
        source="InteriorVerse (Zhu et al. 2022), synthetic",
        mask="pixels that the mask allows and the field has",
        counts={"test": 2672},
    )

    def __post_init__(self) -> None:
        for name in self.fields:
            require(name in STORED, "fields", name, f"among {', '.join(STORED)}")

    def card_of(self, root: Path) -> DatasetCard:
        """The fields that are read of the first photo, and the splits of lists, where there are any.

        Raises `DataError`.
        """
        if self.fields or self.lists:
            fields = self.fields or self._listed_fields()
            return replace(self._label(fields), splits=tuple(self.lists) or self.card.splits)
        tree = _opened(root)
        splits = [split for split in self.card.splits if _list(tree, split)]
        first = next((key for split in splits for key in _split(tree, split)), "")
        return self._label(_present(tree, first) or self.card.fields)

    def _label(self, fields: tuple[str, ...]) -> DatasetCard:
        """The card for these fields; the published evaluation is one of materials."""
        mask = self.card.mask if self.masked else "pixels that the field has, whatever the mask says"
        counts = self.card.counts if set(fields) <= set(MATERIALS) else {}
        return replace(self.card, fields=fields, mask=mask, counts=counts)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos of a split, or of several joined by `+` as in `train+val`, in the order of the lists.

        A photo that is in several of them comes once. Scenes of the data set's own list that are not there are left
        out: it comes in pieces, and one may do. Raises `DataError` where there is no list, or no photo.
        """
        return list(dict.fromkeys(key for part in split.split("+") for key in self._photos(root, part)))

    def _photos(self, root: Path, split: str) -> list[str]:
        if self.lists:
            return list(_splits.rows(self.lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        if not _list(tree, split):
            raise DataError(f"{root}: no {split}.txt; put it there, or give `lists`")
        keys = list(_split(tree, split))
        if not keys:
            raise DataError(f"{root}: no photo of the scenes in {split}.txt; unpack dataset_85 there")
        return list(dict.fromkeys(keys))

    def read(self, root: Path, key: str) -> Sample:
        """A photo with the fields that are asked for. Raises `DataError`.

        Where the photo is no number, no field is valid.
        """
        tree = _opened(root)
        fields = self._fields(tree, key)
        if not key.endswith(".exr"):
            return self._with_normals(tree, key, fields)
        light = _exr(tree, _inside(key))
        image = torch.from_numpy(np.nan_to_num(light, posinf=1).clip(0, 1) ** np.float32(1 / GAMMA)).permute(2, 0, 1)
        files = {word: _exr(tree, _beside(key, word)) for word in {STORED[name].word for name in fields}}
        sample = _physical.assembled(key, image, {name: STORED[name].read(files[STORED[name].word]) for name in fields})
        usable = torch.from_numpy(~np.isnan(light).any(axis=-1))[None]
        usable = usable & _usable(tree, _beside(key, "mask"), usable.shape) if self.masked else usable
        return replace(sample, valid={name: valid & usable for name, valid in sample.valid.items()})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files that are read."""
        tree = _opened(root)
        fields = self._fields(tree, key)
        words = dict.fromkeys([STORED[name].word for name in fields] + ["mask"] * self.masked)
        beside = [_beside(key, word) for word in words] if key.endswith(".exr") else [self._vectors(key)]
        return " ".join([repr(self), *map(tree.identity, [_inside(key), *beside])])

    def _with_normals(self, tree: Tree, key: str, fields: tuple[str, ...]) -> Sample:
        """A sample of the published preprocessing: a photo in 8 bits, and vectors in NPY."""
        if set(fields) != {"normals"}:
            raise DataError(f"{key}: has normals alone, not {', '.join(fields)}; correct `fields` or `lists`")
        photo = _inside(key)
        image = _decode.photo(tree.read(photo), tree.where(photo))
        name = self._vectors(key)
        vectors = _physical.vectors(_decode.npy(tree.read(name), tree.where(name)), tree.where(name))
        return _physical.assembled(key, image, {"normals": _physical.unit_vectors(vectors, SHORTEST)})

    def _vectors(self, key: str) -> str:
        return _inside(_splits.row(self.lists, key, 2)[1])

    def _fields(self, tree: Tree, key: str) -> tuple[str, ...]:
        """What is read of a photo: as asked for, what the lists are for, or what it has."""
        return self.fields or (self._listed_fields() if self.lists else _present(tree, key))

    def _listed_fields(self) -> tuple[str, ...]:
        first = next(iter(_splits.rows(self.lists, next(iter(self.lists)), 2)))
        return MATERIALS if first.endswith(".exr") else ("normals",)


def _present(tree: Tree, key: str) -> tuple[str, ...]:
    """The fields of which a photo has the files."""
    return tuple(name for name, stored in STORED.items() if tree.has(_beside(key, stored.word)))


def _list(tree: Tree, split: str) -> tuple[Tree, str] | None:
    """Where the data set's own list of a split lies: at the root or, where that is the folder of scenes, beside it."""
    name = f"{split}.txt"
    places = [tree, *([FolderTree(tree.root.absolute().parent)] if tree.root.absolute().name in TOPS else [])]
    return next((place.source(name) for place in places if place.has(name)), None)


def _split(tree: Tree, split: str) -> Iterator[str]:
    """The names of the photos of a split by the data set's own list; none where there is no list."""
    if found := _list(tree, split):
        for line in text_of(*found).splitlines():
            yield from _photos(tree, line.strip())


def _inside(name: str) -> str:
    """A file's name below the folder of scenes, whether or not a list has it with that folder."""
    name = name.removeprefix("./")
    top, _, inside = name.partition("/")
    return inside if top in TOPS else name


def _photos(tree: Tree, line: str) -> Iterator[str]:
    """The names of the photos that a line of the data set's own lists stands for: a scene's, or one of them."""
    scene, _, frame = _inside(line).partition("/")
    if not scene:
        return
    wanted = _FRAME.fullmatch(frame)
    for name in tree.files(scene):
        if (found := _PHOTO.fullmatch(name)) and (not frame or (wanted and wanted[1] == found[1])):
            yield f"{scene}/{name}"


def _usable(tree: Tree, name: str, shape: torch.Size) -> Tensor:
    """Where a mask is not 0 in any of its channels, [1, H, W], bool. Raises `DataError` for one of another shape."""
    channels = _decode.exr_channels(tree.read(name), tree.where(name)).values()
    usable = torch.from_numpy(np.all([channel > 0 for channel in channels], axis=0))[None]
    if usable.shape != shape:
        raise DataError(f"{tree.where(name)}: not of the photo's size; download it again")
    return usable


def _exr(tree: Tree, name: str) -> np.ndarray:
    return _decode.openexr(tree.read(name), tree.where(name))


def _beside(key: str, word: str) -> str:
    """The file of another kind of the same frame."""
    return f"{_inside(key).removesuffix('_im.exr')}_{word}.exr"


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: TOPS, lambda tree: [f"{name}.tar" for name in TOPS])
