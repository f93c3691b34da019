"""Natural colours: OKLCh (Ottosson 2020) within what real surfaces reflect."""

import math
from collections.abc import Sequence

from marigold_scenes.random_stream import RandomStream
from marigold_scenes.tones import TONES

Colour = tuple[float, float, float]
"""Linear reflectance."""

DARKEST, BRIGHTEST = 0.02, 0.9
"""Nothing real reflects less or more (soot and fresh snow)."""


def colour(rng: RandomStream, tone: str) -> Colour:
    """A colour from one of the tones of this name."""
    light, chroma, hue = rng.weighted(TONES[tone])
    return oklch(rng.uniform(*light), rng.uniform(*chroma), rng.uniform(*hue))


def oklch(light: float, chroma: float, hue: float) -> Colour:
    """Linear reflectance of an OKLCh colour, `hue` in degrees, kept within what real surfaces reflect."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return limited(
        (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
    )


def limited(colour: Sequence[float]) -> Colour:
    """The colour within what real surfaces reflect."""
    red, green, blue = (min(max(part, DARKEST), BRIGHTEST) for part in colour)
    return red, green, blue


def scaled(colour: Colour, gain: float) -> Colour:
    """The colour `gain` times as bright."""
    return limited([part * gain for part in colour])


def mixed(a: Colour, b: Colour, amount: float) -> Colour:
    """The colour that lies `amount` of the way from `a` to `b`."""
    return limited([x + (y - x) * amount for x, y in zip(a, b, strict=True)])
