"""Natural colours: ranges of lightness, chroma and hue in OKLCh (Ottosson 2020) and a fast source of random choices."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Choice = TypeVar("Choice")

Colour = tuple[float, float, float]
"""Linear reflectance."""

DARKEST, BRIGHTEST = 0.02, 0.9
"""Nothing real reflects less or more (soot and fresh snow)."""


class Tone(NamedTuple):
    """A range of colours: lightness 0 to 1, chroma (0.05 muted, 0.15 vivid), hue in degrees (30 red, 140 green)."""

    light: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float] = (0.0, 360.0)


class Dice:
    """Random choices as plain floats: a generator's numbers, drawn in blocks because single draws are slow."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._ready: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._ready:
            self._ready = self._rng.random(64).tolist()
        return self._ready.pop()

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def scale(self, low: float, high: float) -> float:
        """A positive number in [low, high) whose logarithm is uniform."""
        return low * (high / low) ** self.unit()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def pick(self, *choices: Choice) -> Choice:
        """One of the choices, each as likely as the others."""
        return choices[int(self.unit() * len(choices))]

    def weighted(self, choices: Sequence[tuple[float, Choice]]) -> Choice:
        """The second part of one of the pairs, as likely as its first part says."""
        at = self.unit() * sum(weight for weight, _ in choices)
        for weight, value in choices:
            at -= weight
            if at < 0:
                return value
        return choices[-1][1]

    def colour(self, tone: str) -> Colour:
        """A colour from one of the tones of this name."""
        light, chroma, hue = self.weighted(TONES[tone])
        return oklch(self.between(*light), self.between(*chroma), self.between(*hue))


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


WHITE = Tone((0.88, 0.96), (0.0, 0.015), (40, 110))
GREY = Tone((0.35, 0.85), (0.0, 0.012))
BLACK = Tone((0.22, 0.34), (0.0, 0.02))
CREAM = Tone((0.82, 0.94), (0.015, 0.05), (60, 105))
PASTEL = Tone((0.7, 0.9), (0.03, 0.09))
MUTED = Tone((0.38, 0.75), (0.03, 0.1))
DEEP = Tone((0.28, 0.5), (0.04, 0.13))
VIVID = Tone((0.45, 0.8), (0.12, 0.22))
EARTH = Tone((0.3, 0.65), (0.03, 0.1), (45, 85))

