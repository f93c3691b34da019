"""A folder of one's own: photos beside depth, normals or albedo in 16-bit PNG, OpenEXR, NPY or TIFF.

    {dataset: pairs, root: rooms, image: "rgb/*.jpg", depth: "depth/*.png", unit: 0.001, test_every: 10}

reads `rgb/NAME.jpg` with `depth/NAME.png`, whatever NAME is: `*` stands for the same in all patterns of a sample. One
in the name of a folder reads several scenes: `*/rgb/*.jpg` with `*/depth/*.png`. What the stars stand for, joined by
`/`, is the sample's key.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.images import SUFFIXES, read_image
from marigold.core.sample import Camera, Sample
from marigold.datasets import _pair_colours, _pair_files
from marigold.datasets._pair_depth import DepthFormat
from marigold.datasets._pair_sizes import sized
from marigold.datasets._patterns import Pattern, apart, chosen, complete
from marigold.datasets._physical import Masked
from marigold.datasets._tree import FolderTree
from marigold.datasets.base import Dataset, DatasetCard

FIELDS = ("depth", "normals", "albedo")


@dataclass(frozen=True)
class Pairs(Dataset):
    """Photos with maps of the same name; the fields are those that a pattern is given for."""

    image: str = "rgb/*.jpg"
    """The photos; `*` stands for their names. They are turned upright and converted to sRGB as their files say."""
    depth: str = ""
    """The depth maps, such as `depth/*.png`; empty where there are none. Depth that is not above 0 is invalid."""
    normals: str = ""
    """The normals, likewise: vectors as floats, or pictures whose range stands for -1 to 1."""
    albedo: str = ""
    """The albedo, likewise."""
    mask: str = ""
    """Masks, likewise: where one is 0, no field may be used."""
    unit: float | None = None
    """Metres in one step of a depth file, 0.001 for millimetres; floats are metres where it is not given."""
    depth_is: Literal["planar", "ray", "inverse"] = "planar"
    """`planar`: along the viewing axis; `ray`: the distance to the camera, which needs `focal`; `inverse`: one over
    planar depth, so that stereo disparity needs a `unit` of 1 / (focal length in pixels * baseline in metres)."""
    focal: float | None = None
    """The focal length in pixels of the photo, where it is known."""
    invalid: float | None = None
    """A number in depth files that stands for nothing measured; 0, NaN and infinity do so anyway."""
    nearest: float = 1e-3
    """Depth that is not above it is invalid, in metres."""
    farthest: float | None = None
    """Depth that is not below it is invalid, in metres."""
    channel: str = ""
    """The channel of an OpenEXR file that is depth; empty takes the only one, or Z, Y or V."""
    axes: str = "+x +y +z"
    """Along which axis each stored channel of normals runs, where x is right, y up and z towards the viewer:
    `+x -y -z` for x right, y down, z away."""
    albedo_space: Literal["file", "srgb", "linear"] = "file"
    """How albedo is stored; `file`: pictures of 8 and 16 bits in sRGB, floats linear."""
    resize_maps: bool = False
    """Bring maps to the size of their photos, where both have one aspect ratio."""
    test_every: int = 10
    """Every so many samples one is held out as the split `test`; 0 holds out none, 1 all."""
    lists: dict[str, Path] = field(default_factory=dict)
    """A text file for each split that names a key or photo a line, in place of `test_every`."""

    card = DatasetCard(FIELDS, ("train", "test"), "as the folder's owner states", "a folder of photos with maps")

    def __post_init__(self) -> None:
        self._image.check("image", SUFFIXES)
        for name, pattern in self._maps().items():
            endings = _pair_files.EXACT + (_pair_files.LOSSY if name == "albedo" else ())
            pattern.check(name, endings, beside=self._image)
        for name in ("unit", "focal", "nearest"):
            value = getattr(self, name)
            require(value is None or 0 < value < math.inf, name, value, "above 0 and finite")
        require(self.depth_is != "ray" or self.focal is not None, "focal", self.focal, "given where depth is by rays")
        require(self.depth_format.farthest > self.nearest, "farthest", self.farthest, "above `nearest`")
        require(bool(_pair_colours.AXES.fullmatch(self.axes)), "axes", self.axes, "x, y and z, each with + or -")
        require(self.test_every >= 0, "test_every", self.test_every, "at least 0")

    @property
    def depth_format(self) -> DepthFormat:
        """What the numbers of a depth file mean."""
        farthest = float("inf") if self.farthest is None else self.farthest
        return DepthFormat(self.depth_is, self.unit, self.invalid, self.nearest, farthest, self.channel)

    def card_of(self, root: Path) -> DatasetCard:
        """The fields that have a pattern, and the splits that samples are held out for."""
        fields = tuple(name for name in FIELDS if name in self._maps())
        splits = tuple(self.lists) or {0: ("train",), 1: ("test",)}.get(self.test_every, self.card.splits)
        return DatasetCard(
            fields, splits, self.card.licence, self.card.source, (self.nearest, self.depth_format.farthest)
        )

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split, in alphabetical order or that of its list.

        Raises `DataError` where no photo matches, for a photo without one of its maps, for a split without samples, and
        for lists, of any split, that name what is no sample, or one sample twice.
        """
        splits = self.card_of(root).splits
        if split not in splits:
            raise DataError(f"{root}: {unknown('split', printable(split), splits)}")
        keys = complete(_tree(root), self._image, self._maps())
        if self.lists:
            return apart({name: chosen(keys, self._image, path) for name, path in self.lists.items()}, self.lists)[
                split
            ]
        every = self.test_every
        held_out = [every > 0 and place % every == every - 1 for place in range(len(keys))]
        found = [key for key, held in zip(keys, held_out, strict=True) if held == (split == "test")]
        if not found:
            raise DataError(f"{root}: its {len(keys)} samples leave none for `{split}`; set a smaller `test_every`")
        return found

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its maps.

        Raises `DataError` for a map that is not what the settings say, without a valid pixel, or of another size than
        the photo, and `ImageError` for the photo.
        """
        tree = _tree(root)
        image = read_image(tree.root / self._image.file(key))
        height, width = image.shape[-2:]
        maps: dict[str, Masked] = {}
        for name, pattern in self._maps().items():
            file = pattern.file(key)
            found = self._read(name, tree.read(file), tree.where(file), width)
            maps[name] = sized(name, tree.where(file), *found, (height, width), self.resize_maps)
        _, allowed = maps.pop("mask", (None, torch.ones(1, height, width, dtype=torch.bool)))
        usable = {name: valid & allowed for name, (_, valid) in maps.items()}
        if empty := [name for name, valid in usable.items() if not valid.any()]:
            raise DataError(f"{tree.where(key)}: the mask leaves no valid pixel of {empty[0]}; leave the sample out")
        camera = None if self.focal is None else Camera(self.focal, self.focal, width / 2, height / 2)
        return Sample(key, image, {name: values for name, (values, _) in maps.items()}, usable, camera)

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files."""
        tree = _tree(root)
        files = [pattern.file(key) for pattern in (self._image, *self._maps().values())]
        return " ".join([repr(self), *map(tree.identity, files)])

    @property
    def _image(self) -> Pattern:
        return Pattern(self.image)

    def _maps(self) -> dict[str, Pattern]:
        """The patterns that are given, of fields and of masks."""
        return {name: Pattern(path) for name in (*FIELDS, "mask") if (path := getattr(self, name))}

    def _read(self, name: str, content: bytes, where: str, width: int) -> Masked:
        """A map at its own size; `width` is that of the photo."""
        readers: dict[str, Callable[[], Masked]] = {
            "depth": lambda: self.depth_format.read(content, where, self.focal, width),
            "normals": lambda: _pair_colours.normals(content, where, self.axes),
            "albedo": lambda: _pair_colours.albedo(content, where, self.albedo_space),
            "mask": lambda: _pair_colours.mask(content, where),
        }
        return readers[name]()


def _tree(root: Path) -> FolderTree:
    if os.path.isfile(root):
        raise DataError(f"{root}: is a file; give the folder that holds the photos and maps")
    return FolderTree(root)
