"""Crockery, bottles, fruit and food. Real sizes in metres; each returns the radius of what it puts down."""

import math

from marigold_scenes.assembly import Assembly, Frame


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
