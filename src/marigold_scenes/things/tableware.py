"""Crockery, bottles, fruit and food. Real sizes in metres; each returns the radius of what it puts down."""

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, Vector, ring


def plate(parts: Assembly, at: Placement) -> float:
    """A plate, perhaps with food on it; all functions here return the radius of what they put down."""
    rng = parts.rng
    radius, china = rng.uniform(0.08, 0.15), parts.material("ceramic", "ceramic", "metal", "plastic")
    parts.stand(at, "cylinder", china, (0, 0, 0), (1.2 * radius, 0.006, 1.2 * radius))
    parts.stand(at, "cup", china, (0, 0.003, 0), (2 * radius, rng.uniform(0.012, 0.03), 2 * radius), (0.6,))
    if rng.chance(0.6):
        food = [parts.material("food") for _ in range(rng.integer(1, 3))]
        for _ in range(rng.integer(1, 7)):
            x, z = rng.normal(radius * 0.3), rng.normal(radius * 0.3)
            lump(parts, at.offset(x, 0.006, z), rng.pick(food), rng.uniform(0.02, 0.06))
    return radius


def lump(parts: Assembly, at: Placement, material: int, scale: float) -> None:
    """A bite of food: round, sliced or cut."""
    rng = parts.rng
    name = rng.pick(("sphere", "sphere", "rounded", "cylinder", "dome", "ramp", "torus", "stone"))
    width, height = scale * rng.uniform(0.7, 1.3), scale * rng.uniform(0.4, 0.9)
    numbers = ()
    if name == "rounded":
        numbers = (0.3 * height,)
    elif name == "stone":
        numbers = tuple(rng.uniform(-1, 1) for _ in range(16))
    elif name == "torus":
        height *= 0.6
    size = (width, height, width * rng.uniform(0.6, 1.0))
    parts.stand(at, name, material, (0, 0, 0), size, numbers, rng.uniform(0, 6))


def cup(parts: Assembly, at: Placement) -> float:
    """A cup or mug with a handle and something in it, perhaps on a saucer."""
    rng = parts.rng
    china, drink = parts.material("ceramic", "ceramic", "metal", "plastic"), parts.material("food", "food", "water")
    width, height = rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.12)
    y = 0.0
    if rng.chance(0.4):
        parts.stand(at, "cup", china, (0, 0, 0), (0.15, 0.014, 0.15), (0.5,))
        y = 0.008
    if rng.chance(0.6):
        parts.stand(at, "cup", china, (0, y, 0), (width, height, width), (round(rng.uniform(0.6, 1.0), 2),))
    else:
        parts.stand(at, "bowl", china, (0, y, 0), (width, height, width), (0.6,))
        parts.post(at, china, (0, y, 0), width * 0.28, 0.01)
    parts.stand(at, "cylinder", drink, (0, y + height * 0.7, 0), (width * 0.88, 0.004, width * 0.88))
    if rng.chance(0.75):
        angle = rng.uniform(0, 6.3)
        place = ring(angle, 0.52 * width, y + 0.5 * height)
        parts.add(at, "torus", china, place, (0.55 * height, 0.011, 0.55 * height), (-angle, 1.571, 0))
    return 0.08


def glass(parts: Assembly, at: Placement) -> float:
    """A tumbler or a stemmed glass."""
    rng = parts.rng
    pane, drink = parts.material("glass"), parts.material("food", "water")
    if rng.chance(0.5):
        width, height = rng.uniform(0.05, 0.08), rng.uniform(0.08, 0.15)
        parts.stand(at, "cup", pane, (0, 0, 0), (width, height, width), (0.85,))
        parts.stand(at, "cylinder", drink, (0, 0.01, 0), (width * 0.8, height * rng.uniform(0.2, 0.8), width * 0.8))
        return 0.05
    stem, width = rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.09)
    parts.stand(at, "cone", pane, (0, 0, 0), (0.065, 0.008, 0.065), (0.2,))
    parts.post(at, pane, (0, 0.004, 0), 0.004, stem)
    parts.stand(at, rng.pick(("bowl", "paraboloid", "cup")), pane, (0, stem, 0), (width, rng.uniform(0.06, 0.1), width))
    return 0.05


def bottle(parts: Assembly, at: Placement) -> float:
    """A bottle: body, shoulder, neck, cap and label."""
    rng = parts.rng
    body = parts.material("glass", "plastic", "ceramic", "metal")
    width, height = rng.uniform(0.05, 0.1), rng.uniform(0.1, 0.22)
    neck, long = width * rng.uniform(0.25, 0.5), rng.uniform(0.02, 0.1)
    shoulder = width * rng.uniform(0.3, 0.9)
    parts.stand(at, "cylinder", body, (0, 0, 0), (width, height, width))
    name, numbers = ("dome", ()) if rng.chance(0.4) else ("cone", (round(neck / width, 2),))
    parts.stand(at, name, body, (0, height, 0), (width, shoulder, width), numbers)
    parts.stand(at, "cylinder", body, (0, height + 0.6 * shoulder, 0), (neck, long + 0.4 * shoulder, neck))
    cap = parts.material("plastic", "metal")
    parts.stand(at, "cylinder", cap, (0, height + shoulder + long - 0.01, 0), (neck * 1.2, 0.025, neck * 1.2))
    if rng.chance(0.7):
        label = parts.material("picture", "paper", "book")
        size = (width + 0.001, height * rng.uniform(0.3, 0.6), width + 0.001)
        parts.stand(at, "cylinder", label, (0, height * 0.25, 0), size)
    return width / 2


