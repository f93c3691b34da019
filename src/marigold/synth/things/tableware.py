"""Small things for tops and shelves: crockery, bottles, fruit, books, electronics. Real sizes in metres."""

import math

from marigold.synth.assembly import Assembly, Frame
from marigold.synth.things.furniture import potted_plant, table_lamp


def plate(parts: Assembly, frame: Frame) -> float:
    """A plate, perhaps with food on it; all functions here return the radius of what they put down."""
    parts.composite("plate")
    dice = parts.dice
    radius, china = dice.uniform(0.08, 0.15), parts.material("ceramic", "ceramic", "metal", "plastic")
    parts.stand(frame, "cylinder", china, 0, 0, 0, (1.2 * radius, 0.006, 1.2 * radius))
    parts.stand(frame, "cup", china, 0, 0.003, 0, (2 * radius, dice.uniform(0.012, 0.03), 2 * radius), (0.6,))
    if dice.chance(0.6):
        food = [parts.material("food") for _ in range(dice.whole(1, 3))]
        for _ in range(dice.whole(1, 7)):
            x, z = dice.normal(radius * 0.3), dice.normal(radius * 0.3)
            lump(parts, frame.at(x, 0.006, z), dice.pick(food), dice.uniform(0.02, 0.06))
    return radius


def lump(parts: Assembly, frame: Frame, material: int, size: float) -> None:
    """A bite of food: round, sliced or cut."""
    dice = parts.dice
    name = dice.pick(("sphere", "sphere", "rounded", "cylinder", "dome", "ramp", "torus", "stone"))
    width, height = size * dice.uniform(0.7, 1.3), size * dice.uniform(0.4, 0.9)
    numbers = (
        (0.3 * height,)
        if name == "rounded"
        else tuple(dice.uniform(-1, 1) for _ in range(16))
        if name == "stone"
        else ()
    )
    if name == "torus":
        height *= 0.6
    parts.stand(
        frame, name, material, 0, 0, 0, (width, height, width * dice.uniform(0.6, 1.0)), numbers, dice.uniform(0, 6)
    )


def cup(parts: Assembly, frame: Frame) -> float:
    """A cup or mug with a handle and something in it, perhaps on a saucer."""
    parts.composite("cup")
    dice = parts.dice
    china, drink = parts.material("ceramic", "ceramic", "metal", "plastic"), parts.material("food", "food", "water")
    width, height = dice.uniform(0.06, 0.1), dice.uniform(0.05, 0.12)
    y = 0.0
    if dice.chance(0.4):
        parts.stand(frame, "cup", china, 0, 0, 0, (0.15, 0.014, 0.15), (0.5,))
        y = 0.008
    if dice.chance(0.6):
        parts.stand(frame, "cup", china, 0, y, 0, (width, height, width), (round(dice.uniform(0.6, 1.0), 2),))
    else:
        parts.stand(frame, "bowl", china, 0, y, 0, (width, height, width), (0.6,))
        parts.post(frame, china, 0, y, 0, width * 0.28, 0.01)
    parts.stand(frame, "cylinder", drink, 0, y + height * 0.7, 0, (width * 0.88, 0.004, width * 0.88))
    if dice.chance(0.75):
        angle = dice.uniform(0, 6.3)
        place = (0.52 * width * math.cos(angle), y + 0.5 * height, 0.52 * width * math.sin(angle))
        parts.add(frame, "torus", china, place, (0.55 * height, 0.011, 0.55 * height), (-angle, 1.571, 0))
    return 0.08


