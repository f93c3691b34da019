"""Hypersim as downloaded: HDF5 files of linear radiance and geometry, of which the fields are made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Sample
from marigold.datasets import _hypersim_light as light
from marigold.datasets import _hypersim_rays as rays
from marigold.datasets import _hypersim_values as values
from marigold.datasets._decode import hdf5
from marigold.datasets._hypersim_frames import SPLITS, Frame, Layout, rows, table
from marigold.datasets._hypersim_values import Values
from marigold.datasets._tree import Tree

SPLIT_TABLE = "metadata_images_split_scene_v1.csv"
_COLUMNS = ("scene_name", "camera_name", "frame_id", "included_in_public_release", "split_partition_name")
_REMEDY = (
    "download it from Hypersim's repository (evermotion_dataset/analysis) into the root, or give its path as "
    "`splits_file`"
)
_COLOUR = ("final", "color")
_ENTITY = ("geometry", "render_entity_id")
_FILES = {
    "depth": ("geometry", "depth_meters"),
    "normals": ("geometry", "normal_cam"),
    "albedo": ("final", "diffuse_reflectance"),
    "shading": ("final", "diffuse_illumination"),
    "residual": ("final", "residual"),
}
_LIGHTING = ("albedo", "shading", "residual")


def _depth(distance: np.ndarray, seen: np.ndarray, matrix: rays.Matrix) -> Values:
    depth, valid = values.depth(distance * rays.factor(matrix, *seen.shape)[..., None])
    return depth, valid & seen


def _normals(vectors: np.ndarray, seen: np.ndarray, matrix: rays.Matrix) -> Values:
    normals, valid = values.normals(vectors)
    return rays.turned(normals, matrix), valid & seen


_GEOMETRY: dict[str, Callable[[np.ndarray, np.ndarray, rays.Matrix], Values]] = {"depth": _depth, "normals": _normals}
"""Of an array, where a surface is seen, and the camera."""
_LIGHT: dict[str, Callable[[np.ndarray], Values]] = {
    "albedo": values.albedo,
    "shading": values.radiance,
    "residual": values.radiance,
}


@dataclass(frozen=True)
class Settings:
    """How the tree is read; see `Hypersim`."""

    camera: str
    cameras_file: Path
    splits_file: Path
    checked: bool


class Raw(Layout):
    """`SCENE/images/scene_CAMERA_{final,geometry}_hdf5/frame.NNNN.KIND.hdf5`."""

    def __init__(self, tree: Tree, settings: Settings) -> None:
        self.tree, self._settings = tree, settings

    @classmethod
    def holds(cls, tree: Tree, scene: str) -> bool:
        """Whether a scene lies in a tree in this layout."""
        return bool(tree.folders(f"{scene}/images"))

    def splits(self) -> tuple[str, ...]:
        """Those of Hypersim's own table."""
        return SPLITS

    def frames(self, split: str) -> list[Frame]:
        """The frames of the public release, in the order of Hypersim's own table."""
        place, name = table(self.tree, self._settings.splits_file, SPLIT_TABLE, _REMEDY)
        found = []
        for scene, camera, number, public, part in rows(place, name, _COLUMNS):
            if part == split and public == "True":
                key = f"{part}/{scene}/{camera}/{number.zfill(4)}"
                if (frame := Frame.of_key(key)) is None:
                    raise DataError(f"{place.where(name)}: `{printable(key[:200])}` is no frame; download it again")
                found.append(frame)
        return found

    def files(self, frame: Frame, fields: tuple[str, ...]) -> list[str]:
        """Colour and render entities, the array of each field, and what `checked` compares."""
        wanted = dict.fromkeys((*fields, *(_LIGHTING if self._settings.checked else ())))
        return [_name(frame, *kind) for kind in (_COLOUR, _ENTITY, *(_FILES[name] for name in wanted))]

    def settings(self, frame: Frame, fields: tuple[str, ...]) -> str:
        """The camera, where it counts, and whether frames are checked."""
        return f"{self._matrix(frame, fields, 1, 1)} {self._settings.checked}"

    def read(self, frame: Frame, fields: tuple[str, ...]) -> Sample:
        """The photo, tone-mapped, with these fields. Raises `DataError`, or `RefusedSampleError` by `checked`."""
        colour = self._array(_name(frame, *_COLOUR), 3)
        size = colour.shape[:2]
        array = cache(lambda name: self._array(_name(frame, *_FILES[name]), values.FIELDS[name], size))
        seen = self._seen(_name(frame, *_ENTITY), size)
        if self._settings.checked:
            self._check(frame, seen, [colour, *map(array, _LIGHTING)])
        image = light.displayed(colour, light.exposure(colour, seen))
        matrix = self._matrix(frame, fields, *size)
        found = {name: _LIGHT[name](array(name)) for name in fields if name in _LIGHT}
        if matrix:
            found |= {name: _GEOMETRY[name](array(name), seen, matrix) for name in fields if name in _GEOMETRY}
        ordered = {name: found[name] for name in fields}
        camera = rays.pinhole(matrix, *size) if matrix else None
        return values.sample(frame.key, values.planes(image), ordered, camera)

    def _matrix(self, frame: Frame, fields: tuple[str, ...], height: int, width: int) -> rays.Matrix | None:
        """The camera; None where no field needs it, so that none has to be known."""
        if not any(name in _GEOMETRY for name in fields):
            return None
        if self._settings.camera == "published":
            return rays.published(height, width)
        return rays.of_scene(self.tree, self._settings.cameras_file, frame.scene)

    def _array(self, name: str, channels: int, size: tuple[int, ...] = ()) -> np.ndarray:
        where = self.tree.where(name)
        return values.checked_shape(hdf5(self.tree.read(name), where), where, channels, size)

    def _seen(self, name: str, size: tuple[int, ...]) -> np.ndarray:
        """Where there is a surface, bool [H, W]."""
        return self._array(name, 1, size)[..., 0] != -1

    def _check(self, frame: Frame, seen: np.ndarray, maps: list[np.ndarray]) -> None:
        wrong = light.no_surface(seen) or ("" if frame.split == "test" else light.no_decomposition(*maps))
        if wrong:
            where = self.tree.where(_name(frame, *_COLOUR))
            raise RefusedSampleError(
                f"{where}: refused by the rules of the published lighting data: {wrong}; drop the frame"
            )


def _name(frame: Frame, folder: str, kind: str) -> str:
    return f"{frame.scene}/images/scene_{frame.camera}_{folder}_hdf5/frame.{frame.number:04d}.{kind}.hdf5"
