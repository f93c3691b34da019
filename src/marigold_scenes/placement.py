"""Where things are put: nested frames of reference, and the rotations of solids."""

import math
from typing import NamedTuple

import numpy as np

Vector = tuple[float, float, float]
"""x to the right, y up, z towards the viewer; metres for positions and sizes."""


class Placement(NamedTuple):
    """A place to build at: position, turn about the vertical, and size factor; y is up."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    scale: float = 1.0

    def point(self, x: float, y: float, z: float) -> Vector:
        """The position in the world of a point inside this placement."""
        c, s = math.cos(self.yaw) * self.scale, math.sin(self.yaw) * self.scale
        return self.x + c * x + s * z, self.y + y * self.scale, self.z - s * x + c * z

    def offset(self, x: float, y: float, z: float, yaw: float = 0.0, scale: float = 1.0) -> "Placement":
        """A placement inside this one."""
        return Placement(*self.point(x, y, z), self.yaw + yaw, self.scale * scale)


def ring(angle: float, radius: float, y: float = 0.0) -> Vector:
    """A point at height `y` on a circle around the vertical axis."""
    return radius * math.cos(angle), y, radius * math.sin(angle)


def leaning(start: Vector, angle: float, lean: float, length: float) -> Vector:
    """The end of a rod from `start` that leans by `lean` from the vertical towards `angle`, both in radians."""
    x, y, z = start
    across = length * math.sin(lean)
    return x + across * math.cos(angle), y + length * math.cos(lean), z + across * math.sin(angle)


def rotations(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Matrices [N, 3, 3] that turn by `roll` about z, then `pitch` about x, then `yaw` about y."""
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    # R = R_y(yaw) R_x(pitch) R_z(roll), multiplied out.
    rows = (
        (cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp),
        (cp * sr, cp * cr, -sp),
        (-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp),
    )
    # [3 x [N, 3]] rows => [N, 3, 3]
    return np.stack([np.stack(row, -1) for row in rows], -2)
