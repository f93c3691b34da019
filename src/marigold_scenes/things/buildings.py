"""Buildings and street furniture; fronts face +z and stand on their placement."""

import math

from marigold_scenes.assembly import Assembly, Panels
from marigold_scenes.placement import Placement


def block(parts: Assembly, at: Placement, width: float, depth: float, height: float) -> None:
    """A town house or block whose front is at z = 0 and whose body lies behind it: windows, door or shop, roof."""
    rng = parts.rng
    wall = parts.material("wall", "brick", "brick", "concrete", "stone", "facade")
    glass = parts.material("window", "window", "glass")
    storey = rng.uniform(2.8, 3.6)
    base = rng.uniform(3.2, 4.2) if rng.chance(0.6) else rng.uniform(0.3, 1.0)
    base = min(base, 0.5 * height)
    rows = max(1, int((height - base - 0.3) / storey))
    column = rng.uniform(1.6, 3.4)
    wide, high = column * rng.uniform(0.35, 0.75), storey * rng.uniform(0.4, 0.72)
    lift = base + (storey - high) * rng.uniform(-0.1, 0.3)
    depth_of_window, margin = rng.uniform(0.06, 0.3), rng.uniform(0.2, 0.6)
    grid = Panels((column, storey), (wide, high), depth_of_window, lift, rows, glass, margin)
    parts.add(at, "box", wall, (0, height / 2, -depth / 2), (width, height, depth), panels=grid)
    trim = parts.material("stone", "concrete", "wall", "wood")
    if rng.chance(0.6):
        parts.box(at, trim, (0, height - 0.1, -depth / 2), (width + 0.3, rng.uniform(0.15, 0.4), depth + 0.3))
    if rng.chance(0.4):
        parts.box(at, trim, (0, base, 0.04), (width, rng.uniform(0.1, 0.25), 0.12))
    if base > 2.5:
        shop(parts, at, width, base)
    elif rng.chance(0.9):
        door(parts, at.offset(rng.uniform(-0.35, 0.35) * width, 0, 0.02))
    _roof(parts, at, width, depth, height)
    if rng.chance(0.35):
        _balconies(parts, at, width, base, storey, rows)


def _roof(parts: Assembly, at: Placement, width: float, depth: float, height: float) -> None:
    rng = parts.rng
    style, tiles = rng.random(), parts.material("roof")
    rise = rng.uniform(1.2, 3.0)
    if style < 0.3:
        turned = (math.pi / 2, 0, 0)
        parts.add(at, "gable", tiles, (0, height + rise / 2, -depth / 2), (depth + 0.5, rise, width + 0.3), turned)
    elif style < 0.5:
        parts.add(at, "gable", tiles, (0, height + rise / 2, -depth / 2), (width + 0.3, rise, depth + 0.4))
    elif style < 0.65:
        parts.add(at, "frustum", tiles, (0, height + rise / 2, -depth / 2), (width, rise, depth), numbers=(0.8, 0.6))
    if style < 0.65 and rng.chance(0.6):
        place = (rng.uniform(-0.4, 0.4) * width, height + rise * 0.7, -depth / 2)
        parts.add(at, "box", parts.material("brick"), place, (0.6, rise * 1.2, 0.5))


def _balconies(parts: Assembly, at: Placement, width: float, base: float, storey: float, rows: int) -> None:
    rng = parts.rng
    slab, rail = parts.material("concrete"), parts.material("metal", "wall", "wood")
    wide, x = min(width * 0.6, rng.uniform(1.5, 4)), rng.uniform(-0.2, 0.2) * width
    for row in range(min(rows, 5)):
        y = base + row * storey
        parts.box(at, slab, (x, y, 0.5), (wide, 0.15, 1.0))
        parts.box(at, rail, (x, y + 0.15, 0.97), (wide, 0.9, 0.05))


def shop(parts: Assembly, at: Placement, width: float, height: float) -> None:
    """A shop front: display windows, a door, a sign and perhaps an awning."""
    rng = parts.rng
    glass, wood, sign = (
        parts.material("window", "glass", "screen"),
        parts.material("wood", "metal"),
        parts.material("picture", "plastic", "book"),
    )
    bays = max(1, int(width / 3.2))
    for bay in range(bays):
        x = (bay + 0.5 - bays / 2) * width / bays
        parts.box(at, wood, (x, 0.0, 0.02), (width / bays * 0.86, height * 0.72, 0.08))
        parts.box(at, glass, (x, 0.45, 0.05), (width / bays * 0.8, height * 0.55, 0.06))
    parts.box(at, sign, (0, height * 0.78, 0.06), (width * 0.9, height * 0.14, 0.12))
    if rng.chance(0.4):
        cloth, reach = parts.material("fabric"), rng.uniform(0.8, 1.6)
        parts.add(at, "box", cloth, (0, height * 0.72, reach / 2), (width * 0.85, 0.04, reach * 1.08), (0, 0.4, 0))


