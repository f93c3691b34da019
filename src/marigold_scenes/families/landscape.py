"""Open country: hills, woods, rocks, water, paths, farms and animals."""

import math

from marigold_scenes import daylight, terrain, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import buildings, figures, nature

REGION = 75.0


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
        for _ in range(rng.integer(1, 4)):
            _put(parts, row, lambda at: buildings.house(parts, at), 7, 12, 60)
    if rng.chance(0.15):
        _put(parts, row, lambda at: buildings.tower(parts, at), 4, 20, 65)
    tall = rng.uniform(4, 14)
    for _ in range(int(woods)):
        _put(parts, row, lambda at: nature.tree(parts, at, tall * rng.uniform(0.5, 1.2)), 1.6, 4, 35)
    for _ in range(rng.integer(0, 4)):
        _wood(parts, row, tall)
    for _ in range(int(rocks)):
        _put(parts, row, lambda at: _stones(parts, at), 1.5, 1.5, 45)
    for _ in range(int(rng.log_uniform(0.5, 12))):
        _put(parts, row, lambda at: nature.bush(parts, at, rng.uniform(0.5, 2.5)), 1.0, 2, 45)
    leaf = parts.material("leaf")
    for _ in range(int(rng.log_uniform(0.5, 60))):
        _put(parts, row, lambda at: nature.tuft(parts, at, rng.uniform(0.2, 0.9), leaf), 0.2, 1, 20)
    for share, make, radius in (
        (0.15, lambda at: nature.log(parts, at, rng.uniform(1.5, 6)), 1.5),
        (0.12, lambda at: nature.stump(parts, at, rng.uniform(0.3, 0.9)), 0.6),
        (0.08, lambda at: nature.cactus(parts, at, rng.uniform(1, 4)), 0.8),
        (0.12, lambda at: buildings.bench(parts, at), 0.9),
        (0.3, lambda at: figures.animal(parts, at), 1.0),
        (0.3, lambda at: figures.person(parts, at), 0.5),
    ):
        if rng.chance(share):
            for _ in range(rng.integer(1, 4)):
                _put(parts, row, make, radius, 2, 30)
    if rng.chance(0.3):
        _fence(parts, row)
    light = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(rng, 35, 100)
        x, z = rng.normal(7), rng.normal(7)
        above = rng.uniform(1.2, 2.0) if rng.chance(0.6) else rng.log_uniform(0.3, 15.0)
        y = terrain.height(row, x, z) + above
        turn, reach = rng.uniform(0, 6.3), 10.0
        pitch = -math.radians(rng.uniform(10, 50)) if above > 5 else math.radians(rng.normal(7) - 2)
        target = (x + reach * math.cos(turn), y + reach * math.tan(pitch), z + reach * math.sin(turn))
        return view.View((x, y, z), target, view.roll(rng), tangent)

    def ground(x: float, z: float) -> float:
        return terrain.height(row, x, z)

    limits = view.Limits(near=0.8, middle=70.0, share=0.1, solids=3)
    return view.settle(parts, propose, light, limits, ground=ground, reach=2.5, hills=row)


def _put(parts: Assembly, row: list[float], make, radius: float, near: float, far: float) -> None:
    """Makes something on free, dry ground off the path at a distance between `near` and `far`."""
    rng = parts.rng
    for _ in range(3):
        angle, distance = rng.uniform(0, 6.3), rng.log_uniform(near, far)
        x, z = distance * math.cos(angle), distance * math.sin(angle)
        if not terrain.is_dry(row, x, z) or terrain.on_path(row, x, z) or not parts.claim(x, z, radius):
            continue
        make(Placement(x, terrain.height(row, x, z) - 0.05, z, rng.uniform(0, 6.3)))
        return


def _wood(parts: Assembly, row: list[float], tall: float) -> None:
    """A stand of trees some way off."""
    rng = parts.rng
    angle, distance, spread = rng.uniform(0, 6.3), rng.uniform(22, 68), rng.uniform(6, 22)
    for _ in range(rng.integer(6, 22)):
        x = distance * math.cos(angle) + rng.normal(spread)
        z = distance * math.sin(angle) + rng.normal(spread)
        if math.hypot(x, z) > 14 and terrain.is_dry(row, x, z) and parts.claim(x, z, 1.2):
            at = Placement(x, terrain.height(row, x, z), z, rng.uniform(0, 6.3))
            nature.distant_tree(parts, at, tall * rng.uniform(0.6, 1.3))


def _stones(parts: Assembly, at: Placement) -> None:
    rng = parts.rng
    size = rng.log_uniform(0.2, 2.5)
    if rng.chance(0.3):
        nature.rock_pile(parts, at, size)
    else:
        nature.rock(parts, at, size)


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
