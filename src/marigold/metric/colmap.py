"""COLMAP's sparse models, text or binary: cameras, posed photos and the points that they share.

The format: colmap.github.io/format.html. A pose brings world points to the camera's axes, x right, y down, z forward;
pixels have the centre of the first one at (0.5, 0.5).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from marigold.core.errors import ImageError
from marigold.core.reading import read_bytes
from marigold.core.view import View
from marigold.metric.points import Points

MOST = 1 << 31
"""Bytes of one file of a model."""
MOST_NUMBER = 1e12
"""Far above all coordinates."""
MODELS: tuple[tuple[str, int, int], ...] = (
    *(("SIMPLE_PINHOLE", 1, 3), ("PINHOLE", 2, 4), ("SIMPLE_RADIAL", 1, 4), ("RADIAL", 1, 5), ("OPENCV", 2, 8)),
    *(("OPENCV_FISHEYE", 0, 8), ("FULL_OPENCV", 2, 12), ("FOV", 0, 5), ("SIMPLE_RADIAL_FISHEYE", 0, 4)),
    *(("RADIAL_FISHEYE", 0, 5), ("THIN_PRISM_FISHEYE", 0, 12)),
)
"""By number: the camera model's name, its focal lengths (0: none of a pinhole), and its parameters."""
_REMEDY = "give the folder with cameras, images and points3D (.bin or .txt), as COLMAP writes to sparse/0"


@dataclass(frozen=True)
class Posed:
    """One photo of a model."""

    name: str
    rotation: np.ndarray
    """[3, 3], world to camera."""
    translation: np.ndarray
    """[3]."""
    camera: int
    pixels: np.ndarray
    """[N, 2] float64, x and y of the points that it sees."""
    seen: np.ndarray
    """[N] int64, their numbers."""


