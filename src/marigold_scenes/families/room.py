"""Rooms: living, sleeping, dining, working, cooking or empty, furnished along the walls and in groups."""

import math
from collections.abc import Callable

from marigold_scenes import interior, view
from marigold_scenes.assembly import Assembly, Dice, Frame
from marigold_scenes.plan import Plan
from marigold_scenes.things import figures, furniture, leaves, seats
from marigold_scenes.things.small import SMALL

Piece = Callable[[Assembly, Frame], tuple]


def plan(dice: Dice) -> Plan:
    """A furnished room, seen from somewhere inside it."""
    parts = Assembly(dice)
    parts.material(*interior.OUTSIDE)
    upstairs = 0.3 if dice.chance(0.4) else dice.uniform(2.5, 20)
    width, depth = dice.uniform(2.6, 6.5), dice.uniform(2.8, 8.0)
    if dice.chance(0.12):
        # Corridors, halls and lofts.
        width, depth = dice.log(1.7, 11.0), dice.uniform(8.0, 17.0)
    height = dice.uniform(2.3, 3.0) if dice.chance(0.85) else dice.uniform(3.0, 4.5)
    room = interior.shell(parts, width, depth, height)
    furnish(parts, room, dice.pick(STYLES), dice.uniform(0.55, 1.0))
    light = interior.illuminate(parts, room)

    def propose() -> view.View:
        tangent = view.lens(dice, 45, 100)
        margin = 0.35
        x = dice.uniform(margin - width / 2, width / 2 - margin)
        z = dice.uniform(margin - depth / 2, depth / 2 - margin)
        if dice.chance(0.6):
            # Most people stand back to see much of the room.
            x, z = (
                math.copysign(half - dice.uniform(margin, 0.9), value)
                for half, value in ((width / 2, x), (depth / 2, z))
            )
        y = min(dice.uniform(1.0, 1.75) if dice.chance(0.75) else dice.uniform(0.25, 2.4), height - 0.25)
        target = (
            -x * dice.uniform(-0.1, 0.9) + dice.normal(0.5),
            y + dice.normal(0.45) - 0.3,
            -z * dice.uniform(0.1, 0.9) + dice.normal(0.5),
        )
        if math.hypot(target[0] - x, target[2] - z) < 0.8:
            target = (-x, target[1], -z)
        return view.View((x, y, z), target, view.roll(dice), tangent)

    limits = view.Limits(0.5, 12.0, 0.6, 8)
    return view.settle(parts, propose, light, limits, ground=lambda x, z: -upstairs, far=80.0, reach=1.3)


def furnish(parts: Assembly, room: interior.Shell, style: "Style", amount: float) -> None:
    """Fills the room: rug, pieces along the walls, groups in the middle, pictures."""
    dice = parts.dice
    if dice.chance(0.5):
        rug(parts, room)
    style.middle(parts, room)
    for wall in room.walls:
        along(parts, wall, room, style.pieces, amount)
        pictures(parts, wall, room.height)
    if dice.chance(0.2):
        spot = Frame(
            dice.uniform(-0.35, 0.35) * room.width, 0, dice.uniform(-0.35, 0.35) * room.depth, dice.uniform(0, 6.3)
        )
        if parts.claim(spot.x, spot.z, 0.35):
            figures.person(parts, spot, close=True)


