"""Table-tops: crockery, fruit, books and gadgets close by, with a room or a garden behind."""

import math

from marigold_scenes import daylight, interior, room_light, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.description import SceneDescription
from marigold_scenes.families import room
from marigold_scenes.placement import Placement, ring
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import furniture, nature, seats
from marigold_scenes.things.small import SMALL

OUTDOORS = ("grass", "wood", "paving", "sand", "concrete")
"""What a table may stand on outdoors."""
TOPS = ("wood", "wood", "wood", "stone", "plastic", "tile", "metal")
LIMITS = view.Limits(near=0.2, middle=3.0, share=0.55, solids=6)


def sample(rng: RandomStream) -> SceneDescription:
    """A laid or cluttered table seen from close by."""
    parts = Assembly(rng)
    inside = rng.chance(0.75)
    parts.material(*(interior.OUTSIDE if inside else OUTDOORS))
    height = rng.uniform(0.4, 1.0)
    width, depth = rng.uniform(0.7, 2.2), rng.uniform(0.5, 1.1)
    top(parts, Placement(), width, depth, height)
    things(parts, width, depth, height)
    if inside:
        side, long = rng.uniform(3.0, 6.0), rng.uniform(3.0, 6.5)
        shell = interior.shell(parts, side, long, rng.uniform(2.3, 3.0))
        parts.claim(0, 0, 0.7 * width)
        for wall in shell.walls:
            room.along(parts, wall, shell, rng.pick(room.STYLES).pieces, 0.4)
            room.pictures(parts, wall, shell.height)
        for _ in range(rng.integer(0, 3)):
            angle = rng.uniform(0, 6.3)
            reach = rng.uniform(0.7, 0.9) * math.hypot(width, depth)
            seats.chair(parts, Placement(*ring(angle, reach), rng.uniform(0, 6.3)))
        light = room_light.illuminate(parts, shell)
    else:
        side, long = 100.0, 100.0
        for _ in range(rng.integer(2, 7)):
            spot = Placement(*ring(rng.uniform(0, 6.3), rng.uniform(2, 12)))
            make, size = (nature.bush, (0.6, 2)) if rng.chance(0.6) else (nature.tree, (3, 7))
            make(parts, spot, rng.uniform(*size))
        light = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(rng, 30, 75)
        target = (rng.normal(0.15) * width, height + rng.uniform(0.0, 0.12), rng.normal(0.15) * depth)
        distance, turn, rise = rng.log_uniform(0.35, 1.2), rng.uniform(0, 6.3), math.radians(rng.uniform(6, 60))
        x, y, z = view.orbit(target, distance, turn, rise)
        x, z = (max(min(at, half - 0.2), 0.2 - half) for at, half in ((x, side / 2), (z, long / 2)))
        return view.View((x, y, z), target, view.roll(rng), tangent)

    ground = -0.3 if inside else 0.0
    return view.settle(parts, propose, light, LIMITS, ground=lambda x, z: ground, reach=0.35)


def top(parts: Assembly, at: Placement, width: float, depth: float, height: float) -> None:
    """The table itself, perhaps with a cloth or place mats."""
    rng = parts.rng
    wood = parts.material(*TOPS)
    thick = rng.uniform(0.02, 0.06)
    if rng.chance(0.2):
        parts.stand(at, "cylinder", wood, (0, height - thick, 0), (width, thick, width))
    else:
        parts.box(at, wood, (0, height - thick, 0), (width, thick, depth))
    furniture.legs(parts, at, wood, width * 0.7, depth * 0.85, height - thick)
    if rng.chance(0.3):
        cloth = parts.material("fabric", "rug")
        share = rng.uniform(0.3, 0.95)
        parts.box(at, cloth, (0, height, 0), (width * share, 0.003, depth * rng.uniform(0.5, 0.98)))
    for _ in range(rng.integer(0, 3)):
        mat = parts.material("fabric", "paper", "wood", "plastic", "picture")
        x, z = rng.uniform(-0.35, 0.35) * width, rng.uniform(-0.3, 0.3) * depth
        parts.box(
            at.offset(x, height + 0.003, z, rng.normal(0.3)),
            mat,
            (0, 0, 0),
            (rng.uniform(0.15, 0.45), 0.003, rng.uniform(0.15, 0.32)),
        )


def things(parts: Assembly, width: float, depth: float, height: float) -> None:
    """Things all over the top: many of one sort or a mixture, loose or crowded."""
    rng = parts.rng
    kinds = [rng.pick(SMALL) for _ in range(rng.integer(1, 6))]
    taken: list[tuple[float, float, float]] = []
    for _ in range(rng.integer(8, 34)):
        x, z = rng.normal(0.22) * width, rng.normal(0.22) * depth
        if any(math.hypot(x - a, z - b) < r + rng.uniform(0.03, 0.09) for a, b, r in taken):
            continue
        radius = rng.pick(kinds)(parts, Placement(x, height + 0.006, z, rng.uniform(0, 6.3)))
        taken.append((x, z, radius))
