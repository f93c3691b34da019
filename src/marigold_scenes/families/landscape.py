"""Open country: hills, woods, rocks, water, paths, farms and animals."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from marigold_scenes import daylight, terrain, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Placement, ring
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import buildings, figures, nature


class Scattered(NamedTuple):
    """Things of one kind that are strewn over the land."""

    make: Callable[..., object]
    """A function of an assembly and a placement, and of a size where there is one."""
    radius: float
    """Of the ground that each takes, in metres."""
    near: float
    far: float
    """The range of distances from the middle, in metres."""
    size: tuple[float, float] | None = None


def _stones(parts: Assembly, at: Placement) -> None:
    rng = parts.rng
    size = rng.log_uniform(0.2, 2.5)
    make = nature.rock_pile if rng.chance(0.3) else nature.rock
    make(parts, at, size)


HOUSE = Scattered(buildings.house, radius=7, near=12, far=60)
TOWER = Scattered(buildings.tower, radius=4, near=20, far=65)
TREE = Scattered(nature.tree, radius=1.6, near=4, far=35, size=(0.5, 1.2))
STONES = Scattered(_stones, radius=1.5, near=1.5, far=45)
BUSH = Scattered(nature.bush, radius=1.0, near=2, far=45, size=(0.5, 2.5))
TUFT = Scattered(nature.tuft, radius=0.2, near=1, far=20, size=(0.2, 0.9))

RARE = (
    (0.15, Scattered(nature.log, radius=1.5, near=2, far=30, size=(1.5, 6))),
    (0.12, Scattered(nature.stump, radius=0.6, near=2, far=30, size=(0.3, 0.9))),
    (0.08, Scattered(nature.cactus, radius=0.8, near=2, far=30, size=(1, 4))),
    (0.12, Scattered(buildings.bench, radius=0.9, near=2, far=30)),
    (0.3, Scattered(figures.animal, radius=1.0, near=2, far=30)),
    (0.3, Scattered(figures.person, radius=0.5, near=2, far=30)),
)
"""What few scenes have, with its probability."""

LIMITS = view.Limits(near=0.8, middle=70.0, share=0.1, solids=3)


def sample(rng: RandomStream) -> SceneDescription:
    """Hills around the origin with things scattered over them, thinner with distance."""
    parts = Assembly(rng)
    parts.material("grass", "grass", "grass", "soil", "sand", "snow", "stone")
    parts.material("soil", "sand", "concrete", "asphalt", "stone")
    parts.material("water")
    parts.material("sand", "stone", "soil", "grass")
    row = terrain.sample(rng)
    woods, rocks = rng.log_uniform(1, 14), rng.log_uniform(0.5, 20)
    if rng.chance(0.35):
        _strew(parts, row, HOUSE, rng.integer(1, 4))
    if rng.chance(0.15):
        _strew(parts, row, TOWER, 1)
    tall = rng.uniform(4, 14)
    _strew(parts, row, TREE, int(woods), scale=tall)
    for _ in range(rng.integer(0, 4)):
        _wood(parts, row, tall)
    _strew(parts, row, STONES, int(rocks))
    _strew(parts, row, BUSH, int(rng.log_uniform(0.5, 12)))
    leaf = parts.material("leaf")
    _strew(parts, row, TUFT._replace(make=partial(nature.tuft, leaf=leaf)), int(rng.log_uniform(0.5, 60)))
    for share, thing in RARE:
        if rng.chance(share):
            _strew(parts, row, thing, rng.integer(1, 4))
    if rng.chance(0.3):
        _fence(parts, row)
    light = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))
    propose, ground = partial(_view, rng, row), partial(terrain.height, row)
    return view.settle(parts, propose, light, LIMITS, ground=ground, reach=2.5, hills=row)


def _view(rng: RandomStream, row: list[float]) -> view.View:
    """From near the middle in any direction, at eye level or from a height."""
    tangent = view.lens(rng, 35, 100)
    x, z = rng.normal(7), rng.normal(7)
    above = rng.uniform(1.2, 2.0) if rng.chance(0.6) else rng.log_uniform(0.3, 15.0)
    y = terrain.height(row, x, z) + above
    turn, reach = rng.uniform(0, 6.3), 10.0
    pitch = -math.radians(rng.uniform(10, 50)) if above > 5 else math.radians(rng.normal(7) - 2)
    target = (x + reach * math.cos(turn), y + reach * math.tan(pitch), z + reach * math.sin(turn))
    return view.View((x, y, z), target, view.roll(rng), tangent)


def _strew(parts: Assembly, row: list[float], thing: Scattered, count: int, scale: float = 1.0) -> None:
    """Puts up to `count` things on free, dry ground off the path; what finds no place in three tries is left out."""
    rng = parts.rng
    for _ in range(count):
        for _ in range(3):
            x, _, z = ring(rng.uniform(0, 6.3), rng.log_uniform(thing.near, thing.far))
            if terrain.is_dry(row, x, z) and not terrain.on_path(row, x, z) and parts.claim(x, z, thing.radius):
                at = Placement(x, terrain.height(row, x, z) - 0.05, z, rng.uniform(0, 6.3))
                thing.make(parts, at, *((scale * rng.uniform(*thing.size),) if thing.size else ()))
                break


def _wood(parts: Assembly, row: list[float], tall: float) -> None:
    """A stand of trees some way off."""
    rng = parts.rng
    angle, distance, spread = rng.uniform(0, 6.3), rng.uniform(22, 68), rng.uniform(6, 22)
    for _ in range(rng.integer(6, 22)):
        x, _, z = ring(angle, distance)
        x, z = x + rng.normal(spread), z + rng.normal(spread)
        if math.hypot(x, z) > 14 and terrain.is_dry(row, x, z) and parts.claim(x, z, 1.2):
            at = Placement(x, terrain.height(row, x, z), z, rng.uniform(0, 6.3))
            nature.distant_tree(parts, at, tall * rng.uniform(0.6, 1.3))


def _fence(parts: Assembly, row: list[float]) -> None:
    """Posts and rails that follow the ground."""
    rng = parts.rng
    wood = parts.material("wood")
    angle, x, z = rng.uniform(0, 6.3), rng.uniform(-14, 14), rng.uniform(-14, 14)
    before = None
    for number in range(-12, 13):
        a, b = x + 2.2 * number * math.cos(angle), z + 2.2 * number * math.sin(angle)
        y = terrain.height(row, a, b)
        parts.post(Placement(a, y, b), wood, (0, -0.2, 0), 0.05, 1.3)
        if before:
            for level in (0.5, 0.95):
                start, end = (before[0], before[1] + level, before[2]), (a, y + level, b)
                parts.limb(Placement(), wood, start, end, 0.035)
        before = (a, y, b)