def jar(parts: Assembly, at: Placement) -> float:
    """A jar, tin or carton."""
    rng = parts.rng
    width, height = rng.uniform(0.05, 0.12), rng.uniform(0.06, 0.2)
    body = parts.material("glass", "metal", "paper", "ceramic", "picture", "book")
    if rng.chance(0.3):
        parts.stand(at, "box", body, (0, 0, 0), (width, height * 1.2, width * rng.uniform(0.5, 1)))
        if rng.chance(0.4):
            parts.stand(at, "gable", body, (0, height * 1.2, 0), (width, width * 0.4, width * 0.8))
        return width * 0.7
    parts.stand(at, rng.pick(("cylinder", "barrel", "urn")), body, (0, 0, 0), (width, height, width))
    lid = parts.material("metal", "plastic", "wood")
    parts.stand(at, "cylinder", lid, (0, height, 0), (width * 0.9, 0.015, width * 0.9))
    return width / 2


def fruit_bowl(parts: Assembly, at: Placement) -> float:
    """A bowl heaped with fruit."""
    rng = parts.rng
    radius, china = rng.uniform(0.09, 0.18), parts.material("ceramic", "wood", "metal", "glass")
    height = radius * rng.uniform(0.5, 1.0)
    parts.stand(at, "bowl", china, (0, 0.004, 0), (2 * radius, height, 2 * radius), (round(rng.uniform(0.3, 1), 1),))
    parts.post(at, china, (0, 0, 0), radius * 0.4, 0.012)
    skins = [parts.material("food") for _ in range(rng.integer(1, 3))]
    for number in range(rng.integer(3, 9)):
        size = rng.uniform(0.05, 0.085)
        reach, angle = (0.0 if number == 0 else 0.55 * radius), number * 1.05 + rng.normal(0.2)
        layer = 0.45 * height + (0.6 * size if number > 6 else 0.0)
        fruit(parts, at, rng.pick(skins), ring(angle, reach, layer + size / 2), size)
    return radius


def fruit(parts: Assembly, at: Placement, material: int, place: Vector, size: float) -> None:
    """One fruit centred at `place`."""
    rng = parts.rng
    long = rng.pick((0.9, 1.0, 1.0, 1.3))
    turn = (rng.uniform(0, 6.3), rng.normal(0.7), rng.normal(0.7))
    parts.add(at, "sphere", material, place, (size, size * long, size), turn)


def loose_fruit(parts: Assembly, at: Placement) -> float:
    """A few fruits lying about."""
    rng = parts.rng
    skin = parts.material("food")
    for _ in range(rng.integer(1, 4)):
        size = rng.uniform(0.05, 0.09)
        fruit(parts, at, skin, (rng.normal(0.08), size / 2, rng.normal(0.08)), size)
    return 0.1


def cutlery(parts: Assembly, at: Placement) -> float:
    """Knife, fork and spoon side by side."""
    rng = parts.rng
    metal = parts.material("metal")
    for number in range(rng.integer(1, 3)):
        x, long = number * 0.03, rng.uniform(0.16, 0.21)
        parts.box(at, metal, (x, 0.001, 0), (0.008, 0.003, long))
        parts.add(at, "sphere", metal, (x, 0.004, -long / 2), (rng.uniform(0.015, 0.035), 0.005, 0.055))
    return 0.1


def board(parts: Assembly, at: Placement) -> float:
    """A cutting board or tray with food on it."""
    rng = parts.rng
    width, depth = rng.uniform(0.2, 0.4), rng.uniform(0.14, 0.25)
    wood = parts.material("wood", "stone", "metal")
    parts.rounded(at, wood, (0, 0.01, 0), (width, 0.02, depth), 0.009)
    food = [parts.material("food") for _ in range(2)]
    for _ in range(rng.integer(1, 8)):
        place = at.offset(rng.uniform(-0.4, 0.4) * width, 0.02, rng.uniform(-0.4, 0.4) * depth)
        lump(parts, place, rng.pick(food), rng.uniform(0.03, 0.09))
    return width * 0.6


def pot(parts: Assembly, at: Placement) -> float:
    """A cooking pot or teapot with handle, lid and knob."""
    rng = parts.rng
    metal = parts.material("metal", "ceramic")
    width, height = rng.uniform(0.13, 0.28), rng.uniform(0.08, 0.2)
    if rng.chance(0.5):
        parts.stand(at, "cylinder", metal, (0, 0, 0), (width, height, width))
        parts.stand(at, "dome", metal, (0, height, 0), (width, 0.03, width))
        long = rng.uniform(0.05, 0.2)
        parts.limb(at, metal, (width / 2, height * 0.85, 0), (width / 2 + long, height * 0.9, 0), 0.01)
    else:
        parts.stand(at, "urn", metal, (0, 0, 0), (width, height, width), (0.6, 0.4, True))
        parts.stand(at, "dome", metal, (0, height - 0.002, 0), (width * 0.45, 0.03, width * 0.45))
        parts.limb(at, metal, (width * 0.4, height * 0.4, 0), (width * 0.8, height, 0), 0.018, 0.5)
        place = (-0.52 * width, height * 0.5, 0)
        parts.add(at, "torus", metal, place, (0.7 * height, 0.014, 0.7 * height), (0, 1.571, 0))
    parts.add(at, "sphere", metal, (0, height + 0.035, 0), (0.022, 0.022, 0.022))
    return width * 0.7
