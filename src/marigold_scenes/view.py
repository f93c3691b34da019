"""Choosing a viewpoint: proposals are drawn until one shows something and stands in nothing."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marigold_scenes import terrain
from marigold_scenes.assembly import Assembly, PlacedSolids
from marigold_scenes.daylight import Light
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Vector
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import MISS

TRIES = 14
GRID = 7
"""A proposal is judged by this many rays across and down."""


class View(NamedTuple):
    """A proposed camera: where it is, what it looks at, its roll in radians, tangent of half the horizontal field."""

    eye: Vector
    target: Vector
    roll: float
    tangent: float


@dataclass(frozen=True)
class Limits:
    """What a picture must show."""

    near: float
    """Nothing is nearer than this, in metres."""
    middle: float
    """Solids within so many metres fill..."""
    share: float
    """...this part of the picture."""
    solids: int
    """At least so many different solids are in sight."""
    far: float = 80.0
    """What lies deeper counts as sky, in metres."""


@dataclass(frozen=True)
class _Boxes:
    """The bounding boxes of N solids."""

    rotation: np.ndarray
    """[N, 3, 3] world to local."""
    centre: np.ndarray
    """[N, 3]."""
    half: np.ndarray
    """[N, 3]."""

    @classmethod
    def of(cls, solids: PlacedSolids) -> "_Boxes":
        return cls(solids.rotation.transpose(0, 2, 1), solids.centre, solids.half)

    def seen_from(self, eye: np.ndarray) -> np.ndarray:
        """The eye [3, N] in the axes of every box."""
        return np.einsum("nij,nj->in", self.rotation, eye - self.centre)

    def hits(self, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """First hits [N, R] of rays [R, 3] from outside (slab method); `MISS` for none."""
        # [3, N, R]: the interval of t in which a ray lies between the two planes of each axis
        heading = (self.rotation.transpose(1, 0, 2).reshape(-1, 3) @ rays.T + 1e-9).reshape(3, -1, len(rays))
        middle = -self.seen_from(eye)[..., None] / heading
        reach = self.half.T[..., None] / np.abs(heading)
        near = functools.reduce(np.maximum, middle - reach)
        out = functools.reduce(np.minimum, middle + reach)
        return np.where((near <= out) & (near > 0), near, MISS)


def lens(rng: RandomStream, low: float = 30.0, high: float = 100.0) -> float:
    """The tangent of half a horizontal field of view between `low` and `high` degrees, most often a normal lens."""
    degrees = rng.uniform(low, high) if rng.chance(0.4) else min(max(58 + rng.normal(11), low), high)
    return math.tan(math.radians(degrees) / 2)


def roll(rng: RandomStream) -> float:
    """A roll in radians: mostly level, with a tail to 15 degrees."""
    return rng.normal(math.radians(1.0)) if rng.chance(0.75) else rng.normal(math.radians(5.0))


def orbit(target: Vector, distance: float, turn: float, rise: float) -> Vector:
    """Where a camera is that sees `target` from a distance, from the side `turn` and the height `rise` (radians)."""
    x, y, z = target
    across = math.cos(rise) * distance
    return x + across * math.cos(turn), y + math.sin(rise) * distance, z + across * math.sin(turn)


def orientation(view: View) -> np.ndarray:
    """Camera axes (right, up, back) in columns."""
    back = np.subtract(view.eye, view.target)
    back = back / np.linalg.norm(back)
    right = np.cross([0.0, 1.0, 0.0], back)
    right = right / max(np.linalg.norm(right), 1e-6)
    up = np.cross(back, right)
    c, s = math.cos(view.roll), math.sin(view.roll)
    return np.stack([c * right + s * up, c * up - s * right, back], -1)


def settle(
    parts: Assembly,
    propose: Callable[[], View],
    light: Light,
    limits: Limits,
    *,
    ground: Callable[[float, float], float],
    reach: float,
    hills: list[float] | None = None,
) -> SceneDescription:
    """The description of the scene from the first proposal that fits `limits`, or from the best of `TRIES`.

    `ground` is the height of the ground at (x, z), `reach` how far ambient light looks for obstacles in metres.
    """
    solids = parts.finish()
    boxes = _Boxes.of(solids)
    best, most = None, -1.0
    for _ in range(TRIES):
        view = propose()
        turn = orientation(view)
        floor = ground(view.eye[0], view.eye[2])
        score = _score(view, turn, floor, boxes, limits)
        if score > most:
            best, most = (view, turn, floor), score
        if score >= 1:
            break
    assert best is not None
    view, turn, floor = best
    return SceneDescription(
        solids=solids,
        materials=np.stack(parts.materials),
        eye=np.asarray(view.eye),
        turn=turn,
        tangent=view.tangent,
        floor=floor,
        far=limits.far,
        reach=reach,
        light=light,
        hills=hills or terrain.flat(),
    )


def _score(view: View, turn: np.ndarray, floor: float, boxes: _Boxes, limits: Limits) -> float:
    """At least 1 for a good view, 0 for one inside a solid; only bounding boxes count."""
    eye = np.asarray(view.eye)
    too_near = (np.abs(boxes.seen_from(eye)) < boxes.half.T + 0.6 * limits.near).all(0).any()
    if eye[1] < floor + 0.1 or too_near:
        return 0.0
    # [R, 3] rays to a grid of points in the picture, planar depth 1
    grid = np.linspace(-0.9, 0.9, GRID) * view.tangent
    rays = np.stack([*np.meshgrid(grid, grid), -np.ones((GRID, GRID))], -1).reshape(-1, 3) @ turn.T
    hits = boxes.hits(eye, rays)
    t = hits.min(0, initial=MISS)
    different = len(np.unique(hits.argmin(0)[t < limits.far])) if hits.size else 0
    down = rays[:, 1]
    ground = np.where(down < -1e-6, (floor - eye[1]) / np.minimum(down, -1e-6), MISS)
    seen = np.minimum(t, ground)
    if seen.min() < limits.near or (seen < 1.5 * limits.near).mean() > 0.5:
        return 0.2
    busy = (t < limits.middle).mean() / max(limits.share, 1e-6)
    filled = (seen < limits.far).mean() / 0.45
    varied = np.std(np.log(np.minimum(seen, limits.far))) / 0.12
    return min(busy, filled, varied, different / max(limits.solids, 1e-6))
