"""Things to sit and lie on. Each faces +z, stands on its placement, and returns its width and depth in metres."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, Vector, ring
from marigold_scenes.things.furniture import legs

BED_WIDTHS = (0.9, 1.2, 1.4, 1.6, 1.8)


def chair(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A chair: legs, a seat with or without cushion, a back of slats, a board or padding, perhaps arm rests."""
    rng = parts.rng
    width, depth, seat = rng.uniform(0.38, 0.55), rng.uniform(0.38, 0.52), rng.uniform(0.42, 0.5)
    wood = parts.material("wood", "wood", "metal", "plastic")
    soft = parts.material("fabric", "plastic", "wood")
    if rng.chance(0.2):
        parts.post(at, wood, (0, 0.05, 0), 0.03, seat - 0.05)
        for spoke in range(5):
            parts.limb(at, wood, (0, 0.06, 0), ring(spoke * 1.257, 0.28, 0.03), 0.02)
    else:
        legs(parts, at, wood, width, depth, seat)
    if rng.chance(0.6):
        parts.rounded(at, soft, (0, seat + 0.02, 0), (width, 0.07, depth), 0.03)
    else:
        parts.box(at, wood, (0, seat, 0), (width, 0.03, depth))
    _back(parts, at, (width, seat, depth), wood, soft)
    if rng.chance(0.25):
        for x in (-0.5, 0.5):
            parts.box(at, wood, (x * width, seat + 0.2, -0.02), (0.045, 0.03, depth))
            parts.box(at, wood, (x * width, seat, depth * 0.4), (0.03, 0.2, 0.03))
    return width, depth


def _back(parts: Assembly, at: Placement, size: Vector, wood: int, soft: int) -> None:
    """The back of a chair whose seat has this size (width, height, depth): padded, or slats between posts."""
    rng = parts.rng
    width, seat, depth = size
    high, lean = rng.uniform(0.35, 0.6), rng.uniform(0.0, 0.22)
    if rng.chance(0.5):
        place = (0, seat + high / 2 + 0.05, -depth / 2 - math.sin(lean) * high / 2)
        parts.rounded(at, soft, place, (width, high, 0.05), 0.02, (0, -lean, 0))
        return
    for x in (-0.5, 0.5):
        start = (x * (width - 0.04), seat, -depth / 2)
        end = (x * (width - 0.04), seat + high, -depth / 2 - math.sin(lean) * high)
        parts.limb(at, wood, start, end, 0.018)
    for level in range(rng.integer(1, 3)):
        y = high * (0.95 - 0.3 * level)
        place = (0, seat + y, -depth / 2 - math.sin(lean) * y)
        parts.add(at, "box", wood, place, (width - 0.02, 0.07, 0.02), (0, -lean, 0))


def stool(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A stool or pouffe."""
    rng = parts.rng
    width, height = rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.75)
    if rng.chance(0.4):
        soft = parts.material("fabric")
        parts.stand(at, "barrel", soft, (0, 0, 0), (width, min(height, 0.45), width), (rng.uniform(0.8, 0.95),))
        return width, width
    wood = parts.material("wood", "metal")
    legs(parts, at, wood, width * 0.8, width * 0.8, height)
    parts.stand(at, rng.pick(("cylinder", "box")), wood, (0, height, 0), (width, 0.05, width))
    return width, width


def sofa(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A sofa or armchair: base, seat cushions, back, arms, loose cushions."""
    rng = parts.rng
    seats = rng.integer(1, 3)
    width, depth = 0.3 + rng.uniform(0.55, 0.75) * seats, rng.uniform(0.75, 1.0)
    seat, back, arm = rng.uniform(0.36, 0.46), rng.uniform(0.7, 0.95), rng.uniform(0.08, 0.22)
    cloth = parts.material("fabric", "fabric", "fabric", "plastic")
    soft = rng.uniform(0.03, 0.12)
    foot = rng.uniform(0.04, 0.14)
    parts.rounded(at, cloth, (0, (foot + seat) / 2, 0), (width, seat - foot, depth), soft / 2)
    lean = rng.uniform(0.0, 0.2)
    thick = rng.uniform(0.14, 0.24)
    parts.rounded(
        at, cloth, (0, (foot + back) / 2, thick / 2 - depth / 2), (width, back - foot, thick), soft, (0, -lean, 0)
    )
    if rng.chance(0.85):
        high = rng.uniform(0.5, 0.68)
        for side in (-0.5, 0.5):
            place = (side * (width - arm), (foot + high) / 2, 0.0)
            parts.rounded(at, cloth, place, (arm, high - foot, depth), soft)
    inner = (width - 2 * arm) / seats
    for number in range(seats):
        x = (number - (seats - 1) / 2) * inner
        cushion = (inner - 0.015, 0.16, depth - thick - 0.02)
        parts.rounded(at, cloth, (x, seat + 0.05, thick / 2), cushion, 0.05)
    for _ in range(rng.integer(0, 3)):
        x, size = rng.uniform(-0.5, 0.5) * (width - 2 * arm - 0.3), rng.uniform(0.32, 0.48)
        place, turn = (x, seat + 0.1 + size / 2, thick - depth / 2 + 0.1), (rng.normal(0.3), -0.3, rng.normal(0.2))
        parts.rounded(at, parts.material("fabric"), place, (size, size, 0.13), 0.06, turn)
    wood = parts.material("wood", "metal")
    for sx in (-0.45, 0.45):
        for sz in (-0.42, 0.42):
            parts.post(at, wood, (sx * width, 0, sz * depth), 0.025, foot)
    return width, depth


def bed(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A bed with its head at low z: frame, mattress, blanket, pillows, head board."""
    rng = parts.rng
    width, depth, base = rng.pick(BED_WIDTHS), rng.uniform(1.95, 2.15), rng.uniform(0.22, 0.38)
    wood, sheet = parts.material("wood", "fabric", "metal"), parts.material("fabric", "paper")
    cover = parts.material("fabric")
    parts.box(at, wood, (0, 0.06, 0), (width, base - 0.06, depth))
    parts.rounded(at, sheet, (0, base + 0.1, 0), (width - 0.02, 0.2, depth - 0.03), 0.06)
    length = depth * rng.uniform(0.5, 0.75)
    place = (0, base + 0.09, (depth - length) / 2)
    parts.rounded(at, cover, place, (width + 0.06, 0.3, length + 0.03), 0.07)
    for number in range(1 if width < 1.1 else 2):
        x = 0.0 if width < 1.1 else (number - 0.5) * width / 2
        place = (x, base + 0.27, -depth / 2 + 0.3)
        size = (min(0.7, width / 2 - 0.04) if width > 1 else 0.65, 0.16, 0.42)
        parts.rounded(at, sheet, place, size, 0.075, (rng.normal(0.08), 0.25, 0))
    if rng.chance(0.8):
        high = rng.uniform(0.7, 1.25)
        board = wood if rng.chance(0.6) else parts.material("fabric")
        parts.rounded(at, board, (0, high / 2, -depth / 2 - 0.04), (width + 0.06, high, 0.08), 0.02)
    return width, depth