def glass(parts: Assembly, frame: Frame) -> float:
    """A tumbler or a stemmed glass."""
    parts.composite("glass")
    dice = parts.dice
    pane, drink = parts.material("glass"), parts.material("food", "water")
    if dice.chance(0.5):
        width, height = dice.uniform(0.05, 0.08), dice.uniform(0.08, 0.15)
        parts.stand(frame, "cup", pane, 0, 0, 0, (width, height, width), (0.85,))
        parts.stand(frame, "cylinder", drink, 0, 0.01, 0, (width * 0.8, height * dice.uniform(0.2, 0.8), width * 0.8))
        return 0.05
    stem, width = dice.uniform(0.06, 0.1), dice.uniform(0.05, 0.09)
    parts.stand(frame, "cone", pane, 0, 0, 0, (0.065, 0.008, 0.065), (0.2,))
    parts.post(frame, pane, 0, 0.004, 0, 0.004, stem)
    parts.stand(
        frame, dice.pick(("bowl", "paraboloid", "cup")), pane, 0, stem, 0, (width, dice.uniform(0.06, 0.1), width)
    )
    return 0.05


def bottle(parts: Assembly, frame: Frame) -> float:
    """A bottle: body, shoulder, neck, cap and label."""
    parts.composite("bottle")
    dice = parts.dice
    body = parts.material("glass", "plastic", "ceramic", "metal")
    width, height = dice.uniform(0.05, 0.1), dice.uniform(0.1, 0.22)
    neck, long = width * dice.uniform(0.25, 0.5), dice.uniform(0.02, 0.1)
    shoulder = width * dice.uniform(0.3, 0.9)
    parts.stand(frame, "cylinder", body, 0, 0, 0, (width, height, width))
    name, numbers = ("dome", ()) if dice.chance(0.4) else ("cone", (round(neck / width, 2),))
    parts.stand(frame, name, body, 0, height, 0, (width, shoulder, width), numbers)
    parts.stand(frame, "cylinder", body, 0, height + 0.6 * shoulder, 0, (neck, long + 0.4 * shoulder, neck))
    cap = parts.material("plastic", "metal")
    parts.stand(frame, "cylinder", cap, 0, height + shoulder + long - 0.01, 0, (neck * 1.2, 0.025, neck * 1.2))
    if dice.chance(0.7):
        label = parts.material("picture", "paper", "book")
        parts.stand(
            frame,
            "cylinder",
            label,
            0,
            height * 0.25,
            0,
            (width + 0.001, height * dice.uniform(0.3, 0.6), width + 0.001),
        )
    return width / 2


def jar(parts: Assembly, frame: Frame) -> float:
    """A jar, tin or carton."""
    parts.composite("jar")
    dice = parts.dice
    width, height = dice.uniform(0.05, 0.12), dice.uniform(0.06, 0.2)
    body = parts.material("glass", "metal", "paper", "ceramic", "picture", "book")
    if dice.chance(0.3):
        parts.stand(frame, "box", body, 0, 0, 0, (width, height * 1.2, width * dice.uniform(0.5, 1)))
        if dice.chance(0.4):
            parts.stand(frame, "gable", body, 0, height * 1.2, 0, (width, width * 0.4, width * 0.8))
        return width * 0.7
    parts.stand(frame, dice.pick(("cylinder", "barrel", "urn")), body, 0, 0, 0, (width, height, width))
    parts.stand(
        frame, "cylinder", parts.material("metal", "plastic", "wood"), 0, height, 0, (width * 0.9, 0.015, width * 0.9)
    )
    return width / 2


def fruit_bowl(parts: Assembly, frame: Frame) -> float:
    """A bowl heaped with fruit."""
    parts.composite("bowl")
    dice = parts.dice
    radius, china = dice.uniform(0.09, 0.18), parts.material("ceramic", "wood", "metal", "glass")
    height = radius * dice.uniform(0.5, 1.0)
    parts.stand(frame, "bowl", china, 0, 0.004, 0, (2 * radius, height, 2 * radius), (round(dice.uniform(0.3, 1), 1),))
    parts.post(frame, china, 0, 0, 0, radius * 0.4, 0.012)
    skins = [parts.material("food") for _ in range(dice.whole(1, 3))]
    for number in range(dice.whole(3, 9)):
        size = dice.uniform(0.05, 0.085)
        ring, angle = (0.0 if number == 0 else 0.55 * radius), number * 1.05 + dice.normal(0.2)
        layer = 0.45 * height + (0.6 * size if number > 6 else 0.0)
        place = (ring * math.cos(angle), layer + size / 2, ring * math.sin(angle))
        fruit(parts, frame, dice.pick(skins), place, size)
    return radius


