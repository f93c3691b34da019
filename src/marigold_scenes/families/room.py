"""Rooms: living, sleeping, dining, working, cooking or empty, furnished along the walls and in groups."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from marigold_scenes import interior, room_light, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import figures, furniture, leaves, seats
from marigold_scenes.things.small import SMALL

Piece = Callable[[Assembly, Placement], tuple]
"""Builds a piece of furniture; its width, depth and, where things can be put on it, its height."""
LIMITS = view.Limits(near=0.5, middle=12.0, share=0.6, solids=8)


def sample(rng: RandomStream) -> SceneDescription:
    """A furnished room, seen from somewhere inside it."""
    parts = Assembly(rng)
    parts.material(*interior.OUTSIDE)
    upstairs = 0.3 if rng.chance(0.4) else rng.uniform(2.5, 20)
    width, depth = rng.uniform(2.6, 6.5), rng.uniform(2.8, 8.0)
    if rng.chance(0.12):
        # Corridors, halls and lofts.
        width, depth = rng.log_uniform(1.7, 11.0), rng.uniform(8.0, 17.0)
    height = rng.uniform(2.3, 3.0) if rng.chance(0.85) else rng.uniform(3.0, 4.5)
    room = interior.shell(parts, width, depth, height)
    furnish(parts, room, rng.pick(STYLES), rng.uniform(0.55, 1.0))
    light = room_light.illuminate(parts, room)
    return view.settle(parts, partial(_view, rng, room), light, LIMITS, ground=lambda x, z: -upstairs, reach=1.3)


def _view(rng: RandomStream, room: interior.Shell) -> view.View:
    """From anywhere in the room, most often from its corners."""
    tangent = view.lens(rng, 45, 100)
    margin = 0.35
    x = rng.uniform(margin - room.width / 2, room.width / 2 - margin)
    z = rng.uniform(margin - room.depth / 2, room.depth / 2 - margin)
    if rng.chance(0.6):
        # Most people stand back to see much of the room.
        sides = ((room.width / 2, x), (room.depth / 2, z))
        x, z = (math.copysign(half - rng.uniform(margin, 0.9), value) for half, value in sides)
    y = min(rng.uniform(1.0, 1.75) if rng.chance(0.75) else rng.uniform(0.25, 2.4), room.height - 0.25)
    target = (
        -x * rng.uniform(-0.1, 0.9) + rng.normal(0.5),
        y + rng.normal(0.45) - 0.3,
        -z * rng.uniform(0.1, 0.9) + rng.normal(0.5),
    )
    if math.hypot(target[0] - x, target[2] - z) < 0.8:
        target = (-x, target[1], -z)
    return view.View((x, y, z), target, view.roll(rng), tangent)


def furnish(parts: Assembly, room: interior.Shell, style: "Style", amount: float) -> None:
    """Fills the room: rug, pieces along the walls, groups in the middle, pictures."""
    rng = parts.rng
    if rng.chance(0.5):
        rug(parts, room)
    style.middle(parts, room)
    for wall in room.walls:
        along(parts, wall, room, style.pieces, amount)
        pictures(parts, wall, room.height)
    if rng.chance(0.2):
        x, z = rng.uniform(-0.35, 0.35) * room.width, rng.uniform(-0.35, 0.35) * room.depth
        spot = Placement(x, 0, z, rng.uniform(0, 6.3))
        if parts.claim(spot.x, spot.z, 0.35):
            figures.person(parts, spot, close=True)


def along(parts: Assembly, wall: interior.Wall, room: interior.Shell, pieces: tuple[Piece, ...], amount: float) -> None:
    """Stands pieces side by side against a wall, clear of doors."""
    rng = parts.rng
    x = -wall.length / 2 + rng.uniform(0.05, 0.5)
    while x < wall.length / 2 - 0.4:
        if not rng.chance(amount):
            x += rng.uniform(0.3, 1.2)
            continue
        piece, since = rng.pick(pieces), parts.count()
        size = piece(parts, Placement())
        width, depth = size[0], size[1]
        middle = x + width / 2
        at = wall.at.offset(middle, 0, depth / 2 + 0.03, rng.normal(0.02))
        doors = any(o.sill < 0.1 and abs(o.x - middle) < (o.width + width) / 2 for o in wall.openings)
        fits = middle + width / 2 < wall.length / 2 and not doors and depth < 0.45 * min(room.width, room.depth)
        if fits and parts.claim(at.x, at.z, 0.42 * max(depth, min(width, 1.0))):
            parts.moved(since, at)
            if len(size) > 2 and size[2] < 1.3:
                dress(parts, at.offset(0, size[2], 0), width, depth)
            x = middle + width / 2 + rng.uniform(0.02, 0.4)
        else:
            parts.dropped(since)
            x += 0.35


def dress(parts: Assembly, at: Placement, width: float, depth: float, most: int = 5) -> None:
    """Puts small things on a top whose middle is the placement."""
    rng = parts.rng
    x = -width / 2 + 0.12
    for _ in range(rng.integer(0, most)):
        x += rng.uniform(0.05, 0.35)
        if x > width / 2 - 0.1:
            return
        thing = rng.pick(SMALL)
        x += thing(parts, at.offset(x, 0, rng.normal(0.15) * depth, rng.uniform(0, 6.3)))


def pictures(parts: Assembly, wall: interior.Wall, height: float) -> None:
    """Hangs pictures between the openings."""
    rng = parts.rng
    for _ in range(rng.integer(0, 3)):
        x = rng.uniform(-0.42, 0.42) * wall.length
        free = all(opening.clear_of(x, 0.6) for opening in wall.openings)
        # Pictures keep clear of each other in a place of their own, far from the floor's discs.
        if free and parts.claim(wall.at.x * 9 + x, 90 + wall.at.z, 0.6):
            furniture.picture(parts, wall.at.offset(x, min(rng.uniform(1.35, 1.8), height - 0.6), 0))


def rug(parts: Assembly, room: interior.Shell) -> None:
    """A carpet on the floor."""
    rng = parts.rng
    cloth, w, d = parts.material("rug"), room.width * rng.uniform(0.3, 0.7), room.depth * rng.uniform(0.3, 0.6)
    spot = Placement(rng.normal(0.4), 0, rng.normal(0.4), rng.normal(0.1))
    if rng.chance(0.2):
        parts.stand(spot, "cylinder", cloth, (0, 0, 0), (min(w, d), 0.012, min(w, d)))
    else:
        parts.box(spot, cloth, (0, 0, 0), (w, 0.012, d))


SEATS = (
    *((-0.25, 0.5, math.pi), (0.25, 0.5, math.pi), (-0.25, -0.5, 0.0), (0.25, -0.5, 0.0)),
    *((0.5, 0.0, -math.pi / 2), (-0.5, 0.0, math.pi / 2)),
)
"""Places around a table of size 1: x, z and where they face."""


def dining(parts: Assembly, room: interior.Shell) -> None:
    """A table with chairs around it and things on it."""
    rng = parts.rng
    x, z = rng.normal(0.1) * room.width, rng.normal(0.1) * room.depth
    spot = Placement(x, 0, z, rng.normal(0.2) + rng.pick((0, math.pi / 2)))
    since = parts.count()
    width, depth, height = furniture.table(parts, spot)
    if not parts.claim(spot.x, spot.z, 0.5 * width + 0.3):
        parts.dropped(since)
        return
    dress(parts, spot.offset(0, height, 0), width, depth, 7)
    for x, z, yaw in SEATS:
        x, z = x * width, z * depth
        if rng.chance(0.6):
            out = rng.uniform(1.0, 1.25)
            seat = spot.offset(x * out, 0, z * out + (0.12 if z > 0 else -0.12 if z < 0 else 0), yaw + rng.normal(0.2))
            seats.chair(parts, seat)
            if rng.chance(0.12):
                figures.person(parts, seat.offset(0, 0, 0), sitting=True)


def lounge(parts: Assembly, room: interior.Shell) -> None:
    """A sofa facing a low table, perhaps an armchair."""
    rng = parts.rng
    x, z = rng.normal(0.12) * room.width, rng.normal(0.12) * room.depth
    spot = Placement(x, 0, z, rng.pick((0.0, 1.571, 3.142, -1.571)) + rng.normal(0.15))
    if not parts.claim(spot.x, spot.z, 1.2):
        return
    width, depth, height = furniture.table(parts, spot, low=True)
    dress(parts, spot.offset(0, height, 0), width, depth)
    seats.sofa(parts, spot.offset(0, 0, -depth / 2 - rng.uniform(0.75, 0.95)))
    if rng.chance(0.5):
        seats.sofa(parts, spot.offset(width / 2 + 1.0, 0, 0.2, -1.2 + rng.normal(0.3)))


def sleeping(parts: Assembly, room: interior.Shell) -> None:
    """A bed with its head to a wall and bedside tables."""
    rng = parts.rng
    wall = rng.pick(room.walls)
    since = parts.count()
    width, depth = seats.bed(parts, Placement())
    spot = wall.at.offset(rng.uniform(-0.25, 0.25) * wall.length, 0, depth / 2 + 0.1)
    if not parts.claim(spot.x, spot.z, 0.9):
        parts.dropped(since)
        return
    parts.moved(since, spot)
    for side in (-1, 1):
        if rng.chance(0.7):
            table = spot.offset(side * (width / 2 + 0.32), 0, -depth / 2 + 0.25)
            wood = parts.material("wood")
            parts.box(table, wood, (0, 0, 0), (0.42, 0.45, 0.38))
            furniture.table_lamp(parts, table.offset(0, 0.45, 0))


def clutter(parts: Assembly, room: interior.Shell) -> None:
    """Boxes, stools and plants standing about."""
    rng = parts.rng
    for _ in range(rng.integer(2, 9)):
        x, z = rng.uniform(-0.4, 0.4) * room.width, rng.uniform(-0.4, 0.4) * room.depth
        if parts.claim(x, z, 0.4):
            piece = rng.pick((furniture.pile_of_boxes, seats.stool, leaves.potted_plant, seats.chair, furniture.bin_))
            piece(parts, Placement(x, 0, z, rng.uniform(0, 6.3)))


def tall_cabinet(parts: Assembly, at: Placement) -> tuple[float, float, float]:
    """A wardrobe."""
    return furniture.cabinet(parts, at, tall=True)


def screen_on_cabinet(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A television on a low cabinet."""
    width, depth, height = furniture.cabinet(parts, at)
    furniture.television(parts, at.offset(0, height, 0))
    return width, depth


class Style(NamedTuple):
    """A way to furnish a room: what stands in the middle and what along the walls."""

    middle: Callable[[Assembly, interior.Shell], None]
    pieces: tuple[Piece, ...]


def _lamp(parts: Assembly, at: Placement) -> tuple[float, float]:
    return furniture.floor_lamp(parts, at, 1.2 if parts.rng.chance(0.4) else 0.0)


STYLES = (
    Style(lounge, (furniture.shelf, furniture.cabinet, screen_on_cabinet, leaves.potted_plant, _lamp, seats.sofa)),
    Style(sleeping, (tall_cabinet, furniture.cabinet, seats.chair, leaves.potted_plant, _lamp, furniture.coffer)),
    Style(dining, (furniture.cabinet, furniture.shelf, leaves.potted_plant, seats.chair, _lamp)),
    Style(dining, (furniture.cabinet, furniture.cabinet, tall_cabinet, seats.stool, furniture.bin_)),
    Style(
        clutter, (furniture.table, furniture.shelf, furniture.cabinet, seats.chair, furniture.bin_, furniture.coffer)
    ),
    Style(clutter, (furniture.pile_of_boxes, seats.chair, leaves.potted_plant, seats.stool)),
)
