"""Table-tops: crockery, fruit, books and gadgets close by, with a room or a garden behind."""

import math

from marigold_scenes import daylight, interior, view
from marigold_scenes.assembly import Assembly, Dice, Frame
from marigold_scenes.families import room
from marigold_scenes.plan import Plan
from marigold_scenes.things import furniture, nature, seats
from marigold_scenes.things.small import SMALL


def plan(dice: Dice) -> Plan:
    """A laid or cluttered table seen from close by."""
    parts = Assembly(dice)
    inside = dice.chance(0.75)
    parts.material(*(interior.OUTSIDE if inside else ("grass", "wood", "paving", "sand", "concrete")))
    height = dice.uniform(0.4, 1.0)
    width, depth = dice.uniform(0.7, 2.2), dice.uniform(0.5, 1.1)
    top(parts, Frame(), width, depth, height)
    things(parts, width, depth, height)
    if inside:
        side, long = dice.uniform(3.0, 6.0), dice.uniform(3.0, 6.5)
        shell = interior.shell(parts, side, long, dice.uniform(2.3, 3.0))
        parts.claim(0, 0, 0.7 * width)
        for wall in shell.walls:
            room.along(parts, wall, shell, dice.pick(room.STYLES).pieces, 0.4)
            room.pictures(parts, wall, shell.height)
        for _ in range(dice.whole(0, 3)):
            angle = dice.uniform(0, 6.3)
            reach = dice.uniform(0.7, 0.9) * math.hypot(width, depth)
            seats.chair(parts, Frame(reach * math.cos(angle), 0, reach * math.sin(angle), dice.uniform(0, 6.3)))
        light = interior.illuminate(parts, shell)
    else:
        side, long = 100.0, 100.0
        for _ in range(dice.whole(2, 7)):
            angle, distance = dice.uniform(0, 6.3), dice.uniform(2, 12)
            spot = Frame(distance * math.cos(angle), 0, distance * math.sin(angle))
            nature.bush(parts, spot, dice.uniform(0.6, 2)) if dice.chance(0.6) else nature.tree(
                parts, spot, dice.uniform(3, 7)
            )
        light = daylight.outdoors(dice, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(dice, 30, 75)
        target = (dice.normal(0.15) * width, height + dice.uniform(0.0, 0.12), dice.normal(0.15) * depth)
        distance, turn, rise = dice.log(0.35, 1.2), dice.uniform(0, 6.3), math.radians(dice.uniform(6, 60))
        c = math.cos(rise) * distance
        eye = (target[0] + c * math.cos(turn), target[1] + math.sin(rise) * distance, target[2] + c * math.sin(turn))
        eye = (
            max(min(eye[0], side / 2 - 0.2), 0.2 - side / 2),
            eye[1],
            max(min(eye[2], long / 2 - 0.2), 0.2 - long / 2),
        )
        return view.View(eye, target, view.roll(dice), tangent)

    limits = view.Limits(0.2, 3.0, 0.55, 6)
    ground = -0.3 if inside else 0.0
    return view.settle(parts, propose, light, limits, ground=lambda x, z: ground, far=80.0, reach=0.35)


def top(parts: Assembly, frame: Frame, width: float, depth: float, height: float) -> None:
    """The table itself, perhaps with a cloth or place mats."""
    dice = parts.dice
    parts.composite("table")
    wood = parts.material("wood", "wood", "wood", "stone", "plastic", "tile", "metal")
    thick = dice.uniform(0.02, 0.06)
    if dice.chance(0.2):
        parts.stand(frame, "cylinder", wood, 0, height - thick, 0, (width, thick, width))
    else:
        parts.box(frame, wood, 0, height - thick, 0, width, thick, depth)
    furniture.legs(parts, frame, wood, width * 0.7, depth * 0.85, height - thick)
    if dice.chance(0.3):
        cloth = parts.material("fabric", "rug")
        share = dice.uniform(0.3, 0.95)
        parts.box(frame, cloth, 0, height, 0, width * share, 0.003, depth * dice.uniform(0.5, 0.98))
    for _ in range(dice.whole(0, 3)):
        mat = parts.material("fabric", "paper", "wood", "plastic", "picture")
        place = frame.at(
            dice.uniform(-0.35, 0.35) * width, height + 0.003, dice.uniform(-0.3, 0.3) * depth, dice.normal(0.3)
        )
        parts.box(place, mat, 0, 0, 0, dice.uniform(0.15, 0.45), 0.003, dice.uniform(0.15, 0.32))


def things(parts: Assembly, width: float, depth: float, height: float) -> None:
    """Things all over the top: many of one sort or a mixture, loose or crowded."""
    dice = parts.dice
    kinds = [dice.pick(SMALL) for _ in range(dice.whole(1, 6))]
    taken: list[tuple[float, float, float]] = []
    for _ in range(dice.whole(8, 34)):
        x, z = dice.normal(0.22) * width, dice.normal(0.22) * depth
        if any(math.hypot(x - a, z - b) < r + dice.uniform(0.03, 0.09) for a, b, r in taken):
            continue
        radius = dice.pick(kinds)(parts, Frame(x, height + 0.006, z, dice.uniform(0, 6.3)))
        taken.append((x, z, radius))
