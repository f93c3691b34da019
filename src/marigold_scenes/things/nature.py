"""Plants and stones, from tufts of grass to trees."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, leaning, ring
from marigold_scenes.things.leaves import foliage


def tree(parts: Assembly, at: Placement, height: float) -> None:
    """A tree of any habit: round, columnar, conifer, palm or bare."""
    style = parts.rng.random()
    if style < 0.5:
        broadleaf(parts, at, height)
    elif style < 0.8:
        conifer(parts, at, height)
    elif style < 0.9:
        palm(parts, at, height)
    else:
        bare(parts, at, height)


def distant_tree(parts: Assembly, at: Placement, height: float) -> None:
    """A tree of a few solids, for woods seen from afar."""
    rng = parts.rng
    bark, leaf = parts.material("bark"), parts.material("leaf")
    width, low = height * rng.uniform(0.3, 0.7), height * rng.uniform(0.05, 0.35)
    parts.limb(at, bark, (0, -0.3, 0), (0, height * 0.6, 0), height * 0.025, 0.5)
    grain = round(rng.uniform(12, 20), 1)
    if rng.chance(0.4):
        parts.stand(at, "cone", leaf, (0, low, 0), (width * 0.6, height * 0.9 - low, width * 0.6), (0.05,))
        for share in (0.2, 0.5, 0.8):
            wide = width * (1.15 - share)
            place = (0, low + (height - low) * share, 0)
            parts.add(at, "leaves", leaf, place, (wide, 0.5 * (height - low), wide), numbers=(grain, 0.3, 9 * share))
        return
    for number in range(4):
        angle, spread = number * 2.4, 0.22 * width * (number > 0)
        place = ring(angle, spread, low + (height - low) * (0.5 + 0.12 * (number - 1)))
        size = (0.75 * width, 0.6 * (height - low), 0.75 * width)
        parts.add(at, "leaves", leaf, place, size, numbers=(grain, 0.2 - 0.8 * (number == 0), float(number)))


def broadleaf(parts: Assembly, at: Placement, height: float) -> None:
    """Trunk, a few boughs, and a crown of leaf clusters."""
    rng = parts.rng
    bark, leaf = parts.material("bark"), parts.material("leaf")
    clear, thick = height * rng.uniform(0.15, 0.4), height * rng.uniform(0.018, 0.04)
    parts.limb(at, bark, (0, -0.2, 0), (rng.normal(0.04) * height, height * 0.7, rng.normal(0.04) * height), thick, 0.4)
    width = height * rng.uniform(0.35, 0.85)
    for number in range(rng.integer(2, 4)):
        angle = number * 2.4 + rng.normal(0.3)
        end = ring(angle, 0.3 * width, height * rng.uniform(0.5, 0.75))
        parts.limb(at, bark, (0, clear, 0), end, thick * 0.45, 0.3)
    foliage(parts, at.offset(0, clear, 0), leaf, height - clear, width, rng.integer(6, 13))


def conifer(parts: Assembly, at: Placement, height: float) -> None:
    """A trunk with tiers of ragged cones."""
    rng = parts.rng
    bark, leaf = parts.material("bark"), parts.material("leaf")
    parts.limb(at, bark, (0, -0.2, 0), (0, height * 0.9, 0), height * 0.02, 0.2)
    tiers, width, low = rng.integer(3, 7), height * rng.uniform(0.25, 0.5), height * rng.uniform(0.05, 0.25)
    for tier in range(tiers):
        share = tier / tiers
        y, tall = low + (height - low) * share, (height - low) / tiers * rng.uniform(1.5, 2.0)
        wide = width * (1.05 - share) * rng.uniform(0.9, 1.1)
        turn = (rng.uniform(0, 6.3), rng.normal(0.04), rng.normal(0.04))
        numbers = (round(rng.uniform(16, 28), 1), round(rng.uniform(-0.2, 0.6), 1), round(rng.uniform(0, 90), 1))
        parts.add(at, "leaves", leaf, (0, y + 0.3 * tall, 0), (wide, tall * 0.85, wide), turn, numbers)
        parts.add(at, "cone", leaf, (0, y + tall * 0.5, 0), (wide * 0.7, tall * 0.9, wide * 0.7), turn, (0.05,))


def palm(parts: Assembly, at: Placement, height: float) -> None:
    """A leaning trunk with a crown of fronds."""
    rng = parts.rng
    bark, leaf = parts.material("bark"), parts.material("leaf")
    x, z = rng.normal(0.12) * height, rng.normal(0.12) * height
    parts.limb(at, bark, (0, -0.2, 0), (x, height * 0.85, z), height * 0.025, 0.7)
    for number in range(rng.integer(7, 12)):
        angle, droop, long = number * 2.4, rng.uniform(-0.5, 0.5), height * rng.uniform(0.25, 0.4)
        out_x, y, out_z = ring(angle, 0.5 * long, height * 0.85 + 0.5 * long * droop)
        size, turn = (0.28 * long, 0.05 * long, long), (math.pi / 2 - angle, -droop, 0)
        parts.add(at, "leaves", leaf, (x + out_x, y, z + out_z), size, turn, (12.0, -0.6, float(number)))


def bare(parts: Assembly, at: Placement, height: float) -> None:
    """A leafless tree: branches that fork twice."""
    rng = parts.rng
    bark = parts.material("bark")
    top = (rng.normal(0.05) * height, height * 0.45, rng.normal(0.05) * height)
    parts.limb(at, bark, (0, -0.2, 0), top, height * 0.025, 0.6)
    for number in range(rng.integer(3, 5)):
        angle, lean, long = number * 2.4 + rng.normal(0.3), rng.uniform(0.2, 0.8), height * rng.uniform(0.25, 0.4)
        fork = leaning(top, angle, lean, long)
        parts.limb(at, bark, top, fork, height * 0.014, 0.6)
        for side in range(2):
            turn, bend, reach = angle + (side - 0.5) * 1.6, lean + rng.normal(0.4), long * rng.uniform(0.5, 0.9)
            parts.limb(at, bark, fork, leaning(fork, turn, bend, reach), height * 0.008, 0.2)


def bush(parts: Assembly, at: Placement, size: float) -> None:
    """A shrub that touches the ground, round or clipped."""
    rng = parts.rng
    leaf = parts.material("leaf")
    if rng.chance(0.15):
        parts.stand(at, rng.pick(("rounded", "sphere", "cone")), leaf, (0, 0, 0), (size, size * 0.8, size))
        return
    foliage(parts, at.offset(0, -0.1 * size, 0), leaf, size * rng.uniform(0.6, 1.1), size, rng.integer(3, 6))


def hedge(parts: Assembly, at: Placement, length: float, height: float) -> None:
    """A clipped hedge along x."""
    leaf = parts.material("leaf")
    count = max(2, round(length / height))
    parts.box(at, leaf, (0, 0, 0), (length * 0.96, height * 0.88, height * 0.5))
    for number in range(count):
        x = (number + 0.5 - count / 2) * length / count
        size = (1.4 * length / count, height * 1.25, height * 0.9)
        parts.add(at, "leaves", leaf, (x, height * 0.45, 0), size, numbers=(11.0, 0.3, float(number)))


def rock(parts: Assembly, at: Placement, size: float, stone: int | None = None) -> None:
    """A boulder: an irregular block sunk a little into the ground."""
    rng = parts.rng
    stone = parts.material("stone") if stone is None else stone
    numbers = tuple(round(rng.uniform(-1, 1), 3) for _ in range(16))
    width, height, depth = size * rng.uniform(0.8, 1.7), size * rng.uniform(0.6, 1.4), size * rng.uniform(0.8, 1.6)
    turn = (rng.uniform(0, 6.3), rng.normal(0.3), rng.normal(0.3))
    parts.add(at, "stone", stone, (0, height * 0.15, 0), (width, height, depth), turn, numbers)


def rock_pile(parts: Assembly, at: Placement, size: float) -> None:
    """Boulders of one stone heaped together."""
    rng = parts.rng
    stone = parts.material("stone")
    for number in range(rng.integer(3, 7)):
        angle, radius = number * 2.4, size * rng.uniform(0.0, 0.9)
        rock(parts, at.offset(*ring(angle, radius)), size * rng.uniform(0.25, 0.8), stone)


def log(parts: Assembly, at: Placement, length: float) -> None:
    """A fallen trunk."""
    rng = parts.rng
    bark, radius = parts.material("bark"), length * rng.uniform(0.04, 0.1)
    parts.limb(at, bark, (-length / 2, radius, 0), (length / 2, radius * 0.8, 0), radius, 0.8)
    if rng.chance(0.5):
        parts.limb(at, bark, (0, radius, 0), (0.1 * length, radius + 0.2 * length, 0.1 * length), radius * 0.3, 0.3)


def stump(parts: Assembly, at: Placement, size: float) -> None:
    """A sawn-off trunk."""
    parts.stand(
        at, "cone", parts.material("bark"), (0, -0.05, 0), (size, size * parts.rng.uniform(0.5, 1), size), (0.85,)
    )


def tuft(parts: Assembly, at: Placement, size: float, leaf: int) -> None:
    """Tall grass or a flower clump."""
    rng = parts.rng
    numbers = (round(rng.uniform(12, 22), 1), round(rng.uniform(0.4, 1.3), 1), round(rng.uniform(0, 90), 1))
    parts.add(at, "leaves", leaf, (0, size * 0.3, 0), (size, size * rng.uniform(0.6, 1.2), size), numbers=numbers)


def cactus(parts: Assembly, at: Placement, height: float) -> None:
    """A column cactus with arms."""
    rng = parts.rng
    leaf, thick = parts.material("leaf"), height * rng.uniform(0.06, 0.1)
    tip = 1.2 * thick
    parts.limb(at, leaf, (0, 0, 0), (0, height, 0), thick)
    parts.add(at, "sphere", leaf, (0, height, 0), (2 * thick, 2 * thick, 2 * thick))
    for side in (-1, 1):
        if rng.chance(0.7):
            y, reach = height * rng.uniform(0.35, 0.6), height * rng.uniform(0.15, 0.25)
            up = height * rng.uniform(0.15, 0.3)
            parts.limb(at, leaf, (0, y, 0), (side * reach, y, 0), thick * 0.6)
            parts.limb(at, leaf, (side * reach, y - thick * 0.3, 0), (side * reach, y + up, 0), thick * 0.6)
            parts.add(at, "sphere", leaf, (side * reach, y + up, 0), (tip, tip, tip))
