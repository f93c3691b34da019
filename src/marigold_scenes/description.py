"""One scene as its family leaves it, before it is packed with others."""

from dataclasses import dataclass

import numpy as np

from marigold_scenes.assembly import PlacedSolids
from marigold_scenes.daylight import Light


@dataclass(frozen=True)
class SceneDescription:
    """Everything random about a scene except the camera's settings."""

    solids: PlacedSolids
    materials: np.ndarray
    """[M, materials.WIDTH]; row 0 is the ground."""
    eye: np.ndarray
    """[3] where the camera is, metres."""
    turn: np.ndarray
    """[3, 3] camera axes (right, up, back) to the world, in columns."""
    tangent: float
    """Of half the horizontal field of view."""
    floor: float
    """Height of the endless ground."""
    far: float
    """What lies deeper is sky."""
    reach: float
    """How far ambient light looks for obstacles."""
    light: Light
    hills: list[float]
    """[terrain.WIDTH]."""
