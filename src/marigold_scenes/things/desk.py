"""Small things for desks and shelves. Real sizes in metres; each returns the radius of what it puts down."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, leaning
from marigold_scenes.things.furniture import table_lamp
from marigold_scenes.things.leaves import potted_plant


def books(parts: Assembly, at: Placement) -> float:
    """Books lying in a stack, one perhaps open."""
    rng = parts.rng
    y, turn = 0.0, rng.uniform(0, 6.3)
    for _ in range(rng.integer(1, 5)):
        width, depth, thick = rng.uniform(0.12, 0.22), rng.uniform(0.18, 0.3), rng.uniform(0.01, 0.045)
        cover, pages, yaw = parts.material("book"), parts.material("paper"), turn + rng.normal(0.3)
        place = at.offset(rng.normal(0.01), y, rng.normal(0.01), yaw)
        parts.box(place, pages, (0.004, 0.002, 0), (width - 0.006, thick - 0.004, depth - 0.008))
        parts.box(place, cover, (0, 0, 0), (width, 0.003, depth))
        parts.box(place, cover, (0, thick - 0.003, 0), (width, 0.003, depth))
        parts.box(place, cover, (-width / 2, 0, 0), (0.003, thick, depth))
        y += thick
    return 0.15


def laptop(parts: Assembly, at: Placement) -> float:
    """An open laptop."""
    rng = parts.rng
    body, keys, picture = parts.material("metal", "plastic"), parts.material("plastic"), parts.material("screen")
    width, depth, lean = rng.uniform(0.28, 0.38), rng.uniform(0.2, 0.26), rng.uniform(0.1, 0.6)
    parts.box(at, body, (0, 0, 0), (width, 0.016, depth))
    parts.box(at, keys, (0, 0.0155, -0.1 * depth), (width * 0.86, 0.002, depth * 0.5))
    height = depth * 0.95
    lid = (0, 0.016 + 0.5 * height * math.cos(lean), -depth / 2 - 0.5 * height * math.sin(lean))
    parts.add(at, "box", body, lid, (width, height, 0.008), (0, -lean, 0))
    front = (0, lid[1] + 0.005 * math.sin(lean), lid[2] + 0.005 * math.cos(lean))
    parts.add(at, "box", picture, front, (width * 0.93, height * 0.9, 0.002), (0, -lean, 0))
    return 0.22


def vase(parts: Assembly, at: Placement) -> float:
    """A vase with flowers or twigs."""
    rng = parts.rng
    china, stem = parts.material("ceramic", "glass", "metal"), parts.material("leaf")
    width, height = rng.uniform(0.06, 0.15), rng.uniform(0.1, 0.3)
    parts.stand(at, rng.pick(("vase", "urn", "cup", "tube", "paraboloid")), china, (0, 0, 0), (width, height, width))
    if rng.chance(0.7):
        petals = parts.material("fabric", "food", "paper")
        for number in range(rng.integer(3, 8)):
            angle, lean, long = number * 2.4, rng.uniform(0.05, 0.5), height * rng.uniform(0.7, 1.4)
            tip = leaning((0.0, height * 0.8, 0.0), angle, lean, long)
            parts.limb(at, stem, (0, height * 0.5, 0), tip, 0.003)
            size = rng.uniform(0.03, 0.07)
            parts.add(at, rng.pick(("sphere", "leaves")), petals, tip, (size, size * 0.6, size), (angle, lean, 0))
    return width * 0.6


def candle(parts: Assembly, at: Placement) -> float:
    """A candle on a holder."""
    rng = parts.rng
    metal, wax = parts.material("metal", "ceramic"), parts.material("paper", "plastic")
    width, height = rng.uniform(0.02, 0.08), rng.uniform(0.05, 0.25)
    parts.stand(at, "cone", metal, (0, 0, 0), (width * 2, 0.02, width * 2), (0.5,))
    parts.post(at, wax, (0, 0.02, 0), width / 2, height)
    return width


def gadget(parts: Assembly, at: Placement) -> float:
    """A phone, box, toy brick or small appliance."""
    rng = parts.rng
    body = parts.material("plastic", "metal", "any", "paper", "wood")
    size = (rng.log_uniform(0.05, 0.3), rng.log_uniform(0.01, 0.25), rng.log_uniform(0.05, 0.3))
    if rng.chance(0.5):
        parts.stand(at, "rounded", body, (0, 0, 0), size, (min(size) * rng.uniform(0.1, 0.45),))
    else:
        parts.stand(
            at, rng.pick(("box", "prism", "cylinder", "ramp", "cone", "barrel", "octahedron")), body, (0, 0, 0), size
        )
    return 0.5 * max(size[0], size[2])


def small_plant(parts: Assembly, at: Placement) -> float:
    """A house plant for a table."""
    potted_plant(parts, at, parts.rng.uniform(0.3, 0.6))
    return 0.15


def small_lamp(parts: Assembly, at: Placement) -> float:
    """A lamp for a table, unlit."""
    table_lamp(parts, at)
    return 0.15
