"""Furniture: each function builds one piece that stands on its placement, faces +z and has its back at low z.

They return the footprint (width, depth) in metres, and the height too of tops that things can be put on.
"""

from marigold_scenes.assembly import Assembly, Panels
from marigold_scenes.placement import Placement


def table(parts: Assembly, at: Placement, low: bool = False) -> tuple[float, float, float]:
    """A table: rectangular or round top on legs, a pedestal or trestles. Returns width, depth and height."""
    rng = parts.rng
    height = rng.uniform(0.32, 0.5) if low else rng.uniform(0.68, 0.8)
    width, depth = (
        (rng.uniform(0.6, 1.4), rng.uniform(0.4, 0.8)) if low else (rng.uniform(0.8, 2.2), rng.uniform(0.6, 1.0))
    )
    top = parts.material("wood", "wood", "wood", "plastic", "stone", "glass", "metal")
    leg = top if rng.chance(0.5) else parts.material("wood", "metal", "plastic")
    thick = rng.uniform(0.018, 0.06)
    if rng.chance(0.25):
        width = depth = rng.uniform(0.6, 1.3)
        parts.stand(at, "cylinder", top, (0, height - thick, 0), (width, thick, depth))
        if rng.chance(0.7):
            parts.stand(at, "vase", leg, (0, 0.02, 0), (0.12, height - thick, 0.12), (0.5, True))
            parts.stand(at, "cone", leg, (0, 0, 0), (0.5 * width, 0.04, 0.5 * width), (0.5,))
            return width, depth, height
        width, depth = 0.75 * width, 0.75 * depth
    else:
        parts.box(at, top, (0, height - thick, 0), (width, thick, depth))
        if rng.chance(0.5):
            parts.box(at, leg, (0, height - thick - 0.08, 0), (0.86 * width, 0.08, 0.86 * depth))
    legs(parts, at, leg, width * 0.92, depth * 0.9, height - thick)
    return width, depth, height


def legs(parts: Assembly, at: Placement, material: int, width: float, depth: float, height: float) -> None:
    """Four legs in one of several styles."""
    rng = parts.rng
    style, thick = rng.random(), rng.uniform(0.02, 0.08)
    for sx in (-0.5, 0.5):
        for sz in (-0.5, 0.5):
            x, z = sx * (width - thick), sz * (depth - thick)
            if style < 0.4:
                parts.box(at, material, (x, 0, z), (thick, height, thick))
            elif style < 0.6:
                parts.post(at, material, (x, 0, z), thick / 2, height)
            elif style < 0.85:
                parts.limb(at, material, (x * 1.06, 0, z * 1.06), (x * 0.85, height, z * 0.85), thick / 2, 1.0)
            else:
                parts.stand(at, "cone", material, (x, 0, z), (thick, height, thick), (0.99,))


def cabinet(parts: Assembly, at: Placement, tall: bool = False) -> tuple[float, float, float]:
    """A chest of drawers, sideboard, wardrobe or kitchen unit. Returns width, depth and height."""
    rng = parts.rng
    width, depth = rng.uniform(0.4, 1.8), rng.uniform(0.35, 0.6)
    height = rng.uniform(1.7, 2.2) if tall else rng.uniform(0.5, 1.1)
    body = parts.material("wood", "wood", "plastic", "metal", "wall")
    front = body if rng.chance(0.6) else parts.material("wood", "plastic", "glass")
    foot = rng.uniform(0.0, 0.15)
    parts.box(at, body, (0, foot, 0), (width, height - foot, depth))
    if foot > 0.05:
        legs(parts, at, parts.material("wood", "metal"), width * 0.9, depth * 0.85, foot)
    columns, rows = max(1, round(width / rng.uniform(0.4, 0.7))), 1 if tall else rng.integer(1, 4)
    knob = parts.material("metal", "wood")
    cell, row, gap = width / columns, (height - foot) / rows, rng.uniform(0.006, 0.02)
    bar = rng.chance(0.5)
    for i in range(columns):
        for j in range(rows):
            x, y = (i - (columns - 1) / 2) * cell, foot + j * row
            parts.box(at, front, (x, y + gap, depth / 2 + 0.008), (cell - gap, row - gap, 0.018))
            if columns * rows <= 8:
                high = y + row * (0.5 if rows > 1 else 0.55)
                if bar:
                    parts.box(at, knob, (x, high, depth / 2 + 0.03), (min(0.2, 0.5 * cell), 0.015, 0.02))
                else:
                    parts.add(at, "sphere", knob, (x, high, depth / 2 + 0.03), (0.035, 0.035, 0.035))
    return width, depth, height


