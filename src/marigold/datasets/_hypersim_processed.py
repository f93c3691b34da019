"""Hypersim as the published preprocessing writes it: 8-bit photos beside 16-bit depth or arrays, in folders or tars.

    {SPLIT}/SCENE/rgb_CAMERA_frNNNN.png             the photo, tone-mapped
                 /depth_plane_CAMERA_frNNNN.png     planar depth in millimetres, 16 bits
                 /normal_cam_CAMERA_frNNNN.npy      normals, float64 [H, W, 3], turned to the camera
                 /albedo_..., shading_..., residual_CAMERA_frNNNN.npy       linear, float64 [H, W, 3]

A tar of depth is made within the folder of a split, whose name its members then lack.
"""

from collections.abc import Callable

import numpy as np

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.datasets import _hypersim_rays as rays
from marigold.datasets import _hypersim_values as values
from marigold.datasets._decode import integers, npy, photo
from marigold.datasets._hypersim_frames import SPLITS, Frame, Layout
from marigold.datasets._hypersim_values import Values
from marigold.datasets._tree import Tree

_PHOTO = ("rgb", "png")
_FILES = {
    "depth": ("depth_plane", "png"),
    "normals": ("normal_cam", "npy"),
    "albedo": ("albedo", "npy"),
    "shading": ("shading", "npy"),
    "residual": ("residual", "npy"),
}
_LISTS = ("filename_list_{}.txt", "hypersim_filtered_{}.txt")
"""What the published preprocessing leaves beside the scenes of a split."""


def _depth(millimetres: np.ndarray) -> Values:
    return values.depth(millimetres / np.float32(1000))


_VALUES: dict[str, Callable[[np.ndarray], Values]] = {
    "depth": _depth,
    "normals": values.normals,
    "albedo": values.albedo,
    "shading": values.radiance,
    "residual": values.radiance,
}
_DECODERS: dict[str, Callable[[bytes, str], np.ndarray]] = {"png": integers, "npy": npy}


class Processed(Layout):
    """Folders of a split each, or the scenes of a single split."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._folders = frozenset(tree.folders())

    def splits(self) -> tuple[str, ...]:
        """The folders of that name or, where there is none, the splits of which there is a list."""
        if found := tuple(split for split in SPLITS if split in self._folders):
            return found
        files = self.tree.files()
        return tuple(split for split in SPLITS if any(name.format(split) in files for name in _LISTS))

    def frames(self, split: str) -> list[Frame]:
        """The photos that are there, in alphabetical order."""
        if split not in self.splits():
            raise DataError(
                f"{self.tree.where('')}: has no folder `{split}`, no list of that split and no SCENE/images; give the "
                "folder or tar that holds Hypersim, or a list of the split in `lists`"
            )
        above = self._above(split)
        names = [f"{scene}/{name}" for scene in self.tree.folders(above) for name in self.tree.files(f"{above}{scene}")]
        return [frame for name in names if (frame := Frame.of_photo(name, split))]

    def files(self, frame: Frame, fields: tuple[str, ...]) -> list[str]:
        """The photo and the file of each field."""
        above = self._above(frame.split)
        return [_name(above, frame, *kind) for kind in (_PHOTO, *(_FILES[name] for name in fields))]

    def settings(self, frame: Frame, fields: tuple[str, ...]) -> str:
        """Nothing: the files hold what is read."""
        return ""

    def read(self, frame: Frame, fields: tuple[str, ...]) -> Sample:
        """The photo with these fields, and the pinhole with which depth was made. Raises `DataError`."""
        name, *others = self.files(frame, fields)
        image = photo(self.tree.read(name), self.tree.where(name))
        size = tuple(image.shape[-2:])
        found = {field: self._field(field, other, size) for field, other in zip(fields, others, strict=True)}
        return values.sample(frame.key, image, found, rays.pinhole(rays.published(*size), *size))

    def _field(self, field: str, name: str, size: tuple[int, ...]) -> Values:
        where, decode = self.tree.where(name), _DECODERS[_FILES[field][1]]
        array = decode(self.tree.read(name), where)
        return _VALUES[field](values.checked_shape(array, where, values.FIELDS[field], size))

    def _above(self, split: str) -> str:
        """The folder of a split, where its scenes lie in one."""
        return f"{split}/" if split in self._folders else ""


def _name(above: str, frame: Frame, stem: str, ending: str) -> str:
    return f"{above}{frame.scene}/{stem}_{frame.camera}_fr{frame.number:04d}.{ending}"
