"""The surface that a depth map shows: points and triangles in front of a pinhole camera, cut where depth jumps.

Depth is known up to scale and shift only, and the camera is not known at all, so the distances of depth 0 and 1 and the
field of view are assumptions. Axes: x right, y up, z towards the viewer; the camera is at the origin, looking along -z.
"""

import math
from dataclasses import dataclass

import numpy as np

from marigold.core.sample import Camera
from marigold.core.view import View

AXES = "x right, y up, z towards the viewer, metres; the camera is at the origin and looks along -z"
GREY = 200
"""The colour of a surface without a photo."""


@dataclass(frozen=True)
class Lens:
    """What is assumed about the camera and the distances."""

    fov: float
    """Field of view along the photo's longer side, in degrees."""
    near: float
    """Metres to depth 0."""
    far: float
    """Metres to depth 1."""
    view: View | None = None
    """The camera, where it is known; its `fov` does not count."""

    def camera(self, height: int, width: int) -> Camera:
        """The camera of a photo of this size. Raises `ConfigError` where the known one is of another shape."""
        if self.view is not None:
            return self.view.at(width, height)
        focal = 0.5 * max(height, width) / math.tan(math.radians(self.fov) / 2)
        return Camera(focal, focal, width / 2, height / 2)

    def words(self) -> str:
        """The assumptions, for people."""
        if self.view is not None:
            return f"camera {self.view.words()}, depth 0 at {self.near:g} m, depth 1 at {self.far:g} m"
        return f"field of view {self.fov:g} degrees, depth 0 at {self.near:g} m, depth 1 at {self.far:g} m"


@dataclass(frozen=True)
class Surface:
    """Triangles over the pixels of a photo."""

    points: np.ndarray
    """[N, 3] float32, metres."""
    rows: np.ndarray
    """The pixel of each point, [N]."""
    columns: np.ndarray
    """[N]."""
    faces: np.ndarray
    """[M, 3] int64, indices of points, counter-clockwise as the camera sees them."""


def surface(depth: np.ndarray, lens: Lens, *, cut: float, detail: int) -> Surface:
    """The surface of depth [H, W] in 0 to 1, through a grid of pixels with at most `detail` along the longer side.

    Triangles that the camera sees at less than `cut` degrees to their plane are left out: across a depth edge they join
    what does not touch. Points of no triangle are left out too.
    """
    rows, columns = (_grid(length, max(depth.shape), detail) for length in depth.shape)
    points = _points(depth, rows, columns, lens)
    faces = _faces(points[..., 2])
    points = points.reshape(-1, 3)
    faces = faces[_steepness(points, faces) >= math.sin(math.radians(cut))]
    used = np.zeros(len(points), bool)
    used[faces] = True
    index = np.cumsum(used) - 1
    at = np.nonzero(used.reshape(len(rows), len(columns)))
    return Surface(points[used], rows[at[0]], columns[at[1]], index[faces])


def _grid(length: int, longest: int, detail: int) -> np.ndarray:
    """The pixels along a side: all of them, or evenly spread ones."""
    count = length if not 0 < detail < longest else max(2, round(length * detail / longest))
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def _points(depth: np.ndarray, rows: np.ndarray, columns: np.ndarray, lens: Lens) -> np.ndarray:
    """Where the rays through the pixels' centres meet planar depth, [h, w, 3] float32."""
    height, width = depth.shape
    camera = lens.camera(height, width)
    distance = lens.near + (lens.far - lens.near) * depth[np.ix_(rows, columns)].astype(np.float32)
    right = (columns + 0.5 - camera.cx) / camera.fx
    up = (camera.cy - rows - 0.5) / camera.fy
    return np.stack([distance * right, distance * up[:, None], -distance], axis=-1).astype(np.float32)


def _faces(z: np.ndarray) -> np.ndarray:
    """Two triangles per cell of the grid, [M, 3], along the diagonal with the smaller jump."""
    index = np.arange(z.size).reshape(z.shape)
    nw, ne, sw, se = (index[rows, columns].ravel() for rows, columns in _CORNERS)
    flat = z.ravel()
    falling = np.abs(flat[nw] - flat[se]) <= np.abs(flat[ne] - flat[sw])
    first = np.where(falling, (nw, sw, se), (nw, sw, ne))
    second = np.where(falling, (nw, se, ne), (ne, sw, se))
    return np.concatenate([first, second], axis=1).T


_BUT_LAST, _BUT_FIRST = slice(None, -1), slice(1, None)
_CORNERS = [(rows, columns) for rows in (_BUT_LAST, _BUT_FIRST) for columns in (_BUT_LAST, _BUT_FIRST)]


def _steepness(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The sine of the angle between each triangle's plane and the ray from the camera to it, [M]."""
    a, b, c = (points[corner] for corner in faces.T)
    normal = np.cross(b - a, c - a)
    middle = a + b + c
    lengths = np.linalg.norm(normal, axis=1) * np.linalg.norm(middle, axis=1)
    return np.abs(np.einsum("ij,ij->i", normal, middle)) / np.maximum(lengths, 1e-30)
