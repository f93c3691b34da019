"""The light of a room: sun and sky through its windows, lamps under the ceiling, and all that the walls return."""

import math

import numpy as np

from marigold_scenes import daylight, lights
from marigold_scenes.assembly import Assembly
from marigold_scenes.daylight import Colour, Light, colour
from marigold_scenes.interior import Shell, Window
from marigold_scenes.placement import Placement

SKY_PARTS = (lights.ZENITH, lights.HORIZON, lights.NADIR, lights.LOBE, lights.CLOUD, lights.RIDGE)
"""What is dimmed or brightened when one looks out."""


class _Sources:
    """What shines into a room so far, and how bright that makes the room on the whole."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.level = 0.0
        self.lobe_to = colour(0.0, 1.0, 0.0)
        """Where the window is that the ambient light comes from."""
        self.glow = 0.0

    def tint(self) -> Colour:
        """The mean colour of all sources."""
        return np.mean([row[lights.COLOUR] / max(row[lights.COLOUR].max(), 1e-6) for row in self.rows], 0)


def illuminate(parts: Assembly, room: Shell) -> Light:
    """Light for a room, by day or by night."""
    rng = parts.rng
    outside = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))
    night = rng.chance(0.15)
    shine = 0.03 if night else rng.log_uniform(1.0, 4.0)
    sky_tint = outside.sky[lights.HORIZON] + outside.sky[lights.ZENITH]
    sky_tint = sky_tint / sky_tint.max()
    sources = _Sources()
    if room.windows and not night:
        _daylight(parts, room, sources, sky_tint)
    if night or not room.windows or rng.chance(0.4):
        share = 1.0 if night or not room.windows else rng.uniform(0.2, 1.0)
        sources.rows.append(_ceiling_lamp(parts, room, share))
        sources.level += 0.22 * share
    level = max(sources.level, 0.08) * rng.uniform(0.7, 1.4)
    tint = sources.tint()
    around = daylight.dome(
        zenith=tint * level * (0.3 + room.ceiling),
        horizon=tint * level * (0.25 + room.wall),
        nadir=tint * level * (0.2 + room.floor),
        lobe=sources.glow * sky_tint,
        lobe_to=sources.lobe_to,
        power=3.0,
        rise=0.8,
    )
    sky = outside.sky.copy()
    for part in SKY_PARTS:
        sky[part] *= shine
    sky[lights.HAZE_DENSITY] = 0.0
    return Light(daylight.rows(*sources.rows), sky, around, tint * level * 1.3)


def _daylight(parts: Assembly, room: Shell, sources: _Sources, tint: Colour) -> None:
    """Perhaps the sun, and the first and the last window as rectangles that shine."""
    rng = parts.rng
    if rng.chance(0.55):
        sources.rows.append(_sun_through(parts, room))
    for window in room.windows[:: max(1, len(room.windows) - 1)][:2]:
        strength = rng.uniform(0.7, 1.6) * window.opening.width * window.opening.height
        sources.rows.append(_window_light(window, 1.6 * strength * tint))
        at, x, y = window.at, window.opening.x, window.opening.sill + window.opening.height / 2
        near, far = at.offset(x, y, 0.05), at.offset(x, y, 1.0)
        inward = np.array([near.x - far.x, 0.1, near.z - far.z])
        sources.lobe_to, sources.glow = inward / np.linalg.norm(inward), 0.35 * min(strength, 2.0)
        sources.level += 0.10 * min(strength, 3.0)


def _window_light(window: Window, tint: Colour) -> np.ndarray:
    """A light row for the rectangle of a window."""
    at, opening = window.at, window.opening
    along = at.offset(1, 0, 0)
    u = 0.5 * opening.width * np.array([along.x - at.x, 0.0, along.z - at.z])
    place = at.point(opening.x, opening.sill + opening.height / 2, 0.05)
    return daylight.area(place, u, (0.0, 0.5 * opening.height, 0.0), tint)


def _sun_through(parts: Assembly, room: Shell) -> np.ndarray:
    """A low sun that reaches in through one of the windows."""
    rng = parts.rng
    at = rng.pick(room.windows).at
    elevation = rng.uniform(0.2, 0.9)
    azimuth = rng.uniform(-0.9, 0.9)
    out = at.offset(math.sin(azimuth), 0, -math.cos(azimuth))
    c = math.cos(elevation)
    towards = np.array([(out.x - at.x) * c, math.sin(elevation), (out.z - at.z) * c])
    strength = rng.uniform(0.8, 3.0)
    return daylight.directional(towards, strength * daylight.sun_colour(elevation, rng), rng.log_uniform(0.006, 0.03))


def _ceiling_lamp(parts: Assembly, room: Shell, share: float) -> np.ndarray:
    """A pendant, panel or bowl under the ceiling and the row of its light."""
    rng = parts.rng
    warm = rng.random()
    tint = colour(1.0, 0.62 + 0.38 * warm, 0.3 + 0.7 * warm)
    bright = parts.glowing(parts.material("lamp"), tuple(share * 2.5 * tint))
    at = Placement(rng.normal(0.12) * room.width, 0, rng.normal(0.12) * room.depth)
    drop = _pendant(parts, at, room.height, bright) if rng.chance(0.45) else _panel(parts, at, room.height, bright)
    half = rng.uniform(0.08, 0.3)
    strength = share * rng.uniform(1.2, 2.6) * max(1.0, 0.25 * room.width * room.depth / 3)
    return daylight.area((at.x, room.height - drop, at.z), (half, 0, 0), (0, 0, half), strength * tint)


def _pendant(parts: Assembly, at: Placement, ceiling: float, bright: int) -> float:
    """A lamp on a cord; returns how far below the ceiling it shines."""
    rng = parts.rng
    drop, width = rng.uniform(0.2, 0.9) if ceiling > 2.5 else 0.15, rng.uniform(0.2, 0.5)
    metal = parts.material("metal", "plastic", "fabric")
    parts.limb(at, metal, (0, ceiling - drop, 0), (0, ceiling, 0), 0.006)
    name = rng.pick(("shade", "dome", "sphere", "cone"))
    own = bright if name == "sphere" or rng.chance(0.4) else metal
    parts.stand(at, name, own, (0, ceiling - drop - 0.22, 0), (width, 0.22, width))
    return drop + 0.25


def _panel(parts: Assembly, at: Placement, ceiling: float, bright: int) -> float:
    """A flat lamp on the ceiling; returns how far below the ceiling it shines."""
    rng = parts.rng
    width = rng.uniform(0.25, 0.6)
    size = (width, 0.07, width * rng.pick((1.0, 1.0, 2.2)))
    parts.stand(at, rng.pick(("box", "cylinder")), bright, (0, ceiling - 0.07, 0), size)
    return 0.09