def door(parts: Assembly, at: Placement) -> None:
    """A door with its placement, handle and a step."""
    rng = parts.rng
    wood, rim = parts.material("wood", "wood", "metal", "plastic"), parts.material("stone", "wood", "wall")
    width, height = rng.uniform(0.85, 1.3), rng.uniform(2.0, 2.5)
    parts.box(at, rim, (0, 0, 0), (width + 0.2, height + 0.1, 0.06))
    pitch, size = (width / 2, height / 3), (width / 2 - 0.12, height / 3 - 0.14)
    sunk = Panels(pitch, size, depth=0.02, lift=0.08, rows=3, material=wood, margin=0.0)
    parts.add(at, "box", wood, (0, height / 2, 0.02), (width, height, 0.07), panels=sunk)
    parts.add(at, "sphere", parts.material("metal"), (width * 0.4, 1.0, 0.08), (0.06, 0.06, 0.06))


def house(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A detached house or barn with gable, windows, door and chimney, its middle on the placement."""
    rng = parts.rng
    width, depth, wall_high = rng.uniform(5, 11), rng.uniform(5, 9), rng.uniform(2.5, 5.5)
    wall, glass = parts.material("wall", "brick", "wood", "stone"), parts.material("window", "glass")
    tiles = parts.material("roof")
    rise = width * rng.uniform(0.2, 0.5)
    pitch, rows = (rng.uniform(1.8, 3), 2.7), int(wall_high / 2.5)
    grid = Panels(pitch, (1.0, 1.2), depth=0.12, lift=0.9, rows=rows, material=glass, margin=0.4)
    parts.add(at, "box", wall, (0, wall_high / 2, 0), (width, wall_high, depth), panels=grid)
    parts.box(at, parts.material("stone", "concrete"), (0, -2.5, 0), (width + 0.1, 2.7, depth + 0.1))
    parts.add(at, "gable", wall, (0, wall_high + rise / 2 - 0.05, 0), (width, rise, depth - 0.02))
    for side in (-1, 1):
        angle = math.atan2(rise, width / 2)
        slope = math.hypot(rise, width / 2) + 0.5
        place = (side * (width / 4 + 0.08), wall_high + rise / 2 + 0.02, 0)
        parts.add(at, "box", tiles, place, (slope, 0.15, depth + 0.8), (0, 0, -side * angle))
    door(parts, at.offset(rng.uniform(-0.3, 0.3) * width, 0, depth / 2 + 0.02))
    if rng.chance(0.6):
        brick, z = parts.material("brick"), rng.uniform(-0.3, 0.3) * depth
        parts.box(at, brick, (width * 0.2, wall_high, z), (0.7, rise + 0.6, 0.7))
    if rng.chance(0.3):
        parts.add(at, "ramp", tiles, (width / 2 + 1.0, 2.3, 0), (2.0, 0.5, depth * 0.8), (math.pi, 0, 0))
        for z in (-0.35, 0.35):
            parts.box(at, wall, (width / 2 + 1.8, 0, z * depth), (0.15, 2.1, 0.15))
    return width, depth


def tower(parts: Assembly, at: Placement) -> float:
    """A round or square tower with a pointed, domed or flat top."""
    rng = parts.rng
    stone, tiles = parts.material("stone", "brick", "concrete", "wall", "metal"), parts.material("roof", "metal")
    width, height = rng.uniform(2.5, 6), rng.uniform(6, 22)
    glass = parts.material("window")
    if rng.chance(0.5):
        parts.stand(at, "cone", stone, (0, 0, 0), (width, height, width), (round(rng.uniform(0.7, 1.0), 2),))
    else:
        pitch, rows = (width * 0.45, rng.uniform(2.5, 4)), int(height / 4)
        grid = Panels(pitch, (0.7, 1.3), depth=0.2, lift=2.0, rows=rows, material=glass, margin=0.3)
        parts.add(at, "box", stone, (0, height / 2, 0), (width, height, width), panels=grid)
    name, numbers = rng.pick((("cone", (0.0,)), ("dome", ()), ("hip", (0.0,)), ("box", ()), ("prism", (6.0, 0.2))))
    parts.stand(at, name, tiles, (0, height, 0), (width * 1.15, width * rng.uniform(0.2, 1.4), width * 1.15), numbers)
    return width


def fence(parts: Assembly, at: Placement, length: float) -> None:
    """A fence or wall along x."""
    rng = parts.rng
    style, height = rng.random(), rng.uniform(0.6, 1.8)
    if style < 0.35:
        parts.box(at, parts.material("brick", "stone", "concrete"), (0, 0, 0), (length, height, 0.25))
        return
    wood = parts.material("wood", "metal")
    posts = max(2, min(14, round(length / 1.6)))
    for number in range(posts):
        x = (number / (posts - 1) - 0.5) * length
        parts.box(at, wood, (x, 0, 0), (0.1, height, 0.1))
    for rail in range(rng.integer(2, 3)):
        parts.box(at, wood, (0, height * (0.3 + 0.28 * rail), 0.05), (length, 0.1, 0.03))
    if style > 0.7:
        slats = max(2, min(40, round(length / 0.3)))
        for number in range(slats):
            x = ((number + 0.5) / slats - 0.5) * length
            parts.box(at, wood, (x, 0.06, 0.08), (0.55 * length / slats, height, 0.02))


def street_lamp(parts: Assembly, at: Placement) -> None:
    """A lamp post with an arm or a lantern."""
    rng = parts.rng
    metal, height = parts.material("metal"), rng.uniform(3.5, 8)
    white = parts.material("lamp", "glass")
    parts.stand(at, "cone", metal, (0, 0, 0), (0.18, height, 0.18), (0.5,))
    if rng.chance(0.5):
        reach = rng.uniform(0.6, 2)
        parts.limb(at, metal, (0, height - 0.05, 0), (0, height + 0.2, reach), 0.04)
        parts.rounded(at, metal, (0, height + 0.2, reach), (0.2, 0.1, 0.5), 0.05)
    else:
        parts.stand(at, rng.pick(("sphere", "urn", "prism")), white, (0, height, 0), (0.4, 0.45, 0.4))


def traffic_sign(parts: Assembly, at: Placement) -> None:
    """A sign on a pole."""
    rng = parts.rng
    metal, face = parts.material("metal"), parts.material("picture", "plastic", "book")
    height, size = rng.uniform(2.0, 3.0), rng.uniform(0.5, 0.8)
    parts.post(at, metal, (0, 0, 0), 0.03, height)
    name = rng.pick(("box", "cylinder", "prism"))
    numbers = (3.0,) if name == "prism" else ()
    parts.add(at, name, face, (0, height - 0.2, 0.04), (size, 0.03, size), (0, math.pi / 2, 0), numbers)


def bench(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A park bench."""
    rng = parts.rng
    wood, metal, width = parts.material("wood", "stone"), parts.material("metal", "concrete"), rng.uniform(1.2, 2.0)
    for x in (-0.4, 0.4):
        parts.box(at, metal, (x * width, 0, 0), (0.08, 0.43, 0.42))
    for z in (-0.16, 0.0, 0.16):
        parts.box(at, wood, (0, 0.43, z), (width, 0.04, 0.13))
    if rng.chance(0.7):
        for y in (0.58, 0.75):
            parts.add(at, "box", wood, (0, y, -0.24 - 0.2 * (y - 0.5)), (width, 0.11, 0.03), (0, -0.2, 0))
    return width, 0.5


def bollard(parts: Assembly, at: Placement) -> None:
    """A bollard, hydrant, post box or planter."""
    rng = parts.rng
    body = parts.material("metal", "concrete", "car", "stone")
    width, height = rng.uniform(0.15, 0.5), rng.uniform(0.5, 1.2)
    parts.stand(at, rng.pick(("cylinder", "box", "cone", "barrel", "prism")), body, (0, 0, 0), (width, height, width))
    if rng.chance(0.6):
        parts.stand(at, rng.pick(("dome", "cylinder")), body, (0, height, 0), (width * 1.1, width * 0.4, width * 1.1))


def stairs(parts: Assembly, at: Placement) -> None:
    """Steps that rise towards -z."""
    width, steps = parts.rng.uniform(0.9, 4), parts.rng.integer(2, 9)
    stone = parts.material("stone", "concrete", "wood")
    rise, going = parts.rng.uniform(0.14, 0.2), parts.rng.uniform(0.26, 0.36)
    for step in range(steps):
        depth = (steps - step) * going
        parts.box(at, stone, (0, step * rise, -going * step - depth / 2), (width, rise, depth))


def container(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A shipping container, kiosk or hut."""
    rng = parts.rng
    body, inner = parts.material("car", "metal", "wood"), parts.material("metal", "wood")
    width, height, depth = rng.uniform(2, 6), rng.uniform(2.2, 2.7), rng.uniform(2, 2.5)
    back, size = inner if rng.chance(0.2) else body, (0.14, height * 0.88)
    ribs = Panels((0.28, height), size, depth=0.035, lift=height * 0.06, rows=1, material=back, margin=0.08)
    parts.add(at, "box", body, (0, height / 2, 0), (width, height, depth), panels=ribs)
    return width, depth
