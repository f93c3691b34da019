"""Packing a material row: every column by name, with defaults."""

import math
from collections.abc import Callable

from marigold_scenes import textures
from marigold_scenes.palette import Colour, Dice, scaled

Row = list[float]
Recipe = Callable[[Dice], Row]

INDOORS, OUTDOORS = (0.15, 1.5), (0.5, 8.0)
"""The range of sizes (m) of patches of uneven tone and dirt."""

QUARTER = math.pi / 2
"""Turns a pattern by 90 degrees."""

_KIND = {name: float(index) for index, name in enumerate(textures.KINDS)}


def row(
    dice: Dice,
    kind: str,
    a: Colour,
    b: Colour | None = None,
    c: Colour | None = None,
    d: Colour | None = None,
    *,
    period: float = 0.1,
    aspect: float = 1.0,
    angle: float = 0.0,
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    gain: float = 0.55,
    contrast: float = 0.5,
    warp: float = 0.0,
    numbers: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    rough: tuple[float, float] = (0.5, 0.7),
    metal: float = 0.0,
    relief: float = 0.0,
    glow: Colour = (0.0, 0.0, 0.0),
    vary: float | None = None,
    patches: tuple[float, float] = INDOORS,
    dirt: float | None = None,
    soiled: str = "dirt",
) -> Row:
    """A packed row of the pattern `kind`; colours left out follow `a`, and the age is rolled where it is not given.

    `numbers` are the pattern's P0 to P3, `soiled` the tone of the dirt; the rest are the columns of `layout.py`.
    """
    b = b or scaled(a, dice.between(0.7, 1.3))
    c = c or scaled(a, dice.between(0.5, 1.4))
    vary = dice.between(0.05, 0.25) if vary is None else vary
    dirt = max(dice.between(-0.2, 0.6), 0.0) if dirt is None else dirt
    hue = vary * dice.between(-0.3, 0.3)
    where = (period, aspect, angle, *stretch)
    how = (gain, contrast, warp, *numbers)
    surface = (*rough, metal, relief, *glow)
    age = (vary, hue, dice.scale(*patches), dirt, dice.between(0.05, 0.5), *dice.colour(soiled))
    seed = float(int(dice.unit() * (1 << 20)))
    return [_KIND[kind], seed, *a, *b, *c, *(d or c), *where, *how, *surface, *age]


def light(dice: Dice, low: float, high: float) -> Colour:
    """Radiance between `low` and `high` of a colour between candle light and daylight."""
    warm, power = dice.unit(), dice.scale(low, high)
    return power, power * (1 - 0.35 * warm), power * (1 - 0.7 * warm)


def one_of(*weighted: tuple[float, Recipe]) -> Recipe:
    """A recipe that follows one of these, as likely as its weight says."""
    return lambda dice: dice.weighted(weighted)(dice)
