"""Foliage and plants in pots."""

import math

from marigold_scenes.assembly import Assembly, Frame


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