def along(parts: Assembly, wall: interior.Wall, room: interior.Shell, pieces: tuple[Piece, ...], amount: float) -> None:
    """Stands pieces side by side against a wall, clear of doors."""
    dice = parts.dice
    x = -wall.length / 2 + dice.uniform(0.05, 0.5)
    while x < wall.length / 2 - 0.4:
        if not dice.chance(amount):
            x += dice.uniform(0.3, 1.2)
            continue
        piece, since = dice.pick(pieces), parts.count()
        size = piece(parts, Frame())
        width, depth = size[0], size[1]
        middle = x + width / 2
        frame = wall.frame.at(middle, 0, depth / 2 + 0.03, dice.normal(0.02))
        doors = any(o[1] < 0.1 and abs(o[0] - middle) < (o[2] + width) / 2 for o in wall.openings)
        fits = middle + width / 2 < wall.length / 2 and not doors and depth < 0.45 * min(room.width, room.depth)
        if fits and parts.claim(frame.x, frame.z, 0.42 * max(depth, min(width, 1.0))):
            parts.moved(since, frame)
            if len(size) > 2 and size[2] < 1.3:
                dress(parts, frame.at(0, size[2], 0), width, depth)
            x = middle + width / 2 + dice.uniform(0.02, 0.4)
        else:
            parts.dropped(since)
            x += 0.35


def dress(parts: Assembly, frame: Frame, width: float, depth: float, most: int = 5) -> None:
    """Puts small things on a top whose middle is the frame."""
    dice = parts.dice
    x = -width / 2 + 0.12
    for _ in range(dice.whole(0, most)):
        x += dice.uniform(0.05, 0.35)
        if x > width / 2 - 0.1:
            return
        thing = dice.pick(SMALL)
        x += thing(parts, frame.at(x, 0, dice.normal(0.15) * depth, dice.uniform(0, 6.3)))


def pictures(parts: Assembly, wall: interior.Wall, height: float) -> None:
    """Hangs pictures between the openings."""
    dice = parts.dice
    for _ in range(dice.whole(0, 3)):
        x = dice.uniform(-0.42, 0.42) * wall.length
        if all(abs(x - o[0]) > o[2] / 2 + 0.6 for o in wall.openings) and parts.claim(
            wall.frame.x * 9 + x, 90 + wall.frame.z, 0.6
        ):
            furniture.picture(parts, wall.frame.at(x, min(dice.uniform(1.35, 1.8), height - 0.6), 0))


def rug(parts: Assembly, room: interior.Shell) -> None:
    """A carpet on the floor."""
    parts.composite("rug")
    dice = parts.dice
    cloth, w, d = parts.material("rug"), room.width * dice.uniform(0.3, 0.7), room.depth * dice.uniform(0.3, 0.6)
    spot = Frame(dice.normal(0.4), 0, dice.normal(0.4), dice.normal(0.1))
    if dice.chance(0.2):
        parts.stand(spot, "cylinder", cloth, 0, 0, 0, (min(w, d), 0.012, min(w, d)))
    else:
        parts.box(spot, cloth, 0, 0, 0, w, 0.012, d)


SEATS = (
    (-0.25, 0.5, math.pi),
    (0.25, 0.5, math.pi),
    (-0.25, -0.5, 0.0),
    (0.25, -0.5, 0.0),
    (0.5, 0.0, -math.pi / 2),
    (-0.5, 0.0, math.pi / 2),
)
"""Places around a table of size 1: x, z and where they face."""


def dining(parts: Assembly, room: interior.Shell) -> None:
    """A table with chairs around it and things on it."""
    dice = parts.dice
    spot = Frame(
        dice.normal(0.1) * room.width, 0, dice.normal(0.1) * room.depth, dice.normal(0.2) + dice.pick((0, math.pi / 2))
    )
    since = parts.count()
    width, depth, height = furniture.table(parts, spot)
    if not parts.claim(spot.x, spot.z, 0.5 * width + 0.3):
        parts.dropped(since)
        return
    dress(parts, spot.at(0, height, 0), width, depth, 7)
    for x, z, yaw in SEATS:
        x, z = x * width, z * depth
        if dice.chance(0.6):
            out = dice.uniform(1.0, 1.25)
            seat = spot.at(x * out, 0, z * out + (0.12 if z > 0 else -0.12 if z < 0 else 0), yaw + dice.normal(0.2))
            seats.chair(parts, seat)
            if dice.chance(0.12):
                figures.person(parts, seat.at(0, 0, 0), sitting=True)