def fruit(parts: Assembly, frame: Frame, material: int, place: tuple[float, float, float], size: float) -> None:
    """One fruit centred at `place`."""
    dice = parts.dice
    long = dice.pick((0.9, 1.0, 1.0, 1.3))
    turn = (dice.uniform(0, 6.3), dice.normal(0.7), dice.normal(0.7))
    parts.add(frame, "sphere", material, place, (size, size * long, size), turn)


def loose_fruit(parts: Assembly, frame: Frame) -> float:
    """A few fruits lying about."""
    parts.composite("fruit")
    dice = parts.dice
    skin = parts.material("food")
    for _ in range(dice.whole(1, 4)):
        size = dice.uniform(0.05, 0.09)
        fruit(parts, frame, skin, (dice.normal(0.08), size / 2, dice.normal(0.08)), size)
    return 0.1


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


def cutlery(parts: Assembly, frame: Frame) -> float:
    """Knife, fork and spoon side by side."""
    parts.composite("cutlery")
    dice = parts.dice
    metal = parts.material("metal")
    for number in range(dice.whole(1, 3)):
        x, long = number * 0.03, dice.uniform(0.16, 0.21)
        parts.box(frame, metal, x, 0.001, 0, 0.008, 0.003, long)
        parts.add(frame, "sphere", metal, (x, 0.004, -long / 2), (dice.uniform(0.015, 0.035), 0.005, 0.055))
    return 0.1


def board(parts: Assembly, frame: Frame) -> float:
    """A cutting board or tray with food on it."""
    parts.composite("board")
    dice = parts.dice
    width, depth = dice.uniform(0.2, 0.4), dice.uniform(0.14, 0.25)
    parts.add(
        frame, "rounded", parts.material("wood", "stone", "metal"), (0, 0.01, 0), (width, 0.02, depth), numbers=(0.009,)
    )
    food = [parts.material("food") for _ in range(2)]
    for _ in range(dice.whole(1, 8)):
        place = frame.at(dice.uniform(-0.4, 0.4) * width, 0.02, dice.uniform(-0.4, 0.4) * depth)
        lump(parts, place, dice.pick(food), dice.uniform(0.03, 0.09))
    return width * 0.6


def pot(parts: Assembly, frame: Frame) -> float:
    """A cooking pot or teapot with handle, lid and knob."""
    parts.composite("pot")
    dice = parts.dice
    metal = parts.material("metal", "ceramic")
    width, height = dice.uniform(0.13, 0.28), dice.uniform(0.08, 0.2)
    if dice.chance(0.5):
        parts.stand(frame, "cylinder", metal, 0, 0, 0, (width, height, width))
        parts.stand(frame, "dome", metal, 0, height, 0, (width, 0.03, width))
        long = dice.uniform(0.05, 0.2)
        parts.limb(frame, metal, (width / 2, height * 0.85, 0), (width / 2 + long, height * 0.9, 0), 0.01)
    else:
        parts.stand(frame, "urn", metal, 0, 0, 0, (width, height, width), (0.6, 0.4, True))
        parts.stand(frame, "dome", metal, 0, height - 0.002, 0, (width * 0.45, 0.03, width * 0.45))
        parts.limb(frame, metal, (width * 0.4, height * 0.4, 0), (width * 0.8, height, 0), 0.018, 0.5)
        place = (-0.52 * width, height * 0.5, 0)
        parts.add(frame, "torus", metal, place, (0.7 * height, 0.014, 0.7 * height), (0, 1.571, 0))
    parts.add(frame, "sphere", metal, (0, height + 0.035, 0), (0.022, 0.022, 0.022))
    return width * 0.7


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


SMALL = (plate, cup, glass, bottle, jar, fruit_bowl, loose_fruit, books, laptop, vase, candle, cutlery, board, pot, gadget,
         small_plant, small_lamp)  # fmt: skip
"""Everything that can be put on a table."""
