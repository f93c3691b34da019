"""Packing a material row: every column by name, with defaults."""

import math
from collections.abc import Callable, Sequence

from marigold_scenes import textures
from marigold_scenes.palette import Colour, colour, scaled
from marigold_scenes.random_stream import RandomStream

Row = list[float]
Recipe = Callable[[RandomStream], Row]

INDOORS, OUTDOORS = (0.15, 1.5), (0.5, 8.0)
"""The range of sizes (m) of patches of uneven tone and dirt."""

QUARTER = math.pi / 2
"""Turns a pattern by 90 degrees."""

_KIND = {name: float(index) for index, name in enumerate(textures.PATTERN_NAMES)}


def row(
    rng: RandomStream,
    kind: str,
    colours: Sequence[Colour],
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
    """A packed row of the pattern `kind`; the age is drawn where it is not given.

    `colours` are the pattern's A to D, at least one: B and C are drawn around A, D is C. `numbers` are its P0 to P3,
    `soiled` is the tone of the dirt; the rest are the columns of `layout.py`.
    """
    a, *others = colours
    b = others[0] if others else scaled(a, rng.uniform(0.7, 1.3))
    c = others[1] if len(others) > 1 else scaled(a, rng.uniform(0.5, 1.4))
    d = others[2] if len(others) > 2 else c
    vary = rng.uniform(0.05, 0.25) if vary is None else vary
    dirt = max(rng.uniform(-0.2, 0.6), 0.0) if dirt is None else dirt
    hue = vary * rng.uniform(-0.3, 0.3)
    where = (period, aspect, angle, *stretch)
    how = (gain, contrast, warp, *numbers)
    surface = (*rough, metal, relief, *glow)
    age = (vary, hue, rng.log_uniform(*patches), dirt, rng.uniform(0.05, 0.5), *colour(rng, soiled))
    seed = float(int(rng.random() * (1 << 20)))
    return [_KIND[kind], seed, *a, *b, *c, *d, *where, *how, *surface, *age]


def light(rng: RandomStream, low: float, high: float) -> Colour:
    """Radiance between `low` and `high` of a colour between candle light and daylight."""
    warm, power = rng.random(), rng.log_uniform(low, high)
    return power, power * (1 - 0.35 * warm), power * (1 - 0.7 * warm)


def one_of(*weighted: tuple[float, Recipe]) -> Recipe:
    """A recipe that follows one of these, as likely as its weight says."""
    return lambda rng: rng.weighted(weighted)(rng)
