"""Plants and stones, from tufts of grass to trees."""

import math

from marigold_scenes.assembly import Assembly, Frame
from marigold_scenes.things.leaves import foliage


def tree(parts: Assembly, frame: Frame, height: float) -> None:
    """A tree of any habit: round, columnar, conifer, palm or bare."""
    parts.composite("tree")
    style = parts.dice.random()
    if style < 0.5:
        broadleaf(parts, frame, height)
    elif style < 0.8:
        conifer(parts, frame, height)
    elif style < 0.9:
        palm(parts, frame, height)
    else:
        bare(parts, frame, height)


def distant_tree(parts: Assembly, frame: Frame, height: float) -> None:
    """A tree of a few solids, for woods seen from afar."""
    parts.composite("tree")
    dice = parts.dice
    bark, leaf = parts.material("bark"), parts.material("leaf")
    width, low = height * dice.uniform(0.3, 0.7), height * dice.uniform(0.05, 0.35)
    parts.limb(frame, bark, (0, -0.3, 0), (0, height * 0.6, 0), height * 0.025, 0.5)
    grain = round(dice.uniform(12, 20), 1)
    if dice.chance(0.4):
        parts.stand(frame, "cone", leaf, 0, low, 0, (width * 0.6, height * 0.9 - low, width * 0.6), (0.05,))
        for share in (0.2, 0.5, 0.8):
            wide = width * (1.15 - share)
            place = (0, low + (height - low) * share, 0)
            parts.add(frame, "leaves", leaf, place, (wide, 0.5 * (height - low), wide), numbers=(grain, 0.3, 9 * share))
        return
    for number in range(4):
        angle, spread = number * 2.4, 0.22 * width * (number > 0)
        place = (spread * math.cos(angle), low + (height - low) * (0.5 + 0.12 * (number - 1)), spread * math.sin(angle))
        size = (0.75 * width, 0.6 * (height - low), 0.75 * width)
        parts.add(frame, "leaves", leaf, place, size, numbers=(grain, 0.2 - 0.8 * (number == 0), float(number)))


def broadleaf(parts: Assembly, frame: Frame, height: float) -> None:
    """Trunk, a few boughs, and a crown of leaf clusters."""
    dice = parts.dice
    bark, leaf = parts.material("bark"), parts.material("leaf")
    clear, thick = height * dice.uniform(0.15, 0.4), height * dice.uniform(0.018, 0.04)
    parts.limb(
        frame, bark, (0, -0.2, 0), (dice.normal(0.04) * height, height * 0.7, dice.normal(0.04) * height), thick, 0.4
    )
    width = height * dice.uniform(0.35, 0.85)
    for number in range(dice.whole(2, 4)):
        angle = number * 2.4 + dice.normal(0.3)
        end = (0.3 * width * math.cos(angle), height * dice.uniform(0.5, 0.75), 0.3 * width * math.sin(angle))
        parts.limb(frame, bark, (0, clear, 0), end, thick * 0.45, 0.3)
    foliage(parts, frame.at(0, clear, 0), leaf, height - clear, width, dice.whole(6, 13))


def conifer(parts: Assembly, frame: Frame, height: float) -> None:
    """A trunk with tiers of ragged cones."""
    dice = parts.dice
    bark, leaf = parts.material("bark"), parts.material("leaf")
    parts.limb(frame, bark, (0, -0.2, 0), (0, height * 0.9, 0), height * 0.02, 0.2)
    tiers, width, low = dice.whole(3, 7), height * dice.uniform(0.25, 0.5), height * dice.uniform(0.05, 0.25)
    for tier in range(tiers):
        share = tier / tiers
        y, tall = low + (height - low) * share, (height - low) / tiers * dice.uniform(1.5, 2.0)
        wide = width * (1.05 - share) * dice.uniform(0.9, 1.1)
        turn = (dice.uniform(0, 6.3), dice.normal(0.04), dice.normal(0.04))
        numbers = (round(dice.uniform(16, 28), 1), round(dice.uniform(-0.2, 0.6), 1), round(dice.uniform(0, 90), 1))
        parts.add(frame, "leaves", leaf, (0, y + 0.3 * tall, 0), (wide, tall * 0.85, wide), turn, numbers)
        parts.add(frame, "cone", leaf, (0, y + tall * 0.5, 0), (wide * 0.7, tall * 0.9, wide * 0.7), turn, (0.05,))


def palm(parts: Assembly, frame: Frame, height: float) -> None:
    """A leaning trunk with a crown of fronds."""
    dice = parts.dice
    bark, leaf = parts.material("bark"), parts.material("leaf")
    x, z = dice.normal(0.12) * height, dice.normal(0.12) * height
    parts.limb(frame, bark, (0, -0.2, 0), (x, height * 0.85, z), height * 0.025, 0.7)
    for number in range(dice.whole(7, 12)):
        angle, droop, long = number * 2.4, dice.uniform(-0.5, 0.5), height * dice.uniform(0.25, 0.4)
        middle = (
            x + 0.5 * long * math.cos(angle),
            height * 0.85 + 0.5 * long * droop,
            z + 0.5 * long * math.sin(angle),
        )
        parts.add(
            frame,
            "leaves",
            leaf,
            middle,
            (0.28 * long, 0.05 * long, long),
            (math.pi / 2 - angle, -droop, 0),
            (12.0, -0.6, float(number)),
        )


