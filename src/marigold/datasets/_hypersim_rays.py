"""Hypersim's cameras: viewing rays, distances along them as planar depth, and normals turned to where they come from.

A camera is the matrix M [3, 3] of `metadata_camera_parameters.csv`: the ray through the pixel in row i and column j is
M (u, v, 1) with u = -1 + 2 (j + 1/2) / W and v = 1 - 2 (i + 1/2) / H; axes x right, y up, z towards the viewer.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from marigold.core.errors import DataError
from marigold.core.sample import Camera
from marigold.datasets._hypersim_frames import rows, table
from marigold.datasets._tree import Tree, opened

Matrix = tuple[float, ...]
"""The rows of M, nine numbers."""
CAMERAS = "metadata_camera_parameters.csv"
_COLUMNS = tuple(f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3))
_REMEDY = (
    "download it from Hypersim's repository (contrib/mikeroberts3000) into the root, give its path as `cameras_file`, "
    "or set `camera: published`"
)
_FOCAL, _WIDTH = 886.81, 1024
"""The published pinhole, in pixels: 60 degrees across."""
_STRAIGHT = 1e-6
"""What is less, beside numbers around 1, is rounding."""
_TURNED = -1e-3
"""A cosine that float16 can tell from 0, below which a normal faces away."""


def published(height: int, width: int) -> Matrix:
    """The one pinhole that the published preprocessing takes for every scene: f 886.81 at 1024 x 768 pixels."""
    across = _WIDTH / 2 / _FOCAL
    return (across, 0.0, 0.0, 0.0, across * height / width, 0.0, 0.0, 0.0, -1.0)


def of_scene(tree: Tree, given: Path, scene: str) -> Matrix:
    """A scene's own camera. Raises `DataError` where the table, or the scene in it, is missing or cannot be used."""
    place, name = table(tree, given, CAMERAS, _REMEDY)
    known = _matrices(place.root, name, place.identity(name))
    if scene not in known:
        raise DataError(f"{place.where(name)}: has no scene {scene}; download it again, or set `camera: published`")
    try:
        numbers = tuple(float(word) for word in known[scene])
    except ValueError:
        numbers = ()
    if not numbers or not np.isfinite(numbers).all():
        raise DataError(f"{place.where(name)}: the camera of {scene} is no matrix; download it again")
    return numbers


def factor(matrix: Matrix, height: int, width: int) -> np.ndarray:
    """Planar depth over distance, -ray_z / |ray|, [H, W] float32."""
    return -_directions(matrix, height, width)[..., 2]


def turned(normals: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Unit normals [H, W, 3] of which those that face away from the camera are negated.

    A normal n faces away where n . v < -0.001, v the unit vector against the viewing ray; nearer to 0, the sign is
    rounding of float16.
    """
    directions = _directions(matrix, *normals.shape[:2])
    cosine = -(normals * directions).sum(axis=-1, keepdims=True)
    return np.where(cosine < _TURNED, -normals, normals)


def pinhole(matrix: Matrix, height: int, width: int) -> Camera | None:
    """The camera in pixels; None where the image is no plane across the viewing axis, as with tilted lenses."""
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix
    if max(map(abs, (m01, m10, m20, m21))) > _STRAIGHT or not (m00 > 0 and m11 > 0 and m22 < 0):
        return None
    # -1 + 2 x / W = u and m00 u + m02 = -m22 X / Z, so that x = fx X / Z + cx; v and y alike, against each other
    fx, fy = -m22 * width / (2 * m00), -m22 * height / (2 * m11)
    return Camera(fx, fy, width / 2 * (1 - m02 / m00), height / 2 * (1 + m12 / m11))


@lru_cache(maxsize=8)
def _matrices(root: Path, name: str, identity: str) -> dict[str, list[str]]:
    """The cameras of a table by their scenes, as they are written; `identity` tells the table from a later one."""
    return {scene: numbers for scene, *numbers in rows(opened(root), name, ("scene_name", *_COLUMNS))}


@lru_cache(maxsize=4)
def _directions(matrix: Matrix, height: int, width: int) -> np.ndarray:
    """Unit vectors along the rays, [H, W, 3] float32."""
    m = np.array(matrix).reshape(3, 3)
    u = -1 + 2 * (np.arange(width) + 0.5) / width
    v = 1 - 2 * (np.arange(height) + 0.5) / height
    rays = u[None, :, None] * m[:, 0] + v[:, None, None] * m[:, 1] + m[:, 2]
    directions = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
    directions.setflags(write=False)
    return directions
