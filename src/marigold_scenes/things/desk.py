"""Small things for desks and shelves. Real sizes in metres; each returns the radius of what it puts down."""

import math

from marigold_scenes.assembly import Assembly, Frame
from marigold_scenes.things.furniture import table_lamp
from marigold_scenes.things.leaves import potted_plant


def books(parts: Assembly, frame: Frame) -> float:
    """Books lying in a stack, one perhaps open."""
    parts.composite("books")
    dice = parts.dice
    y, turn = 0.0, dice.uniform(0, 6.3)
    for _ in range(dice.whole(1, 5)):
        width, depth, thick = dice.uniform(0.12, 0.22), dice.uniform(0.18, 0.3), dice.uniform(0.01, 0.045)
        cover, pages, yaw = parts.material("book"), parts.material("paper"), turn + dice.normal(0.3)
        place = frame.at(dice.normal(0.01), y, dice.normal(0.01), yaw)
        parts.box(place, pages, 0.004, 0.002, 0, width - 0.006, thick - 0.004, depth - 0.008)
        parts.box(place, cover, 0, 0, 0, width, 0.003, depth)
        parts.box(place, cover, 0, thick - 0.003, 0, width, 0.003, depth)
        parts.box(place, cover, -width / 2, 0, 0, 0.003, thick, depth)
        y += thick
    return 0.15


def laptop(parts: Assembly, frame: Frame) -> float:
    """An open laptop."""
    parts.composite("laptop")
    dice = parts.dice
    body, keys, picture = parts.material("metal", "plastic"), parts.material("plastic"), parts.material("screen")
    width, depth, lean = dice.uniform(0.28, 0.38), dice.uniform(0.2, 0.26), dice.uniform(0.1, 0.6)
    parts.box(frame, body, 0, 0, 0, width, 0.016, depth)
    parts.box(frame, keys, 0, 0.0155, -0.1 * depth, width * 0.86, 0.002, depth * 0.5)
    height = depth * 0.95
    lid = (0, 0.016 + 0.5 * height * math.cos(lean), -depth / 2 - 0.5 * height * math.sin(lean))
    parts.add(frame, "box", body, lid, (width, height, 0.008), (0, -lean, 0))
    front = (0, lid[1] + 0.005 * math.sin(lean), lid[2] + 0.005 * math.cos(lean))
    parts.add(frame, "box", picture, front, (width * 0.93, height * 0.9, 0.002), (0, -lean, 0))
    return 0.22


def vase(parts: Assembly, frame: Frame) -> float:
    """A vase with flowers or twigs."""
    parts.composite("vase")
    dice = parts.dice
    china, stem = parts.material("ceramic", "glass", "metal"), parts.material("leaf")
    width, height = dice.uniform(0.06, 0.15), dice.uniform(0.1, 0.3)
    parts.stand(frame, dice.pick(("vase", "urn", "cup", "tube", "paraboloid")), china, 0, 0, 0, (width, height, width))
    if dice.chance(0.7):
        petals = parts.material("fabric", "food", "paper")
        for number in range(dice.whole(3, 8)):
            angle, lean, long = number * 2.4, dice.uniform(0.05, 0.5), height * dice.uniform(0.7, 1.4)
            tip = (
                long * math.sin(lean) * math.cos(angle),
                height * 0.8 + long * math.cos(lean),
                long * math.sin(lean) * math.sin(angle),
            )
            parts.limb(frame, stem, (0, height * 0.5, 0), tip, 0.003)
            size = dice.uniform(0.03, 0.07)
            parts.add(frame, dice.pick(("sphere", "leaves")), petals, tip, (size, size * 0.6, size), (angle, lean, 0))
    return width * 0.6


def candle(parts: Assembly, frame: Frame) -> float:
    """A candle on a holder."""
    parts.composite("candle")
    dice = parts.dice
    metal, wax = parts.material("metal", "ceramic"), parts.material("paper", "plastic")
    width, height = dice.uniform(0.02, 0.08), dice.uniform(0.05, 0.25)
    parts.stand(frame, "cone", metal, 0, 0, 0, (width * 2, 0.02, width * 2), (0.5,))
    parts.post(frame, wax, 0, 0.02, 0, width / 2, height)
    return width


def gadget(parts: Assembly, frame: Frame) -> float:
    """A phone, box, toy brick or small appliance."""
    parts.composite("gadget")
    dice = parts.dice
    body = parts.material("plastic", "metal", "any", "paper", "wood")
    size = (dice.log(0.05, 0.3), dice.log(0.01, 0.25), dice.log(0.05, 0.3))
    if dice.chance(0.5):
        parts.stand(frame, "rounded", body, 0, 0, 0, size, (min(size) * dice.uniform(0.1, 0.45),))
    else:
        parts.stand(
            frame, dice.pick(("box", "prism", "cylinder", "ramp", "cone", "barrel", "octahedron")), body, 0, 0, 0, size
        )
    return 0.5 * max(size[0], size[2])


def small_plant(parts: Assembly, frame: Frame) -> float:
    """A house plant for a table."""
    potted_plant(parts, frame, parts.dice.uniform(0.3, 0.6))
    return 0.15


def small_lamp(parts: Assembly, frame: Frame) -> float:
    """A lamp for a table, unlit."""
    table_lamp(parts, frame)
    return 0.15
