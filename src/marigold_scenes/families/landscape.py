"""Open country: hills, woods, rocks, water, paths, farms and animals."""

import math

from marigold_scenes import daylight, terrain, view
from marigold_scenes.assembly import Assembly, Dice, Frame
from marigold_scenes.plan import Plan
from marigold_scenes.things import buildings, figures, nature

REGION = 75.0


def plan(dice: Dice) -> Plan:
    """Hills around the origin with things scattered over them, thinner with distance."""
    parts = Assembly(dice)
    parts.material("grass", "grass", "grass", "soil", "sand", "snow", "stone")
    parts.material("soil", "sand", "concrete", "asphalt", "stone")
    parts.material("water")
    parts.material("sand", "stone", "soil", "grass")
    row = terrain.sample(dice)
    woods, rocks = dice.log(1, 14), dice.log(0.5, 20)
    if dice.chance(0.35):
        for _ in range(dice.whole(1, 4)):
            _put(parts, row, lambda frame: buildings.house(parts, frame), 7, 12, 60)
    if dice.chance(0.15):
        _put(parts, row, lambda frame: buildings.tower(parts, frame), 4, 20, 65)
    tall = dice.uniform(4, 14)
    for _ in range(int(woods)):
        _put(parts, row, lambda frame: nature.tree(parts, frame, tall * dice.uniform(0.5, 1.2)), 1.6, 4, 35)
    for _ in range(dice.whole(0, 4)):
        _wood(parts, row, tall)
    for _ in range(int(rocks)):
        _put(parts, row, lambda frame: _stones(parts, frame), 1.5, 1.5, 45)
    for _ in range(int(dice.log(0.5, 12))):
        _put(parts, row, lambda frame: nature.bush(parts, frame, dice.uniform(0.5, 2.5)), 1.0, 2, 45)
    leaf = parts.material("leaf")
    for _ in range(int(dice.log(0.5, 60))):
        _put(parts, row, lambda frame: nature.tuft(parts, frame, dice.uniform(0.2, 0.9), leaf), 0.2, 1, 20)
    for share, make, radius in (
        (0.15, lambda frame: nature.log(parts, frame, dice.uniform(1.5, 6)), 1.5),
        (0.12, lambda frame: nature.stump(parts, frame, dice.uniform(0.3, 0.9)), 0.6),
        (0.08, lambda frame: nature.cactus(parts, frame, dice.uniform(1, 4)), 0.8),
        (0.12, lambda frame: buildings.bench(parts, frame), 0.9),
        (0.3, lambda frame: figures.animal(parts, frame), 1.0),
        (0.3, lambda frame: figures.person(parts, frame), 0.5),
    ):
        if dice.chance(share):
            for _ in range(dice.whole(1, 4)):
                _put(parts, row, make, radius, 2, 30)
    if dice.chance(0.3):
        _fence(parts, row)
    light = daylight.outdoors(dice, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(dice, 35, 100)
        x, z = dice.normal(7), dice.normal(7)
        above = dice.uniform(1.2, 2.0) if dice.chance(0.6) else dice.log(0.3, 15.0)
        y = terrain.height(row, x, z) + above
        turn, reach = dice.uniform(0, 6.3), 10.0
        pitch = -math.radians(dice.uniform(10, 50)) if above > 5 else math.radians(dice.normal(7) - 2)
        target = (x + reach * math.cos(turn), y + reach * math.tan(pitch), z + reach * math.sin(turn))
        return view.View((x, y, z), target, view.roll(dice), tangent)

    def ground(x: float, z: float) -> float:
        return terrain.height(row, x, z)

    limits = view.Limits(0.8, 70.0, 0.1, 3)
    return view.settle(parts, propose, light, limits, ground=ground, far=80.0, reach=2.5, hills=row)


def _put(parts: Assembly, row: list[float], make, radius: float, near: float, far: float) -> None:
    """Makes something on free, dry ground off the path at a distance between `near` and `far`."""
    dice = parts.dice
    for _ in range(3):
        angle, distance = dice.uniform(0, 6.3), dice.log(near, far)
        x, z = distance * math.cos(angle), distance * math.sin(angle)
        if not terrain.is_dry(row, x, z) or terrain.on_path(row, x, z) or not parts.claim(x, z, radius):
            continue
        make(Frame(x, terrain.height(row, x, z) - 0.05, z, dice.uniform(0, 6.3)))
        return


def _wood(parts: Assembly, row: list[float], tall: float) -> None:
    """A stand of trees some way off."""
    dice = parts.dice
    angle, distance, spread = dice.uniform(0, 6.3), dice.uniform(22, 68), dice.uniform(6, 22)
    for _ in range(dice.whole(6, 22)):
        x = distance * math.cos(angle) + dice.normal(spread)
        z = distance * math.sin(angle) + dice.normal(spread)
        if math.hypot(x, z) > 14 and terrain.is_dry(row, x, z) and parts.claim(x, z, 1.2):
            frame = Frame(x, terrain.height(row, x, z), z, dice.uniform(0, 6.3))
            nature.distant_tree(parts, frame, tall * dice.uniform(0.6, 1.3))


def _stones(parts: Assembly, frame: Frame) -> None:
    dice = parts.dice
    size = dice.log(0.2, 2.5)
    if dice.chance(0.3):
        nature.rock_pile(parts, frame, size)
    else:
        nature.rock(parts, frame, size)


def _fence(parts: Assembly, row: list[float]) -> None:
    """Posts and rails that follow the ground."""
    parts.composite("fence")
    dice = parts.dice
    wood = parts.material("wood")
    angle, x, z = dice.uniform(0, 6.3), dice.uniform(-14, 14), dice.uniform(-14, 14)
    before = None
    for number in range(-12, 13):
        a, b = x + 2.2 * number * math.cos(angle), z + 2.2 * number * math.sin(angle)
        y = terrain.height(row, a, b)
        parts.post(Frame(a, y, b), wood, 0, -0.2, 0, 0.05, 1.3)
        if before:
            for level in (0.5, 0.95):
                start, end = (before[0], before[1] + level, before[2]), (a, y + level, b)
                parts.limb(Frame(), wood, start, end, 0.035)
        before = (a, y, b)
