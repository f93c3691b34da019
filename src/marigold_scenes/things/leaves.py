"""Foliage and plants in pots."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, leaning, ring


def foliage(parts: Assembly, at: Placement, leaf: int, height: float, width: float, clusters: int) -> None:
    """A crown of leaves around (0, height / 2, 0): ragged clusters of leaves around denser cores."""
    rng = parts.rng
    ragged, grain = rng.uniform(0.3, 1.1), rng.uniform(14, 30)
    for number in range(clusters):
        # Spread over the crown by the golden angle, from its foot to its tip.
        level = (number + 0.5) / clusters
        angle, girth = number * 2.4 + rng.normal(0.3), math.sqrt(max(0.0, 1 - (2 * level - 1) ** 2))
        share = rng.uniform(1.0, 1.5) / clusters**0.42
        spread = 0.5 * width * (1 - 0.5 * share) * girth * (0.9 if number else 0.3)
        place = ring(angle, spread, height * (0.12 + 0.76 * level))
        size = (width * share * 0.8, height * share * rng.uniform(0.6, 0.9), width * share * 0.8)
        turn = (rng.uniform(0, 6.3), rng.normal(0.4), rng.normal(0.4))
        for shell, holes in ((1.0, ragged), (0.8, ragged - 0.9)):
            numbers = (round(grain * shell, 1), round(holes, 2), round(rng.uniform(0, 90), 1))
            parts.add(at, "leaves", leaf, place, tuple(extent * shell for extent in size), turn, numbers)


def potted_plant(parts: Assembly, at: Placement, size: float = 1.0) -> tuple[float, float]:
    """A plant in a pot: blades, a bushy crown or large leaves."""
    rng = parts.rng
    pot, leaf, soil = parts.material("ceramic", "ceramic", "plastic"), parts.material("leaf"), parts.material("soil")
    width, height = size * rng.uniform(0.22, 0.4), size * rng.uniform(0.2, 0.38)
    parts.stand(at, "cup", pot, (0, 0, 0), (width, height, width), (round(rng.uniform(0.55, 0.95), 2),))
    parts.stand(at, "cylinder", soil, (0, height * 0.8, 0), (width * 0.9, 0.02, width * 0.9))
    style, crown = rng.random(), size * rng.uniform(0.35, 1.1)
    if style < 0.4:
        foliage(parts, at.offset(0, height, 0), leaf, crown, crown * rng.uniform(0.6, 1.1), 4)
        return width, width
    for number in range(rng.integer(7, 13)):
        angle, lean = number * 2.4 + rng.normal(0.3), rng.uniform(0.1, 1.0)
        reach = crown * rng.uniform(0.6, 1.0)
        tip = leaning((0.0, height, 0.0), angle, lean, reach)
        if style < 0.7:
            parts.limb(at, leaf, (0, height * 0.8, 0), tip, size * 0.025, 0.1)
        else:
            parts.limb(at, leaf, (0, height * 0.8, 0), tip, size * 0.006)
            turn = (math.atan2(tip[0], tip[2]), lean + 0.5, 0.0)
            parts.add(at, "sphere", leaf, tip, (0.16 * size, 0.3 * size, 0.015 * size), turn)
    return width, width
