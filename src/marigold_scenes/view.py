"""Choosing a viewpoint: proposals are drawn until one shows something and stands in nothing."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from marigold_scenes import terrain
from marigold_scenes.assembly import Assembly
from marigold_scenes.daylight import Light
from marigold_scenes.description import SceneDescription
from marigold_scenes.random_stream import RandomStream

TRIES = 14
GRID = 7
MISS = 1e6


class View(NamedTuple):
    """A proposed camera: where it is, what it looks at, its roll in radians, tangent of half the horizontal field."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    roll: float
    tangent: float


class Limits(NamedTuple):
    """What a picture must show.

    Nothing nearer than `near`, solids within `middle` metres over a `share` of it, and so many different `solids`.
    """

    near: float
    middle: float
    share: float = 0.35
    solids: int = 5


def lens(rng: RandomStream, low: float = 30.0, high: float = 100.0) -> float:
    """The tangent of half a horizontal field of view between `low` and `high` degrees, most often a normal lens."""
    degrees = rng.uniform(low, high) if rng.chance(0.4) else min(max(58 + rng.normal(11), low), high)
    return math.tan(math.radians(degrees) / 2)


def roll(rng: RandomStream) -> float:
    """A roll in radians: mostly level, with a tail to 15 degrees."""
    return rng.normal(math.radians(1.0)) if rng.chance(0.75) else rng.normal(math.radians(5.0))


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
    far: float,
    reach: float,
    hills: list[float] | None = None,
) -> SceneDescription:
    """The finished plan from the first proposal that fits `limits`, or from the best of `TRIES`."""
    solids = parts.finish()
    local = np.concatenate([solids.rotation.transpose(0, 2, 1), solids.centre[:, None]], 1)
    best, most = None, -1.0
    for _ in range(TRIES):
        view = propose()
        turn = orientation(view)
        floor = ground(view.eye[0], view.eye[2])
        score = _score(np.asarray(view.eye), turn, view.tangent, local, solids.half, floor, far, limits)
        if score > most:
            best, most = (view, turn, floor), score
        if score >= 1:
            break
    assert best is not None
    view, turn, floor = best
    return SceneDescription(
        solids=solids,
        materials=np.stack(parts.materials),
        used=tuple(sorted(parts.used)),
        eye=np.asarray(view.eye),
        turn=turn,
        tangent=view.tangent,
        floor=floor,
        far=far,
        reach=reach,
        light=light,
        hills=hills or terrain.flat(),
    )


def _score(
    eye: np.ndarray,
    turn: np.ndarray,
    tangent: float,
    local: np.ndarray,
    half: np.ndarray,
    floor: float,
    far: float,
    limits: Limits,
) -> float:
    """At least 1 for a good view, 0 for one inside a solid; only bounding boxes count."""
    rotation, centre = local[:, :3], local[:, 3]
    start = np.einsum("nij,nj->in", rotation, eye - centre)
    extent = half.T
    if eye[1] < floor + 0.1 or (np.abs(start) < extent + 0.6 * limits.near).all(0).any():
        return 0.0
    grid = np.linspace(-0.9, 0.9, GRID) * tangent
    rays = np.stack([*np.meshgrid(grid, grid), -np.ones((GRID, GRID))], -1).reshape(-1, 3) @ turn.T
    # Slabs of every solid's bounding box, [3, solids, rays].
    heading = (rotation.transpose(1, 0, 2).reshape(-1, 3) @ rays.T + 1e-9).reshape(3, -1, len(rays))
    middle, reach = -start[..., None] / heading, extent[..., None] / np.abs(heading)
    near = functools.reduce(np.maximum, middle - reach)
    out = functools.reduce(np.minimum, middle + reach)
    hits = np.where((near <= out) & (near > 0), near, MISS)
    t = hits.min(0, initial=MISS)
    different = len(np.unique(hits.argmin(0)[t < far])) if hits.size else 0
    down = rays[:, 1]
    ground = np.where(down < -1e-6, (floor - eye[1]) / np.minimum(down, -1e-6), MISS)
    seen = np.minimum(t, ground)
    if seen.min() < limits.near or (seen < 1.5 * limits.near).mean() > 0.5:
        return 0.2
    busy = (t < limits.middle).mean() / max(limits.share, 1e-6)
    filled = (seen < far).mean() / 0.45
    varied = np.std(np.log(np.minimum(seen, far))) / 0.12
    return min(busy, filled, varied, different / max(limits.solids, 1e-6))