def bare(parts: Assembly, frame: Frame, height: float) -> None:
    """A leafless tree: branches that fork twice."""
    dice = parts.dice
    bark = parts.material("bark")
    top = (dice.normal(0.05) * height, height * 0.45, dice.normal(0.05) * height)
    parts.limb(frame, bark, (0, -0.2, 0), top, height * 0.025, 0.6)
    for number in range(dice.whole(3, 5)):
        angle, lean, long = number * 2.4 + dice.normal(0.3), dice.uniform(0.2, 0.8), height * dice.uniform(0.25, 0.4)
        fork = (
            top[0] + long * math.sin(lean) * math.cos(angle),
            top[1] + long * math.cos(lean),
            top[2] + long * math.sin(lean) * math.sin(angle),
        )
        parts.limb(frame, bark, top, fork, height * 0.014, 0.6)
        for side in range(2):
            turn, bend, reach = angle + (side - 0.5) * 1.6, lean + dice.normal(0.4), long * dice.uniform(0.5, 0.9)
            end = (
                fork[0] + reach * math.sin(bend) * math.cos(turn),
                fork[1] + reach * math.cos(bend),
                fork[2] + reach * math.sin(bend) * math.sin(turn),
            )
            parts.limb(frame, bark, fork, end, height * 0.008, 0.2)


def bush(parts: Assembly, frame: Frame, size: float) -> None:
    """A shrub that touches the ground, round or clipped."""
    parts.composite("bush")
    dice = parts.dice
    leaf = parts.material("leaf")
    if dice.chance(0.15):
        parts.stand(frame, dice.pick(("rounded", "sphere", "cone")), leaf, 0, 0, 0, (size, size * 0.8, size))
        return
    foliage(parts, frame.at(0, -0.1 * size, 0), leaf, size * dice.uniform(0.6, 1.1), size, dice.whole(3, 6))


def hedge(parts: Assembly, frame: Frame, length: float, height: float) -> None:
    """A clipped hedge along x."""
    parts.composite("hedge")
    leaf = parts.material("leaf")
    count = max(2, round(length / height))
    parts.box(frame, leaf, 0, 0, 0, length * 0.96, height * 0.88, height * 0.5)
    for number in range(count):
        x = (number + 0.5 - count / 2) * length / count
        size = (1.4 * length / count, height * 1.25, height * 0.9)
        parts.add(frame, "leaves", leaf, (x, height * 0.45, 0), size, numbers=(11.0, 0.3, float(number)))


def rock(parts: Assembly, frame: Frame, size: float, stone: int | None = None) -> None:
    """A boulder: an irregular block sunk a little into the ground."""
    parts.composite("rock")
    dice = parts.dice
    stone = parts.material("stone") if stone is None else stone
    numbers = tuple(round(dice.uniform(-1, 1), 3) for _ in range(16))
    width, height, depth = size * dice.uniform(0.8, 1.7), size * dice.uniform(0.6, 1.4), size * dice.uniform(0.8, 1.6)
    turn = (dice.uniform(0, 6.3), dice.normal(0.3), dice.normal(0.3))
    parts.add(frame, "stone", stone, (0, height * 0.15, 0), (width, height, depth), turn, numbers)


def rock_pile(parts: Assembly, frame: Frame, size: float) -> None:
    """Boulders of one stone heaped together."""
    dice = parts.dice
    stone = parts.material("stone")
    for number in range(dice.whole(3, 7)):
        angle, ring = number * 2.4, size * dice.uniform(0.0, 0.9)
        rock(parts, frame.at(ring * math.cos(angle), 0, ring * math.sin(angle)), size * dice.uniform(0.25, 0.8), stone)


def log(parts: Assembly, frame: Frame, length: float) -> None:
    """A fallen trunk."""
    parts.composite("log")
    dice = parts.dice
    bark, radius = parts.material("bark"), length * dice.uniform(0.04, 0.1)
    parts.limb(frame, bark, (-length / 2, radius, 0), (length / 2, radius * 0.8, 0), radius, 0.8)
    if dice.chance(0.5):
        parts.limb(frame, bark, (0, radius, 0), (0.1 * length, radius + 0.2 * length, 0.1 * length), radius * 0.3, 0.3)


def stump(parts: Assembly, frame: Frame, size: float) -> None:
    """A sawn-off trunk."""
    parts.composite("stump")
    parts.stand(
        frame, "cone", parts.material("bark"), 0, -0.05, 0, (size, size * parts.dice.uniform(0.5, 1), size), (0.85,)
    )


def tuft(parts: Assembly, frame: Frame, size: float, leaf: int) -> None:
    """Tall grass or a flower clump."""
    dice = parts.dice
    numbers = (round(dice.uniform(12, 22), 1), round(dice.uniform(0.4, 1.3), 1), round(dice.uniform(0, 90), 1))
    parts.add(frame, "leaves", leaf, (0, size * 0.3, 0), (size, size * dice.uniform(0.6, 1.2), size), numbers=numbers)


def cactus(parts: Assembly, frame: Frame, height: float) -> None:
    """A column cactus with arms."""
    parts.composite("cactus")
    dice = parts.dice
    leaf, thick = parts.material("leaf"), height * dice.uniform(0.06, 0.1)
    tip = 1.2 * thick
    parts.limb(frame, leaf, (0, 0, 0), (0, height, 0), thick)
    parts.add(frame, "sphere", leaf, (0, height, 0), (2 * thick, 2 * thick, 2 * thick))
    for side in (-1, 1):
        if dice.chance(0.7):
            y, reach, up = (
                height * dice.uniform(0.35, 0.6),
                height * dice.uniform(0.15, 0.25),
                height * dice.uniform(0.15, 0.3),
            )
            parts.limb(frame, leaf, (0, y, 0), (side * reach, y, 0), thick * 0.6)
            parts.limb(frame, leaf, (side * reach, y - thick * 0.3, 0), (side * reach, y + up, 0), thick * 0.6)
            parts.add(frame, "sphere", leaf, (side * reach, y + up, 0), (tip, tip, tip))