@dataclass(frozen=True)
class Model:
    """What COLMAP found."""

    path: Path
    views: dict[int, View]
    distorted: frozenset[int]
    """The cameras with distortion, which is not undone."""
    photos: dict[str, Posed]
    points: dict[int, np.ndarray]
    """[3] float64 by number, world axes."""

    def photo(self, path: Path) -> Posed:
        """The photo of a file's name, by as much of its path as tells it. Raises `ImageError` where it is not known."""
        parts = PurePosixPath(path.as_posix()).parts
        found = [one for name, one in self.photos.items() if parts[-len(own := PurePosixPath(name).parts) :] == own]
        found = found or [one for name, one in self.photos.items() if PurePosixPath(name).name == path.name]
        if len(found) != 1:
            many = "several photos" if found else "no photo"
            raise ImageError(f"{path}: the model {self.path} has {many} of this name; give one that it was made from")
        return found[0]

    def view(self, photo: Posed) -> View:
        """The photo's camera. Raises `ImageError`."""
        if photo.camera not in self.views:
            raise ImageError(f"{self.path}: {photo.name} has a camera that is no pinhole; undistort it with COLMAP")
        return self.views[photo.camera]

    def known(self, photo: Posed, size: tuple[int, int], *, unit: float | None) -> Points:
        """The depth of the points that a photo of this size (height, width) sees.

        `unit` is the metres of the model's unit; None leaves them right up to scale. Raises `ImageError`.
        """
        view = self.view(photo)
        view.at(size[1], size[0])
        kept = np.array([number in self.points for number in photo.seen.tolist()], bool)
        places = np.array([self.points[number] for number in photo.seen[kept].tolist()]).reshape(-1, 3)
        depth = (places @ photo.rotation.T + photo.translation)[:, 2] * (1 if unit is None else unit)
        x, y = (photo.pixels[kept] * (size[1] / view.width, size[0] / view.height)).T
        seen = (depth > 0) & (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
        notes = ("the camera's distortion is not undone",) if photo.camera in self.distorted else ()
        return Points(x[seen], y[seen], depth[seen], f"{self.path}: {photo.name}", unit is not None, notes)


def read_model(folder: Path) -> Model:
    """The model in a folder. Raises `ImageError` for what is none or is damaged."""
    binary = (folder / "cameras.bin").exists()
    readers = (_cameras_bin, _images_bin, _points_bin) if binary else (_cameras_txt, _images_txt, _points_txt)
    found = []
    for name, reader in zip(("cameras", "images", "points3D"), readers, strict=True):
        path = folder / f"{name}.{'bin' if binary else 'txt'}"
        content = read_bytes(path, ImageError, _REMEDY, MOST)
        try:
            found.append(list(reader(content)))
        except (struct.error, ValueError, IndexError, OverflowError) as error:
            raise ImageError(f"{path}: is damaged or no file of COLMAP ({error}); {_REMEDY}") from error
    cameras, photos, points = found
    views, distorted = {}, set()
    for number, (name, width, height, numbers) in cameras:
        focals = next(count for known, count, _ in MODELS if known == name)
        if focals:
            fx, fy, cx, cy = (*numbers[:1], *numbers[:3]) if focals == 1 else numbers[:4]
            views[number] = View(fx, fy, cx, cy, width, height, f"camera {number} of {folder}")
        if any(numbers[focals + 2 :]):
            distorted.add(number)
    return Model(folder, views, frozenset(distorted), {one.name: one for one in photos}, dict(points))


_Camera = tuple[int, tuple[str, int, int, tuple[float, ...]]]


class _Bytes:
    """Little-endian numbers, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, layout: str) -> tuple:
        found = struct.unpack_from(f"<{layout}", self._content, self._at)
        self._at += struct.calcsize(f"<{layout}")
        return found

    def count(self, least: int) -> int:
        """A number of entries that take at least so many bytes each; raises `ValueError` where they cannot be there."""
        (count,) = self.take("Q")
        if count * least > len(self._content) - self._at:
            raise ValueError(f"{count} entries are not there")
        return count

    def text(self) -> str:
        end = self._content.index(b"\0", self._at)
        found = self._content[self._at : end].decode("utf-8")
        self._at = end + 1
        return found

    def rows(self, count: int, row: np.dtype) -> np.ndarray:
        found = np.frombuffer(self._content, row, count, self._at)
        self._at += found.nbytes
        return found


_SEEN = np.dtype([("pixel", "<f8", 2), ("point", "<i8")])


def _cameras_bin(content: bytes) -> Iterator[_Camera]:
    file = _Bytes(content)
    for _ in range(file.count(24)):
        number, model, width, height = file.take("iiQQ")
        if not 0 <= model < len(MODELS):
            raise ValueError(f"camera model {model} is not known")
        name, _, count = MODELS[model]
        yield number, _checked(name, width, height, file.take(f"{count}d"))


def _images_bin(content: bytes) -> Iterator[Posed]:
    file = _Bytes(content)
    for _ in range(file.count(64)):
        _, *pose, camera = file.take("i7di")
        name = file.text()
        seen = file.rows(file.count(_SEEN.itemsize), _SEEN)
        yield _posed(name, pose, camera, seen["pixel"], seen["point"])


def _points_bin(content: bytes) -> Iterator[tuple[int, np.ndarray]]:
    file = _Bytes(content)
    for _ in range(file.count(51)):
        number, *place, _, _, _, _ = file.take("Q3d3Bd")
        file.rows(file.count(8), np.dtype("<i8"))
        yield number, _finite(np.array(place))


def _cameras_txt(content: bytes) -> Iterator[_Camera]:
    for line in _lines(content):
        number, name, width, height, *numbers = line.split()
        count = next((count for known, _, count in MODELS if known == name), None)
        if count != len(numbers):
            raise ValueError(f"camera model {name} with {len(numbers)} parameters is not known")
        yield int(number), _checked(name, int(width), int(height), tuple(map(float, numbers)))


def _images_txt(content: bytes) -> Iterator[Posed]:
    lines = content.decode("utf-8-sig").splitlines()
    lines = [line for line in lines if not line.lstrip().startswith("#")]
    while lines and not lines[0].strip():
        lines.pop(0)
    for head, tail in zip(lines[::2], [*lines[1::2], ""], strict=False):
        if not head.strip():
            continue
        _, *pose, camera, name = head.split(maxsplit=9)
        seen = np.array(tail.split(), np.float64).reshape(-1, 3)
        yield _posed(name.strip(), [float(number) for number in pose], int(camera), seen[:, :2], seen[:, 2])


def _points_txt(content: bytes) -> Iterator[tuple[int, np.ndarray]]:
    for line in _lines(content):
        number, x, y, z, *_ = line.split(maxsplit=4)
        yield int(number), _finite(np.array([float(x), float(y), float(z)]))


def _lines(content: bytes) -> list[str]:
    lines = content.decode("utf-8-sig").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _checked(name: str, width: int, height: int, numbers: tuple[float, ...]) -> tuple[str, int, int, tuple[float, ...]]:
    _finite(np.array(numbers))
    if width < 1 or height < 1 or not numbers[0] > 0:
        raise ValueError("a camera without a size or a focal length")
    return name, width, height, numbers


def _finite(numbers: np.ndarray) -> np.ndarray:
    if not (np.abs(numbers) < MOST_NUMBER).all():
        raise ValueError("a number that is not finite, or far too large")
    return numbers


def _posed(name: str, pose: list[float], camera: int, pixels: np.ndarray, seen: np.ndarray) -> Posed:
    numbers = _finite(np.array(pose, np.float64))
    known = seen >= 0
    rotation = _rotation(numbers[:4])
    return Posed(name, rotation, numbers[4:7], camera, _finite(pixels[known]), seen[known].astype(np.int64))


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    """The matrix [3, 3] of a quaternion w, x, y, z of any length but 0."""
    length = float(np.linalg.norm(quaternion))
    if length < 1e-6:
        raise ValueError("a pose without a rotation")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