def shelf(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A bookcase with rows of books and other things on its boards."""
    rng = parts.rng
    width, depth, boards = rng.uniform(0.5, 1.6), rng.uniform(0.24, 0.38), rng.integer(2, 6)
    height = boards * rng.uniform(0.3, 0.4)
    wood = parts.material("wood", "wood", "plastic", "metal")
    side = rng.uniform(0.015, 0.035)
    for x in (-0.5, 0.5):
        parts.box(at, wood, (x * (width - side), 0, 0), (side, height, depth))
    if rng.chance(0.7):
        parts.box(at, wood, (0, 0, -depth / 2 + 0.008), (width, height, 0.012))
    spines = [parts.material("book") for _ in range(rng.integer(3, 7))]
    for board in range(boards + 1):
        y = board * height / boards
        parts.box(at, wood, (0, y - side, 0), (width - 2 * side, side, depth))
        if board < boards:
            _row_of_books(parts, at, spines, width - 2 * side - 0.02, y, height / boards - 0.04, depth)
    return width, depth


def _row_of_books(
    parts: Assembly, at: Placement, spines: list[int], width: float, y: float, room: float, depth: float
) -> None:
    rng = parts.rng
    x = -width / 2 + (0 if rng.chance(0.6) else rng.uniform(0, 0.5) * width)
    end = width / 2 if rng.chance(0.5) else rng.uniform(-0.3, 0.5) * width
    while x < end - 0.05:
        # One solid holds a run of volumes of equal height: its printed pattern shows their spines.
        run, tall, deep = (min(rng.uniform(0.02, 0.2), end - x), room * rng.uniform(0.6, 0.98), rng.uniform(0.13, 0.22))
        parts.box(at, rng.pick(spines), (x + run / 2, y, depth / 2 - deep / 2 - 0.02), (run - 0.002, tall, deep))
        x += run
    if x < width / 2 - 0.15 and rng.chance(0.6):
        name = rng.pick(("urn", "sphere", "box", "cylinder", "cone", "vase"))
        size = min(room * 0.8, 0.16)
        parts.stand(
            at, name, parts.material("ceramic", "any"), ((x + width / 2) / 2, y, 0), (size * 0.8, size, size * 0.8)
        )


def floor_lamp(parts: Assembly, at: Placement, glow: float = 0.0) -> tuple[float, float]:
    """A lamp on a stand, lit when `glow` is above 0."""
    rng = parts.rng
    height, width = rng.uniform(1.2, 1.8), rng.uniform(0.25, 0.5)
    metal = parts.material("metal", "wood")
    parts.stand(at, "cylinder", metal, (0, 0, 0), (0.28, 0.025, 0.28))
    parts.post(at, metal, (0, 0.02, 0), 0.014, height - 0.1)
    lamp_shade(parts, at, height - 0.25, width, glow)
    return 0.3, 0.3


def table_lamp(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A lamp for a table or a bedside, unlit."""
    rng = parts.rng
    height = rng.uniform(0.15, 0.35)
    body = parts.material("ceramic", "metal", "wood")
    name = rng.pick(("urn", "vase", "cylinder", "cone", "barrel"))
    thick = rng.uniform(0.06, 0.18)
    parts.stand(at, name, body, (0, 0, 0), (thick, height, thick))
    parts.post(at, body, (0, height, 0), 0.008, 0.06)
    lamp_shade(parts, at, height + 0.03, rng.uniform(0.2, 0.35))
    return 0.2, 0.2


def lamp_shade(parts: Assembly, at: Placement, y: float, width: float, glow: float = 0.0) -> None:
    """A shade with its lower edge at `y`, translucent when lit."""
    rng = parts.rng
    cloth = parts.material("fabric", "paper")
    if glow > 0:
        warm = rng.uniform(0.3, 0.75)
        cloth = parts.glowing(cloth, (glow, glow * (0.55 + 0.4 * warm), glow * (0.2 + 0.6 * warm)))
    size = (width, width * rng.uniform(0.5, 0.9), width)
    if rng.chance(0.2):
        ball = width * 0.8
        parts.stand(at, "sphere", cloth, (0, y, 0), (ball, ball, ball))
    else:
        parts.stand(at, "shade", cloth, (0, y, 0), size, (round(rng.uniform(0.45, 1.0), 1),))


def television(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A flat screen on a foot."""
    rng = parts.rng
    width = rng.uniform(0.5, 1.4)
    black, picture = parts.material("plastic"), parts.material("screen")
    high = width * 0.58
    parts.add(at, "box", black, (0, 0.06 + high / 2, 0), (width, high, 0.04))
    parts.add(at, "box", picture, (0, 0.06 + high / 2, 0.021), (width - 0.03, high - 0.03, 0.004))
    parts.box(at, black, (0, 0, 0), (width * 0.3, 0.06, 0.14))
    return width, 0.2


def pile_of_boxes(parts: Assembly, at: Placement) -> tuple[float, float]:
    """Cardboard boxes, crates or parcels stacked with some disorder."""
    rng = parts.rng
    y, width = 0.0, rng.uniform(0.3, 0.6)
    outer = width
    for _ in range(rng.integer(1, 4)):
        height = width * rng.uniform(0.4, 1.0)
        x, z = rng.normal(0.05 * width), rng.normal(0.05 * width)
        box = (width, height, width * rng.uniform(0.6, 1.0))
        parts.stand(at, "box", parts.material("paper", "wood", "plastic"), (x, y, z), box, yaw=rng.normal(0.25))
        y += height
        width *= rng.uniform(0.65, 1.0)
    return outer, outer


def picture(parts: Assembly, at: Placement) -> None:
    """A framed picture or mirror centred on the placement, facing +z."""
    rng = parts.rng
    width, height, border = rng.uniform(0.25, 1.2), rng.uniform(0.25, 0.9), rng.uniform(0.01, 0.06)
    rim, canvas = parts.material("wood", "metal", "plastic"), parts.material("picture", "picture", "picture", "paper")
    parts.add(at, "box", rim, (0, 0, 0.012), (width + 2 * border, height + 2 * border, 0.024))
    parts.add(at, "box", canvas, (0, 0, 0.022), (width, height, 0.012))


def bin_(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A waste bin or basket."""
    rng = parts.rng
    width = rng.uniform(0.2, 0.35)
    size = (width, rng.uniform(0.25, 0.5), width)
    parts.stand(at, "cup", parts.material("plastic", "metal", "wood"), (0, 0, 0), size, (0.8,))
    return width, width


def coffer(parts: Assembly, at: Placement) -> tuple[float, float]:
    """An open rack of square niches."""
    rng = parts.rng
    cell, columns, rows = rng.uniform(0.3, 0.4), rng.integer(2, 4), rng.integer(2, 5)
    wood, back = parts.material("wood", "plastic"), parts.material("wood", "wall")
    width, height = columns * cell + 0.03, rows * cell + 0.03
    size = (cell - 0.025, cell - 0.025)
    inset = Panels((cell, cell), size, depth=0.28, lift=0.02, rows=rows, material=back, margin=0.01)
    parts.add(at, "box", wood, (0, height / 2, 0), (width, height, 0.36), panels=inset)
    return width, 0.36
