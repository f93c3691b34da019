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
    used: tuple[str, ...]
    eye: np.ndarray
    turn: np.ndarray
    tangent: float
    floor: float
    far: float
    reach: float
    light: Light
    hills: list[float]
    """[terrain.WIDTH]."""
