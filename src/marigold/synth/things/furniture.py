"""Furniture: each function builds one piece that stands on its frame, faces +z and has its back at low z.

They return the footprint (width, depth) in metres; `height` of tops is returned where things can be put on them.
"""

import math

from marigold.synth.assembly import Assembly, Frame, Panels


def table(parts: Assembly, frame: Frame, low: bool = False) -> tuple[float, float, float]:
    """A table: rectangular or round top on legs, a pedestal or trestles. Returns width, depth and height."""
    parts.composite("table")
    dice = parts.dice
    height = dice.uniform(0.32, 0.5) if low else dice.uniform(0.68, 0.8)
    width, depth = (
        (dice.uniform(0.6, 1.4), dice.uniform(0.4, 0.8)) if low else (dice.uniform(0.8, 2.2), dice.uniform(0.6, 1.0))
    )
    top = parts.material("wood", "wood", "wood", "plastic", "stone", "glass", "metal")
    leg = top if dice.chance(0.5) else parts.material("wood", "metal", "plastic")
    thick = dice.uniform(0.018, 0.06)
    if dice.chance(0.25):
        width = depth = dice.uniform(0.6, 1.3)
        parts.stand(frame, "cylinder", top, 0, height - thick, 0, (width, thick, depth))
        if dice.chance(0.7):
            parts.stand(frame, "vase", leg, 0, 0.02, 0, (0.12, height - thick, 0.12), (0.5, True))
            parts.stand(frame, "cone", leg, 0, 0, 0, (0.5 * width, 0.04, 0.5 * width), (0.5,))
            return width, depth, height
        width, depth = 0.75 * width, 0.75 * depth
    else:
        parts.box(frame, top, 0, height - thick, 0, width, thick, depth)
        if dice.chance(0.5):
            parts.box(frame, leg, 0, height - thick - 0.08, 0, 0.86 * width, 0.08, 0.86 * depth)
    legs(parts, frame, leg, width * 0.92, depth * 0.9, height - thick)
    return width, depth, height


def legs(parts: Assembly, frame: Frame, material: int, width: float, depth: float, height: float) -> None:
    """Four legs in one of several styles."""
    dice = parts.dice
    style, thick = dice.random(), dice.uniform(0.02, 0.08)
    for sx in (-0.5, 0.5):
        for sz in (-0.5, 0.5):
            x, z = sx * (width - thick), sz * (depth - thick)
            if style < 0.4:
                parts.box(frame, material, x, 0, z, thick, height, thick)
            elif style < 0.6:
                parts.post(frame, material, x, 0, z, thick / 2, height)
            elif style < 0.85:
                parts.limb(frame, material, (x * 1.06, 0, z * 1.06), (x * 0.85, height, z * 0.85), thick / 2, 1.0)
            else:
                parts.stand(frame, "cone", material, x, 0, z, (thick, height, thick), (0.99,))