def lounge(parts: Assembly, room: interior.Shell) -> None:
    """A sofa facing a low table, perhaps an armchair."""
    dice = parts.dice
    spot = Frame(
        dice.normal(0.12) * room.width,
        0,
        dice.normal(0.12) * room.depth,
        dice.pick((0.0, 1.571, 3.142, -1.571)) + dice.normal(0.15),
    )
    if not parts.claim(spot.x, spot.z, 1.2):
        return
    width, depth, height = furniture.table(parts, spot, low=True)
    dress(parts, spot.at(0, height, 0), width, depth)
    seats.sofa(parts, spot.at(0, 0, -depth / 2 - dice.uniform(0.75, 0.95)))
    if dice.chance(0.5):
        seats.sofa(parts, spot.at(width / 2 + 1.0, 0, 0.2, -1.2 + dice.normal(0.3)))


def sleeping(parts: Assembly, room: interior.Shell) -> None:
    """A bed with its head to a wall and bedside tables."""
    dice = parts.dice
    wall = dice.pick(room.walls)
    since = parts.count()
    width, depth = seats.bed(parts, Frame())
    spot = wall.frame.at(dice.uniform(-0.25, 0.25) * wall.length, 0, depth / 2 + 0.1)
    if not parts.claim(spot.x, spot.z, 0.9):
        parts.dropped(since)
        return
    parts.moved(since, spot)
    for side in (-1, 1):
        if dice.chance(0.7):
            table = spot.at(side * (width / 2 + 0.32), 0, -depth / 2 + 0.25)
            wood = parts.material("wood")
            parts.box(table, wood, 0, 0, 0, 0.42, 0.45, 0.38)
            furniture.table_lamp(parts, table.at(0, 0.45, 0))


def clutter(parts: Assembly, room: interior.Shell) -> None:
    """Boxes, stools and plants standing about."""
    dice = parts.dice
    for _ in range(dice.whole(2, 9)):
        x, z = dice.uniform(-0.4, 0.4) * room.width, dice.uniform(-0.4, 0.4) * room.depth
        if parts.claim(x, z, 0.4):
            piece = dice.pick((furniture.pile_of_boxes, seats.stool, leaves.potted_plant, seats.chair, furniture.bin_))
            piece(parts, Frame(x, 0, z, dice.uniform(0, 6.3)))


def tall_cabinet(parts: Assembly, frame: Frame) -> tuple[float, float, float]:
    """A wardrobe."""
    return furniture.cabinet(parts, frame, tall=True)


def screen_on_cabinet(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A television on a low cabinet."""
    width, depth, height = furniture.cabinet(parts, frame)
    furniture.television(parts, frame.at(0, height, 0))
    return width, depth


class Style:
    """A way to furnish a room: what stands in the middle and what along the walls."""

    def __init__(self, middle: Callable[[Assembly, interior.Shell], None], *pieces: Piece) -> None:
        self.middle = middle
        self.pieces = pieces


def _lamp(parts: Assembly, frame: Frame) -> tuple[float, float]:
    return furniture.floor_lamp(parts, frame, 1.2 if parts.dice.chance(0.4) else 0.0)


STYLES = (
    Style(lounge, furniture.shelf, furniture.cabinet, screen_on_cabinet, leaves.potted_plant, _lamp, seats.sofa),
    Style(sleeping, tall_cabinet, furniture.cabinet, seats.chair, leaves.potted_plant, _lamp, furniture.coffer),
    Style(dining, furniture.cabinet, furniture.shelf, leaves.potted_plant, seats.chair, _lamp),
    Style(dining, furniture.cabinet, furniture.cabinet, tall_cabinet, seats.stool, furniture.bin_),
    Style(clutter, furniture.table, furniture.shelf, furniture.cabinet, seats.chair, furniture.bin_, furniture.coffer),
    Style(clutter, furniture.pile_of_boxes, seats.chair, leaves.potted_plant, seats.stool),
)  # fmt: skip