TONES: dict[str, list[tuple[float, Tone]]] = {
    "paint": [(5, WHITE), (4, CREAM), (2.5, PASTEL), (1, MUTED), (0.5, DEEP), (0.5, GREY)],
    "white": [(3, WHITE), (1, CREAM)],
    "grey": [(1, GREY)],
    "black": [(1, BLACK)],
    "timber": [
        (3, Tone((0.5, 0.72), (0.05, 0.1), (55, 75))),
        (2, Tone((0.36, 0.5), (0.04, 0.085), (42, 66))),
        (1.5, Tone((0.7, 0.84), (0.03, 0.08), (70, 88))),
        (0.7, Tone((0.45, 0.66), (0.0, 0.03), (60, 100))),
        (0.5, Tone((0.26, 0.36), (0.01, 0.04), (30, 70))),
    ],
    "cloth": [(3, MUTED), (2, DEEP), (2, CREAM), (2, GREY), (1, BLACK), (1, PASTEL), (1, VIVID), (1, WHITE)],
    "plastic": [(3, WHITE), (3, GREY), (2, BLACK), (2.5, VIVID), (1.5, MUTED), (1, PASTEL)],
    "glaze": [(5, WHITE), (2, CREAM), (1.5, PASTEL), (1, VIVID), (1.5, MUTED), (1, DEEP), (0.7, BLACK), (1, EARTH)],
    "metal": [
        (6, Tone((0.72, 0.88), (0.0, 0.012))),
        (1, Tone((0.75, 0.86), (0.07, 0.11), (75, 92))),
        (0.7, Tone((0.68, 0.78), (0.07, 0.1), (45, 58))),
        (2, Tone((0.4, 0.65), (0.0, 0.02))),
    ],
    "brick": [
        (5, Tone((0.42, 0.58), (0.07, 0.12), (32, 48))),
        (2, Tone((0.6, 0.75), (0.04, 0.08), (60, 85))),
        (1, Tone((0.35, 0.5), (0.0, 0.03), (30, 80))),
        (1, Tone((0.7, 0.88), (0.01, 0.03), (60, 90))),
    ],
    "mortar": [(3, Tone((0.6, 0.8), (0.005, 0.03), (60, 95))), (1, Tone((0.3, 0.5), (0.0, 0.02), (40, 90)))],
    "stone": [
        (4, Tone((0.45, 0.75), (0.003, 0.025), (50, 110))),
        (2, Tone((0.55, 0.78), (0.02, 0.06), (55, 90))),
        (1, Tone((0.3, 0.45), (0.0, 0.02))),
        (0.7, Tone((0.45, 0.6), (0.02, 0.05), (30, 60))),
    ],
    "concrete": [(1, Tone((0.5, 0.78), (0.002, 0.018), (60, 120)))],
    "asphalt": [(1, Tone((0.3, 0.5), (0.0, 0.012), (50, 280)))],
    "grass": [
        (4, Tone((0.4, 0.56), (0.06, 0.12), (118, 138))),
        (1.5, Tone((0.5, 0.66), (0.05, 0.1), (98, 116))),
        (0.7, Tone((0.55, 0.72), (0.04, 0.08), (78, 98))),
    ],
    "leaf": [
        (5, Tone((0.33, 0.52), (0.05, 0.12), (118, 146))),
        (1, Tone((0.45, 0.62), (0.07, 0.13), (100, 118))),
        (0.5, Tone((0.45, 0.62), (0.1, 0.16), (40, 85))),
        (0.4, Tone((0.4, 0.55), (0.03, 0.06), (140, 190))),
    ],
    "soil": [(1, Tone((0.28, 0.55), (0.02, 0.07), (48, 78)))],
    "sand": [(3, Tone((0.65, 0.84), (0.03, 0.075), (68, 92))), (1, Tone((0.55, 0.68), (0.05, 0.1), (48, 68)))],
    "snow": [(1, Tone((0.92, 0.97), (0.0, 0.012), (220, 270)))],
    "water": [(2, Tone((0.25, 0.4), (0.01, 0.05), (170, 240))), (1, Tone((0.3, 0.42), (0.02, 0.04), (90, 150)))],
    "bark": [(3, Tone((0.28, 0.5), (0.01, 0.045), (45, 80))), (1, Tone((0.5, 0.75), (0.002, 0.02), (60, 110)))],
    "roof": [
        (3, Tone((0.38, 0.55), (0.06, 0.12), (32, 50))),
        (3, Tone((0.28, 0.48), (0.0, 0.02))),
        (1.5, Tone((0.35, 0.5), (0.02, 0.05), (40, 80))),
        (0.5, Tone((0.4, 0.55), (0.03, 0.06), (140, 200))),
    ],
    "skin": [(1, Tone((0.42, 0.8), (0.04, 0.075), (42, 64)))],
    "hair": [(1, Tone((0.2, 0.5), (0.01, 0.06), (45, 80)))],
    "car": [
        (3, WHITE),
        (3, BLACK),
        (4, GREY),
        (1.2, Tone((0.4, 0.52), (0.14, 0.2), (20, 32))),
        (1.2, Tone((0.3, 0.5), (0.05, 0.14), (245, 270))),
        (0.5, Tone((0.3, 0.45), (0.04, 0.08), (140, 170))),
        (0.4, VIVID),
        (0.5, EARTH),
    ],
    "glass": [(1, Tone((0.2, 0.36), (0.0, 0.025), (150, 260)))],
    "food": [
        (2, Tone((0.5, 0.62), (0.14, 0.21), (24, 36))),
        (2, Tone((0.7, 0.8), (0.13, 0.17), (55, 78))),
        (1.5, Tone((0.8, 0.88), (0.13, 0.17), (92, 106))),
        (2, Tone((0.55, 0.72), (0.1, 0.17), (116, 138))),
        (2, Tone((0.5, 0.75), (0.06, 0.1), (58, 78))),
        (0.7, Tone((0.28, 0.4), (0.06, 0.11), (330, 380))),
        (1, Tone((0.28, 0.4), (0.03, 0.06), (40, 70))),
        (1, CREAM),
    ],
    "print": [(2, VIVID), (2.5, MUTED), (2, DEEP), (1.5, PASTEL), (1.5, CREAM), (1, BLACK), (1, WHITE), (1.5, EARTH)],
    "warm": [(3, DEEP), (3, EARTH), (2, Tone((0.3, 0.5), (0.07, 0.14), (15, 45))), (2, CREAM), (1, MUTED)],
    "sky": [(1, Tone((0.65, 0.85), (0.02, 0.09), (225, 260))), (0.4, Tone((0.7, 0.88), (0.03, 0.1), (40, 90)))],
    "any": [(3, MUTED), (2, EARTH), (2, GREY), (1.5, VIVID), (1, DEEP), (1, PASTEL), (1, WHITE), (0.6, BLACK)],
    "dirt": [(3, Tone((0.25, 0.45), (0.01, 0.05), (50, 85))), (1, Tone((0.5, 0.7), (0.01, 0.03), (60, 95)))],
    "rust": [(1, Tone((0.35, 0.5), (0.07, 0.12), (40, 58)))],
    "moss": [(1, Tone((0.35, 0.5), (0.04, 0.09), (105, 135)))],
}
"""Tones by name with their weights: muted in nature, light on walls, saturated accents rare."""