def chair(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A chair: legs, a seat with or without cushion, a back of slats, a board or padding, perhaps arm rests."""
    parts.composite("chair")
    dice = parts.dice
    width, depth, seat = dice.uniform(0.38, 0.55), dice.uniform(0.38, 0.52), dice.uniform(0.42, 0.5)
    wood = parts.material("wood", "wood", "metal", "plastic")
    soft = parts.material("fabric", "plastic", "wood")
    if dice.chance(0.2):
        parts.post(frame, wood, 0, 0.05, 0, 0.03, seat - 0.05)
        for spoke in range(5):
            angle = spoke * 1.257
            parts.limb(frame, wood, (0, 0.06, 0), (0.28 * math.cos(angle), 0.03, 0.28 * math.sin(angle)), 0.02)
    else:
        legs(parts, frame, wood, width, depth, seat)
    if dice.chance(0.6):
        parts.add(frame, "rounded", soft, (0, seat + 0.02, 0), (width, 0.07, depth), numbers=(0.03,))
    else:
        parts.box(frame, wood, 0, seat, 0, width, 0.03, depth)
    back, lean = dice.uniform(0.35, 0.6), dice.uniform(0.0, 0.22)
    shift = -depth / 2 - math.sin(lean) * back / 2
    if dice.chance(0.5):
        parts.add(
            frame, "rounded", soft, (0, seat + back / 2 + 0.05, shift), (width, back, 0.05), (0, -lean, 0), (0.02,)
        )
    else:
        for x in (-0.5, 0.5):
            start = (x * (width - 0.04), seat, -depth / 2)
            end = (x * (width - 0.04), seat + back, -depth / 2 - math.sin(lean) * back)
            parts.limb(frame, wood, start, end, 0.018)
        for level in range(dice.whole(1, 3)):
            y = back * (0.95 - 0.3 * level)
            parts.add(
                frame,
                "box",
                wood,
                (0, seat + y, -depth / 2 - math.sin(lean) * y),
                (width - 0.02, 0.07, 0.02),
                (0, -lean, 0),
            )
    if dice.chance(0.25):
        for x in (-0.5, 0.5):
            parts.box(frame, wood, x * width, seat + 0.2, -0.02, 0.045, 0.03, depth)
            parts.box(frame, wood, x * width, seat, depth * 0.4, 0.03, 0.2, 0.03)
    return width, depth


def stool(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A stool or pouffe."""
    parts.composite("stool")
    dice = parts.dice
    width, height = dice.uniform(0.3, 0.5), dice.uniform(0.35, 0.75)
    if dice.chance(0.4):
        soft = parts.material("fabric")
        parts.stand(frame, "barrel", soft, 0, 0, 0, (width, min(height, 0.45), width), (dice.uniform(0.8, 0.95),))
        return width, width
    wood = parts.material("wood", "metal")
    legs(parts, frame, wood, width * 0.8, width * 0.8, height)
    parts.stand(frame, dice.pick(("cylinder", "box")), wood, 0, height, 0, (width, 0.05, width))
    return width, width


def sofa(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A sofa or armchair: base, seat cushions, back, arms, loose cushions."""
    parts.composite("sofa")
    dice = parts.dice
    seats = dice.whole(1, 3)
    width, depth = 0.3 + dice.uniform(0.55, 0.75) * seats, dice.uniform(0.75, 1.0)
    seat, back, arm = dice.uniform(0.36, 0.46), dice.uniform(0.7, 0.95), dice.uniform(0.08, 0.22)
    cloth = parts.material("fabric", "fabric", "fabric", "plastic")
    soft = dice.uniform(0.03, 0.12)
    foot = dice.uniform(0.04, 0.14)
    parts.add(frame, "rounded", cloth, (0, (foot + seat) / 2, 0), (width, seat - foot, depth), numbers=(soft / 2,))
    lean = dice.uniform(0.0, 0.2)
    thick = dice.uniform(0.14, 0.24)
    parts.add(
        frame,
        "rounded",
        cloth,
        (0, (foot + back) / 2, thick / 2 - depth / 2),
        (width, back - foot, thick),
        (0, -lean, 0),
        (soft,),
    )
    if dice.chance(0.85):
        high = dice.uniform(0.5, 0.68)
        for side in (-0.5, 0.5):
            place = (side * (width - arm), (foot + high) / 2, 0.0)
            parts.add(frame, "rounded", cloth, place, (arm, high - foot, depth), numbers=(soft,))
    inner = (width - 2 * arm) / seats
    for number in range(seats):
        x = (number - (seats - 1) / 2) * inner
        cushion = (inner - 0.015, 0.16, depth - thick - 0.02)
        parts.add(frame, "rounded", cloth, (x, seat + 0.05, thick / 2), cushion, numbers=(0.05,))
    for _ in range(dice.whole(0, 3)):
        x, size = dice.uniform(-0.5, 0.5) * (width - 2 * arm - 0.3), dice.uniform(0.32, 0.48)
        place, turn = (x, seat + 0.1 + size / 2, thick - depth / 2 + 0.1), (dice.normal(0.3), -0.3, dice.normal(0.2))
        parts.add(frame, "rounded", parts.material("fabric"), place, (size, size, 0.13), turn, (0.06,))
    wood = parts.material("wood", "metal")
    for sx in (-0.45, 0.45):
        for sz in (-0.42, 0.42):
            parts.post(frame, wood, sx * width, 0, sz * depth, 0.025, foot)
    return width, depth


def bed(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A bed with its head at low z: frame, mattress, blanket, pillows, head board."""
    parts.composite("bed")
    dice = parts.dice
    width, depth, base = dice.pick((0.9, 1.2, 1.4, 1.6, 1.8)), dice.uniform(1.95, 2.15), dice.uniform(0.22, 0.38)
    wood, sheet, cover = (
        parts.material("wood", "fabric", "metal"),
        parts.material("fabric", "paper"),
        parts.material("fabric"),
    )
    parts.box(frame, wood, 0, 0.06, 0, width, base - 0.06, depth)
    parts.add(frame, "rounded", sheet, (0, base + 0.1, 0), (width - 0.02, 0.2, depth - 0.03), numbers=(0.06,))
    length = depth * dice.uniform(0.5, 0.75)
    place = (0, base + 0.09, (depth - length) / 2)
    parts.add(frame, "rounded", cover, place, (width + 0.06, 0.3, length + 0.03), numbers=(0.07,))
    for number in range(1 if width < 1.1 else 2):
        x = 0.0 if width < 1.1 else (number - 0.5) * width / 2
        place = (x, base + 0.27, -depth / 2 + 0.3)
        parts.add(frame, "rounded", sheet, place, (min(0.7, width / 2 - 0.04) if width > 1 else 0.65, 0.16, 0.42),
                  (dice.normal(0.08), 0.25, 0), (0.075,))  # fmt: skip
    if dice.chance(0.8):
        high = dice.uniform(0.7, 1.25)
        board = wood if dice.chance(0.6) else parts.material("fabric")
        parts.add(
            frame, "rounded", board, (0, high / 2, -depth / 2 - 0.04), (width + 0.06, high, 0.08), numbers=(0.02,)
        )
    return width, depth


def cabinet(parts: Assembly, frame: Frame, tall: bool = False) -> tuple[float, float, float]:
    """A chest of drawers, sideboard, wardrobe or kitchen unit. Returns width, depth and height."""
    parts.composite("cabinet")
    dice = parts.dice
    width, depth = dice.uniform(0.4, 1.8), dice.uniform(0.35, 0.6)
    height = dice.uniform(1.7, 2.2) if tall else dice.uniform(0.5, 1.1)
    body = parts.material("wood", "wood", "plastic", "metal", "wall")
    front = body if dice.chance(0.6) else parts.material("wood", "plastic", "glass")
    foot = dice.uniform(0.0, 0.15)
    parts.box(frame, body, 0, foot, 0, width, height - foot, depth)
    if foot > 0.05:
        legs(parts, frame, parts.material("wood", "metal"), width * 0.9, depth * 0.85, foot)
    columns, rows = max(1, round(width / dice.uniform(0.4, 0.7))), 1 if tall else dice.whole(1, 4)
    knob = parts.material("metal", "wood")
    cell, row, gap = width / columns, (height - foot) / rows, dice.uniform(0.006, 0.02)
    bar = dice.chance(0.5)
    for i in range(columns):
        for j in range(rows):
            x, y = (i - (columns - 1) / 2) * cell, foot + j * row
            parts.box(frame, front, x, y + gap, depth / 2 + 0.008, cell - gap, row - gap, 0.018)
            if columns * rows <= 8:
                high = y + row * (0.5 if rows > 1 else 0.55)
                if bar:
                    parts.box(frame, knob, x, high, depth / 2 + 0.03, min(0.2, 0.5 * cell), 0.015, 0.02)
                else:
                    parts.add(frame, "sphere", knob, (x, high, depth / 2 + 0.03), (0.035, 0.035, 0.035))
    return width, depth, height


def shelf(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A bookcase with rows of books and other things on its boards."""
    parts.composite("shelf")
    dice = parts.dice
    width, depth, boards = dice.uniform(0.5, 1.6), dice.uniform(0.24, 0.38), dice.whole(2, 6)
    height = boards * dice.uniform(0.3, 0.4)
    wood = parts.material("wood", "wood", "plastic", "metal")
    side = dice.uniform(0.015, 0.035)
    for x in (-0.5, 0.5):
        parts.box(frame, wood, x * (width - side), 0, 0, side, height, depth)
    if dice.chance(0.7):
        parts.box(frame, wood, 0, 0, -depth / 2 + 0.008, width, height, 0.012)
    spines = [parts.material("book") for _ in range(dice.whole(3, 7))]
    for board in range(boards + 1):
        y = board * height / boards
        parts.box(frame, wood, 0, y - side, 0, width - 2 * side, side, depth)
        if board < boards:
            _row_of_books(parts, frame, spines, width - 2 * side - 0.02, y, height / boards - 0.04, depth)
    return width, depth


def _row_of_books(
    parts: Assembly, frame: Frame, spines: list[int], width: float, y: float, room: float, depth: float
) -> None:
    dice = parts.dice
    x = -width / 2 + (0 if dice.chance(0.6) else dice.uniform(0, 0.5) * width)
    end = width / 2 if dice.chance(0.5) else dice.uniform(-0.3, 0.5) * width
    while x < end - 0.05:
        # One solid holds a run of volumes of equal height: its printed pattern shows their spines.
        run, tall, deep = (
            min(dice.uniform(0.02, 0.2), end - x),
            room * dice.uniform(0.6, 0.98),
            dice.uniform(0.13, 0.22),
        )
        parts.box(frame, dice.pick(spines), x + run / 2, y, depth / 2 - deep / 2 - 0.02, run - 0.002, tall, deep)
        x += run
    if x < width / 2 - 0.15 and dice.chance(0.6):
        name = dice.pick(("urn", "sphere", "box", "cylinder", "cone", "vase"))
        size = min(room * 0.8, 0.16)
        parts.stand(
            frame, name, parts.material("ceramic", "any"), (x + width / 2) / 2, y, 0, (size * 0.8, size, size * 0.8)
        )


def floor_lamp(parts: Assembly, frame: Frame, glow: float = 0.0) -> tuple[float, float]:
    """A lamp on a stand, lit when `glow` is above 0."""
    parts.composite("lamp")
    dice = parts.dice
    height, width = dice.uniform(1.2, 1.8), dice.uniform(0.25, 0.5)
    metal = parts.material("metal", "wood")
    parts.stand(frame, "cylinder", metal, 0, 0, 0, (0.28, 0.025, 0.28))
    parts.post(frame, metal, 0, 0.02, 0, 0.014, height - 0.1)
    lamp_shade(parts, frame, height - 0.25, width, glow)
    return 0.3, 0.3


def table_lamp(parts: Assembly, frame: Frame, glow: float = 0.0) -> tuple[float, float]:
    """A lamp for a table or a bedside."""
    parts.composite("lamp")
    dice = parts.dice
    height = dice.uniform(0.15, 0.35)
    body = parts.material("ceramic", "metal", "wood")
    name = dice.pick(("urn", "vase", "cylinder", "cone", "barrel"))
    thick = dice.uniform(0.06, 0.18)
    parts.stand(frame, name, body, 0, 0, 0, (thick, height, thick))
    parts.post(frame, body, 0, height, 0, 0.008, 0.06)
    lamp_shade(parts, frame, height + 0.03, dice.uniform(0.2, 0.35), glow)
    return 0.2, 0.2


def lamp_shade(parts: Assembly, frame: Frame, y: float, width: float, glow: float) -> None:
    """A shade with its lower edge at `y`, translucent when lit."""
    dice = parts.dice
    cloth = parts.material("fabric", "paper")
    if glow > 0:
        warm = dice.uniform(0.3, 0.75)
        cloth = parts.glowing(cloth, (glow, glow * (0.55 + 0.4 * warm), glow * (0.2 + 0.6 * warm)))
    size = (width, width * dice.uniform(0.5, 0.9), width)
    if dice.chance(0.2):
        parts.stand(frame, "sphere", cloth, 0, y, 0, (width * 0.8,) * 3)
    else:
        parts.stand(frame, "shade", cloth, 0, y, 0, size, (round(dice.uniform(0.45, 1.0), 1),))


def television(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A flat screen on a foot."""
    parts.composite("screen")
    dice = parts.dice
    width = dice.uniform(0.5, 1.4)
    black, picture = parts.material("plastic"), parts.material("screen")
    high = width * 0.58
    parts.add(frame, "box", black, (0, 0.06 + high / 2, 0), (width, high, 0.04))
    parts.add(frame, "box", picture, (0, 0.06 + high / 2, 0.021), (width - 0.03, high - 0.03, 0.004))
    parts.box(frame, black, 0, 0, 0, width * 0.3, 0.06, 0.14)
    return width, 0.2


def potted_plant(parts: Assembly, frame: Frame, size: float = 1.0) -> tuple[float, float]:
    """A plant in a pot: blades, a bushy crown or large leaves."""
    parts.composite("plant")
    dice = parts.dice
    pot, leaf, soil = parts.material("ceramic", "ceramic", "plastic"), parts.material("leaf"), parts.material("soil")
    width, height = size * dice.uniform(0.22, 0.4), size * dice.uniform(0.2, 0.38)
    parts.stand(frame, "cup", pot, 0, 0, 0, (width, height, width), (round(dice.uniform(0.55, 0.95), 2),))
    parts.stand(frame, "cylinder", soil, 0, height * 0.8, 0, (width * 0.9, 0.02, width * 0.9))
    style, crown = dice.random(), size * dice.uniform(0.35, 1.1)
    if style < 0.4:
        foliage(parts, frame.at(0, height, 0), leaf, crown, crown * dice.uniform(0.6, 1.1), 4)
        return width, width
    for number in range(dice.whole(7, 13)):
        angle, lean = number * 2.4 + dice.normal(0.3), dice.uniform(0.1, 1.0)
        reach = crown * dice.uniform(0.6, 1.0)
        tip = (
            reach * math.sin(lean) * math.cos(angle),
            height + reach * math.cos(lean),
            reach * math.sin(lean) * math.sin(angle),
        )
        if style < 0.7:
            parts.limb(frame, leaf, (0, height * 0.8, 0), tip, size * 0.025, 0.1)
        else:
            parts.limb(frame, leaf, (0, height * 0.8, 0), tip, size * 0.006)
            turn = (math.atan2(tip[0], tip[2]), lean + 0.5, 0.0)
            parts.add(frame, "sphere", leaf, tip, (0.16 * size, 0.3 * size, 0.015 * size), turn)
    return width, width


def foliage(parts: Assembly, frame: Frame, leaf: int, height: float, width: float, clusters: int) -> None:
    """A crown of leaves around (0, height / 2, 0): ragged clusters of leaves around denser cores."""
    dice = parts.dice
    ragged, grain = dice.uniform(0.3, 1.1), dice.uniform(14, 30)
    for number in range(clusters):
        # Spread over the crown by the golden angle, from its foot to its tip.
        level = (number + 0.5) / clusters
        angle, ring = number * 2.4 + dice.normal(0.3), math.sqrt(max(0.0, 1 - (2 * level - 1) ** 2))
        share = dice.uniform(1.0, 1.5) / clusters**0.42
        spread = 0.5 * width * (1 - 0.5 * share) * ring * (0.9 if number else 0.3)
        place = (spread * math.cos(angle), height * (0.12 + 0.76 * level), spread * math.sin(angle))
        size = (width * share * 0.8, height * share * dice.uniform(0.6, 0.9), width * share * 0.8)
        turn = (dice.uniform(0, 6.3), dice.normal(0.4), dice.normal(0.4))
        for shell, holes in ((1.0, ragged), (0.8, ragged - 0.9)):
            numbers = (round(grain * shell, 1), round(holes, 2), round(dice.uniform(0, 90), 1))
            parts.add(frame, "leaves", leaf, place, tuple(extent * shell for extent in size), turn, numbers)


def pile_of_boxes(parts: Assembly, frame: Frame, size: float = 1.0) -> tuple[float, float]:
    """Cardboard boxes, crates or parcels stacked with some disorder."""
    parts.composite("boxes")
    dice = parts.dice
    y, width = 0.0, size * dice.uniform(0.3, 0.6)
    outer = width
    for _ in range(dice.whole(1, 4)):
        height = width * dice.uniform(0.4, 1.0)
        parts.stand(frame, "box", parts.material("paper", "wood", "plastic"), dice.normal(0.05 * width), y, dice.normal(0.05 * width),
                    (width, height, width * dice.uniform(0.6, 1.0)), yaw=dice.normal(0.25))  # fmt: skip
        y += height
        width *= dice.uniform(0.65, 1.0)
    return outer, outer


def picture(parts: Assembly, frame: Frame) -> None:
    """A framed picture or mirror centred on the frame, facing +z."""
    parts.composite("picture")
    dice = parts.dice
    width, height, border = dice.uniform(0.25, 1.2), dice.uniform(0.25, 0.9), dice.uniform(0.01, 0.06)
    rim, canvas = parts.material("wood", "metal", "plastic"), parts.material("picture", "picture", "picture", "paper")
    parts.add(frame, "box", rim, (0, 0, 0.012), (width + 2 * border, height + 2 * border, 0.024))
    parts.add(frame, "box", canvas, (0, 0, 0.022), (width, height, 0.012))


def bin_(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """A waste bin or basket."""
    parts.composite("bin")
    dice = parts.dice
    width = dice.uniform(0.2, 0.35)
    size = (width, dice.uniform(0.25, 0.5), width)
    parts.stand(frame, "cup", parts.material("plastic", "metal", "wood"), 0, 0, 0, size, (0.8,))
    return width, width


def coffer(parts: Assembly, frame: Frame) -> tuple[float, float]:
    """An open rack of square niches."""
    parts.composite("niches")
    dice = parts.dice
    cell, columns, rows = dice.uniform(0.3, 0.4), dice.whole(2, 4), dice.whole(2, 5)
    wood, back = parts.material("wood", "plastic"), parts.material("wood", "wall")
    width, height = columns * cell + 0.03, rows * cell + 0.03
    inset = Panels(cell, cell, cell - 0.025, cell - 0.025, 0.28, 0.02, rows, back, 0.01)
    parts.add(frame, "box", wood, (0, height / 2, 0), (width, height, 0.36), panels=inset)
    return width, 0.36
