"""Sampling of light: suns and skies of all hours and weathers, and the packed rows that `lights` reads."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from marigold_scenes import layout, lights
from marigold_scenes.random_stream import RandomStream

Colour = np.ndarray


class Hour(NamedTuple):
    """A time of day with its weather: the ranges that its sun and sky are drawn from."""

    until: float
    """The share of scenes up to and with this one."""
    elevation: tuple[float, float]
    """Of the sun, in radians."""
    strength: tuple[float, float]
    """Of the sun; below 0.4 the sky is overcast."""
    blue: tuple[float, float]
    """How blue the sky is, 0 to 1."""


HOURS = (
    Hour(0.45, elevation=(0.45, 1.35), strength=(0.8, 1.3), blue=(0.5, 1.0)),
    Hour(0.65, elevation=(0.08, 0.35), strength=(0.5, 1.2), blue=(0.3, 0.9)),
    Hour(0.9, elevation=(0.3, 1.3), strength=(0.0, 0.3), blue=(0.0, 0.35)),
    Hour(1.0, elevation=(0.03, 0.12), strength=(0.0, 0.15), blue=(0.3, 1.0)),
)
"""Day, golden hour, overcast, dusk."""

WHITE_ZENITH, BLUE_ZENITH = np.array([0.75, 0.8, 0.9]), np.array([0.2, 0.42, 0.95])
WHITE_HORIZON, BLUE_HORIZON = np.array([0.95, 0.97, 1.0]), np.array([0.6, 0.75, 1.0])
DARK_HILLS = np.array([0.1, 0.14, 0.1])


@dataclass
class Light:
    """The light of one scene."""

    lights: np.ndarray
    """[LIGHTS, LIGHT_WIDTH]."""
    sky: np.ndarray
    """[SKY_WIDTH] seen behind everything."""
    dome: np.ndarray
    """[DOME_WIDTH] ambient light."""
    bounce: np.ndarray
    """[3] light on whatever stands near by, which it returns by its own colour."""


def colour(r: float, g: float, b: float) -> Colour:
    """An array of three."""
    return np.array([r, g, b])


def sun_colour(elevation: float, rng: RandomStream) -> Colour:
    """The tint of sunlight through air: white high up, orange to red near the horizon; `elevation` in radians."""
    air = 1 / (math.sin(max(elevation, 0.01)) + 0.12)
    tint = np.exp(-np.array([0.035, 0.085, 0.19]) * air * rng.uniform(0.7, 1.3))
    return tint / tint.max()


def directional(towards: np.ndarray, tint: Colour, radius: float) -> np.ndarray:
    """A light row for a far light in the unit direction `towards`; `radius` is the tangent of its angular radius."""
    row = np.zeros(lights.LIGHT_WIDTH)
    row[lights.PLACE], row[3], row[lights.COLOUR] = towards, radius, tint
    row[lights.DIRECTIONAL] = row[lights.USED] = 1
    return row


def area(place, u, v, tint: Colour, one_sided: bool = True) -> np.ndarray:
    """A light row for a rectangle with half-edges `u` and `v` that shines to the side of u x v; or for a point."""
    row = np.zeros(lights.LIGHT_WIDTH)
    row[lights.PLACE], row[lights.AXIS_U], row[lights.AXIS_V], row[lights.COLOUR] = place, u, v, tint
    row[lights.ONE_SIDED], row[lights.USED] = float(one_sided), 1
    return row


def rows(*used: np.ndarray) -> np.ndarray:
    """Lights as one array [LIGHTS, LIGHT_WIDTH]: the first place is for the directional one; unused rows are dark."""
    packed = np.zeros((lights.LIGHTS, lights.LIGHT_WIDTH))
    packed[:, 1] = 1.0
    packed[:, lights.DIRECTIONAL] = 1.0
    place = 1
    for row in used:
        if row[lights.DIRECTIONAL] > 0:
            packed[0] = row
        elif place < lights.LIGHTS:
            packed[place] = row
            place += 1
    return packed


def dome(zenith, horizon, nadir, lobe=(0.0, 0.0, 0.0), lobe_to=(0.0, 1.0, 0.0), power=4.0, rise=0.5) -> np.ndarray:
    """An ambient row."""
    row = np.zeros(lights.DOME_WIDTH)
    row[lights.ZENITH], row[lights.HORIZON], row[lights.NADIR] = zenith, horizon, nadir
    row[lights.LOBE], row[lights.LOBE_TO], row[lights.LOBE_POWER], row[lights.RISE] = lobe, lobe_to, power, rise
    return row


def mean_colour(material: np.ndarray) -> Colour:
    """Roughly the mean colour of a packed material."""
    return 0.6 * material[layout.COLOUR_A : layout.COLOUR_A + 3] + 0.4 * material[layout.COLOUR_B : layout.COLOUR_B + 3]


def direction(azimuth: float, elevation: float) -> np.ndarray:
    """The unit vector at these angles in radians; azimuth 0 is +x, pi/2 is +z."""
    c = math.cos(elevation)
    return np.array([c * math.cos(azimuth), math.sin(elevation), c * math.sin(azimuth)])


def outdoors(rng: RandomStream, ground: Colour) -> Light:
    """Any hour and weather: noon, golden hour, overcast, haze, dusk; `ground` is the mean colour of the ground."""
    draw = rng.random()
    azimuth = rng.uniform(0, 2 * math.pi)
    hour = next(hour for hour in HOURS if draw < hour.until)
    elevation, strength, blue = (rng.uniform(*span) for span in (hour.elevation, hour.strength, hour.blue))
    tint = sun_colour(elevation, rng)
    sun = strength * tint * math.sqrt(math.sin(elevation) + 0.2)
    towards = direction(azimuth, elevation)
    bright = rng.uniform(0.18, 0.42) if strength > 0.4 else rng.uniform(0.35, 0.7)
    zenith = bright * (WHITE_ZENITH * (1 - blue) + BLUE_ZENITH * blue)
    horizon = bright * (0.5 * (WHITE_HORIZON * (1 - 0.5 * blue) + BLUE_HORIZON * 0.5 * blue) + 0.6 * tint)
    # Light on level ground: the sky, and the sun by the sine of its elevation
    lit = zenith * 0.6 + horizon * 0.4 + sun * towards[1]
    nadir = ground * lit
    radius = 0.005 if rng.chance(0.4) else rng.log_uniform(0.005, 0.06)
    glow = 0.6 * strength * tint + 0.15 * bright
    sky = np.zeros(lights.SKY_WIDTH)
    sky[: lights.DOME_WIDTH] = dome(
        zenith, horizon, horizon * 0.7, glow, towards, rng.log_uniform(6, 80), rng.uniform(0.35, 0.7)
    )
    _clouds_and_haze(sky, rng, strength * tint + lit * 0.4, horizon)
    if rng.chance(0.6):
        _ridge(sky, rng, horizon, lit)
    around = dome(zenith, horizon * 0.9 + 0.1 * nadir, nadir, glow * 0.5, towards, 6.0, sky[lights.RISE][0])
    bounce = 0.8 * (lit * 0.5 + sun * 0.25)
    return Light(rows(directional(towards, sun, radius)), sky, around, bounce)


def _clouds_and_haze(sky: np.ndarray, rng: RandomStream, shining: Colour, horizon: Colour) -> None:
    sky[lights.CLOUD] = shining * rng.uniform(0.5, 0.9)
    sky[lights.COVER] = rng.uniform(0.2, 0.75) if rng.chance(0.75) else 0.0
    sky[lights.CLOUD_SIZE], sky[lights.CLOUD_EDGE] = rng.log_uniform(0.4, 2.0), rng.uniform(0.08, 0.4)
    sky[lights.PHASE] = rng.uniform(0, 1000)
    hazy = rng.chance(0.35)
    sky[lights.HAZE] = horizon * rng.uniform(0.8, 1.0)
    sky[lights.HAZE_DENSITY] = rng.log_uniform(0.004, 0.03) if hazy else rng.log_uniform(0.0003, 0.003)


def _ridge(sky: np.ndarray, rng: RandomStream, horizon: Colour, lit: Colour) -> None:
    """Far hills, bluer the further they are."""
    far = rng.uniform(0.3, 0.85)
    sky[lights.RIDGE] = far * horizon + (1 - far) * DARK_HILLS * lit
    sky[lights.RIDGE_HEIGHT], sky[lights.RIDGE_SIZE] = rng.log_uniform(0.03, 0.3), rng.log_uniform(1.5, 12)
