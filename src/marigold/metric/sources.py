"""Known distances in files: a table of pixels, a map with holes, or measured points in front of the camera."""

import csv
import io
from pathlib import Path

import numpy as np

from marigold.core.errors import ConfigError, ImageError
from marigold.core.reading import read_bytes
from marigold.core.view import View
from marigold.datasets import _pair_files
from marigold.metric.points import Points

MOST = 1 << 30
"""Bytes of a file of known distances."""
MOST_POINTS = 1 << 24
COLUMNS = ("x", "y", "metres")
_TABLE = "give lines of x,y,metres with the pixel's column and row from the top left, counted from 0"
_MAP = "give a 16-bit PNG with --known-scale, or an OpenEXR, NPY, PFM or TIFF file of metres"


def read_table(path: Path) -> Points:
    """The points of a CSV file: x, y, metres on each line, with or without these words above. Raises `ImageError`."""
    content = read_bytes(path, ImageError, _TABLE, MOST)
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{path}: is no CSV file ({error}); {_TABLE}") from error
    rows = [(number, line) for number, line in enumerate(lines, start=1) if any(cell.strip() for cell in line)]
    if rows and [cell.strip().lower() for cell in rows[0][1]] == list(COLUMNS):
        rows = rows[1:]
    numbers = np.array([_row(path, number, line) for number, line in rows], np.float64).reshape(-1, len(COLUMNS))
    return Points(*numbers.T, origin=str(path))


def _row(path: Path, number: int, line: list[str]) -> list[float]:
    try:
        found = [float(cell) for cell in line]
    except ValueError as error:
        raise ImageError(f"{path}: line {number} holds what is no number; {_TABLE}") from error
    if len(found) != len(COLUMNS):
        raise ImageError(f"{path}: line {number} has {len(found)} numbers; {_TABLE}")
    return found


def read_map(path: Path, size: tuple[int, int], *, per_metre: float | None, view: View | None) -> Points:
    """The points of a depth map for a photo of this size (height, width); 0, NaN and infinity stand for no distance.

    `per_metre` is how many levels of a 16-bit PNG a metre has. An NPY file [N, 3] holds points in camera axes (x right,
    y down, z forward; metres), as LiDAR gives once it is brought to the camera; they are projected by `view`. Raises
    `ImageError`, and `ConfigError` where the scale or the camera is missing.
    """
    if path.suffix.lower() not in _pair_files.EXACT:
        raise ImageError(f"{path}: no file of distances by its ending; {_MAP}")
    stored = _pair_files.stored(read_bytes(path, ImageError, _MAP, MOST), str(path), _channel)
    if path.suffix.lower() == ".npy" and stored.ndim == 2 and stored.shape[1] == len(COLUMNS) != size[1]:
        return projected(stored.astype(np.float64), view, size, str(path))
    stored = stored[..., 0] if stored.ndim == 3 and stored.shape[-1] == 1 else stored
    if stored.ndim != 2:
        raise ImageError(f"{path}: has {stored.shape[-1]} channels and a depth map has one; {_MAP}")
    if stored.shape != size:
        raise ImageError(
            f"{path}: is of {stored.shape[1]} x {stored.shape[0]} pixels and the photo of {size[1]} x {size[0]}; "
            "give a map of the photo's size"
        )
    return _of_map(_in_metres(path, stored, per_metre), str(path))


def _channel(names: set[str]) -> list[str]:
    """The channel that depth is in: Z or Y, of a layer `depth` or of none."""
    return [next((name for name in ("depth.Z", "Z", "Y", "depth.Y", "R") if name in names), "Z")]


def _in_metres(path: Path, stored: np.ndarray, per_metre: float | None) -> np.ndarray:
    if stored.dtype.kind == "f":
        return stored.astype(np.float64)
    if per_metre is None:
        raise ConfigError(
            f"{path}: holds whole numbers, and nothing says how many are a metre; give --known-scale, such as 1000 for "
            "millimetres or 256 for KITTI"
        )
    return stored.astype(np.float64) / per_metre


def _of_map(metres: np.ndarray, where: str) -> Points:
    rows, columns = np.nonzero(np.isfinite(metres) & (metres != 0))
    return Points(columns + 0.5, rows + 0.5, metres[rows, columns], where)


def projected(points: np.ndarray, view: View | None, size: tuple[int, int], where: str) -> Points:
    """Points [N, 3] in camera axes as those that the photo of this size (height, width) shows, the nearest of a pixel.

    Those behind the camera and beside the photo are left out, and counted in a note. Raises `ConfigError` without a
    camera.
    """
    if view is None:
        raise ConfigError(f"{where}: points in space need the camera that they are seen by; give --camera")
    if len(points) > MOST_POINTS or not np.isfinite(points).all():
        raise ImageError(f"{where}: has points that are no numbers, or more than {MOST_POINTS}; leave these out")
    camera = view.at(size[1], size[0])
    right, down, depth = points[points[:, 2] > 0].T
    x, y = camera.fx * right / depth + camera.cx, camera.fy * down / depth + camera.cy
    seen = np.flatnonzero((x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0]))
    seen = seen[np.argsort(depth[seen], kind="stable")]
    pixels = np.floor(y[seen]).astype(np.int64) * size[1] + np.floor(x[seen]).astype(np.int64)
    seen = seen[np.unique(pixels, return_index=True)[1]]
    left = len(points) - len(seen)
    notes = (f"{left} of {len(points)} points are behind the camera, beside the photo or hidden",) if left else ()
    return Points(x[seen], y[seen], depth[seen], where, notes=notes)
