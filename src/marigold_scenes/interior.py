"""The shell of a room: walls with openings, floor, ceiling, skirting, windows, doors, and the light that fills it."""

import math
from dataclasses import dataclass

import numpy as np

from marigold_scenes import daylight, lights
from marigold_scenes.assembly import Assembly, Panels
from marigold_scenes.daylight import Light, colour
from marigold_scenes.placement import Placement

THICK = 0.18
OUTSIDE = ("grass", "asphalt", "concrete", "soil", "paving", "snow")


@dataclass
class Wall:
    """One wall: a at on the floor at its middle, facing into the room, and its free stretches."""

    at: Placement
    length: float
    openings: list[tuple[float, float, float, float]]
    """x, height of the sill, width, height of every window and door."""


@dataclass
class Shell:
    """A room: its size, walls and the places where light comes in."""

    width: float
    depth: float
    height: float
    walls: list[Wall]
    windows: list[tuple[Placement, float, float, float, float]]
    """Wall at, x, centre height, width, height."""
    tones: tuple[np.ndarray, np.ndarray, np.ndarray]
    """Mean colours of ceiling, walls and floor."""


def shell(parts: Assembly, width: float, depth: float, height: float) -> Shell:
    """Builds the room around the origin, floor at 0; material 0 must already be the ground outside."""
    rng = parts.rng
    floor, ceiling = parts.material("floor", "wood", "tile", "rug"), parts.material("ceiling")
    paint = parts.material("wall")
    walls = [
        Wall(Placement(0, 0, -depth / 2, 0.0), width, []),
        Wall(Placement(width / 2, 0, 0, -math.pi / 2), depth, []),
        Wall(Placement(0, 0, depth / 2, math.pi), width, []),
        Wall(Placement(-width / 2, 0, 0, math.pi / 2), depth, []),
    ]
    edge = 2 * THICK
    parts.box(Placement(), floor, (0, -0.1, 0), (width + edge, 0.1, depth + edge))
    if rng.chance(0.15):
        grid = rng.uniform(0.5, 1.4)
        beam = parts.material("wood")
        for number in range(int(width / grid)):
            parts.box(Placement((number + 0.5) * grid - width / 2), beam, (0, height - 0.16, 0), (0.12, 0.16, depth))
    parts.box(Placement(), ceiling, (0, height, 0), (width + edge, 0.1, depth + edge))
    windows = _windows(parts, walls, height)
    for wall in rng.pick((walls[:1], walls[1:2], walls[2:3], walls[1:4:2])):
        _door(parts, wall, height)
    accent, trim = parts.material("wall", "brick", "wood", "wall"), parts.material("wall", "wood", "plastic")
    for number, wall in enumerate(walls):
        own = accent if number == 0 and rng.chance(0.35) else paint
        _wall(parts, wall, own, height)
        if rng.chance(0.75):
            _skirting(parts, wall, trim, rng.uniform(0.06, 0.14))
    above, around, below = (daylight.mean_colour(parts.materials[number]) for number in (ceiling, paint, floor))
    return Shell(width, depth, height, walls, windows, (above, around, below))


def _wall(parts: Assembly, wall: Wall, material: int, height: float) -> None:
    """Boxes around the openings of a wall."""
    x, end = -wall.length / 2 - THICK, wall.length / 2 + THICK
    for left, sill, width, high in sorted((o[0] - o[2] / 2, *o[1:]) for o in wall.openings):
        _slab(parts, wall.at, material, x, left, 0.0, height)
        _slab(parts, wall.at, material, left, left + width, 0.0, sill)
        _slab(parts, wall.at, material, left, left + width, sill + high, height)
        x = left + width
    _slab(parts, wall.at, material, x, end, 0.0, height)


def _slab(parts: Assembly, at: Placement, material: int, x0: float, x1: float, y0: float, y1: float) -> None:
    if x1 - x0 > 0.01 and y1 - y0 > 0.01:
        parts.box(at, material, ((x0 + x1) / 2, y0, -THICK / 2), (x1 - x0, y1 - y0, THICK))


def _skirting(parts: Assembly, wall: Wall, material: int, height: float) -> None:
    x = -wall.length / 2
    doors = sorted((o[0] - o[2] / 2, o[2]) for o in wall.openings if o[1] < 0.05)
    for left, width in [*doors, (wall.length / 2, 0.0)]:
        if left - x > 0.05:
            parts.box(wall.at, material, ((x + left) / 2, 0, 0.008), (left - x, height, 0.016))
        x = left + width


def _windows(parts: Assembly, walls: list[Wall], height: float) -> list[tuple[Placement, float, float, float, float]]:
    """One to four windows on one or two walls, with bars, sill, and curtains or blinds."""
    rng = parts.rng
    found = []
    rim, cloth = parts.material("wood", "plastic", "metal"), parts.material("fabric")
    sill = rng.uniform(0.4, 1.0) if rng.chance(0.8) else 0.06
    high = min(rng.uniform(1.0, 1.7), height - sill - 0.25)
    style = rng.random()
    for wall in [rng.pick(walls)] if rng.chance(0.65) else [walls[0], walls[1 if rng.chance(0.5) else 3]]:
        count = rng.integer(1, max(1, min(3, int(wall.length / 1.9))))
        pitch = wall.length / count
        width = min(rng.uniform(0.7, 2.2), pitch - 0.5)
        if width < 0.4:
            continue
        for number in range(count):
            x = (number + 0.5 - count / 2) * pitch
            wall.openings.append((x, sill, width, high))
            found.append((wall.at, x, sill + high / 2, width, high))
            _sash(parts, wall.at, rim, x, sill, width, high)
            if style < 0.4:
                _curtains(parts, wall.at, cloth, x, sill, width, high, height)
            elif style < 0.55:
                drop = high * rng.uniform(0.15, 0.7)
                parts.box(wall.at, cloth, (x, sill + high - drop, 0.02), (width + 0.08, drop, 0.015))
    return found


def _sash(parts: Assembly, at: Placement, rim: int, x: float, sill: float, width: float, high: float) -> None:
    rng = parts.rng
    bar = rng.uniform(0.03, 0.07)
    for side in (-0.5, 0.5):
        parts.box(at, rim, (x + side * (width - bar), sill, -0.08), (bar, high, 0.06))
    for y in (sill, sill + high - bar):
        parts.box(at, rim, (x, y, -0.08), (width, bar, 0.06))
    if rng.chance(0.6):
        parts.box(at, rim, (x, sill, -0.08), (bar, high, 0.05))
    if rng.chance(0.4):
        parts.box(at, rim, (x, sill + high * rng.uniform(0.3, 0.7), -0.08), (width, bar * 0.8, 0.05))
    parts.box(at, rim, (x, sill - 0.04, 0.04), (width + 0.16, 0.04, 0.16))


def _curtains(
    parts: Assembly, at: Placement, cloth: int, x: float, sill: float, width: float, high: float, height: float
) -> None:
    rng = parts.rng
    low, top = (0.03 if rng.chance(0.6) else sill - 0.15), min(sill + high + 0.15, height - 0.02)
    share = rng.uniform(0.14, 0.32)
    folds = max(2, round(width * share / 0.09))
    for side in (-1, 1):
        for fold in range(folds):
            centre = x + side * (width / 2 + 0.1 - (fold + 0.5) * width * share / folds)
            size = (1.25 * width * share / folds, top - low, 0.09)
            parts.stand(at, "cylinder", cloth, (centre, low, 0.09), size)
    parts.limb(at, cloth, (x - width / 2 - 0.2, top, 0.09), (x + width / 2 + 0.2, top, 0.09), 0.015)


def _door(parts: Assembly, wall: Wall, height: float) -> None:
    """A door in a free stretch of the wall, shut or half open."""
    rng = parts.rng
    width, high = rng.uniform(0.75, 0.95), min(rng.uniform(1.95, 2.1), height - 0.1)
    for _ in range(4):
        x = rng.uniform(-0.5, 0.5) * (wall.length - width - 0.3)
        if all(abs(x - o[0]) > (o[2] + width) / 2 + 0.15 for o in wall.openings):
            break
    else:
        return
    parts.composite("door")
    wall.openings.append((x, 0.0, width, high))
    leaf, rim = parts.material("wood", "wood", "wall", "plastic"), parts.material("wood", "wall")
    for side in (-1, 1):
        parts.box(wall.at, rim, (x + side * (width / 2 + 0.03), 0, 0.01), (0.07, high + 0.06, 0.03))
    parts.box(wall.at, rim, (x, high, 0.01), (width + 0.13, 0.07, 0.03))
    rows = rng.integer(1, 4)
    sunk = Panels(
        (width / 2, high / rows),
        (width / 2 - 0.12, high / rows - 0.14),
        depth=0.015,
        lift=0.03,
        rows=rows,
        material=leaf,
        margin=0.0,
    )
    ajar = rng.uniform(0.3, 1.6) if rng.chance(0.3) else 0.0
    hinge = wall.at.offset(x - width / 2, 0, -0.03, -ajar)
    parts.add(hinge, "box", leaf, (width / 2, high / 2, 0), (width, high, 0.045), panels=sunk if rows > 1 else None)
    knob = parts.material("metal")
    parts.limb(hinge, knob, (width - 0.14, 1.0, 0.05), (width - 0.05, 1.0, 0.05), 0.012)
    if ajar:
        # What lies behind: a lit passage wall.
        parts.box(wall.at, parts.material("wall"), (x, -0.1, -1.6), (3.0, high + 0.8, 0.1))
        parts.box(wall.at, parts.material("floor"), (x, -0.1, -0.9), (3.0, 0.1, 1.4))


def illuminate(parts: Assembly, room: Shell) -> Light:
    """Light for a room: sun and sky through its windows, lamps under the ceiling, and all that the walls return."""
    rng = parts.rng
    outside = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]), ridge=True)
    night = rng.chance(0.15)
    shine = 0.03 if night else rng.log_uniform(1.0, 4.0)
    used, level = [], 0.0
    sky_tint = outside.sky[lights.HORIZON] + outside.sky[lights.ZENITH]
    sky_tint = sky_tint / sky_tint.max()
    lobe_to = colour(0.0, 1.0, 0.0)
    glow = 0.0
    if room.windows and not night:
        if rng.chance(0.55):
            used.append(_sun_through(parts, room))
        for at, x, y, width, high in room.windows[:: max(1, len(room.windows) - 1)][:2]:
            spot = at.offset(x, y, 0.05)
            place = (spot.x, spot.y, spot.z)
            along = at.offset(1, 0, 0)
            u = 0.5 * width * np.array([along.x - at.x, 0.0, along.z - at.z])
            strength = rng.uniform(0.7, 1.6) * width * high
            used.append(daylight.area(place, u, (0.0, 0.5 * high, 0.0), 1.6 * strength * sky_tint))
            inward = np.array([spot.x - at.offset(x, y, 1.0).x, 0.1, spot.z - at.offset(x, y, 1.0).z])
            lobe_to, glow = inward / np.linalg.norm(inward), 0.35 * min(strength, 2.0)
            level += 0.10 * min(strength, 3.0)
    if night or not room.windows or rng.chance(0.4):
        row, share = _ceiling_lamp(parts, room, 1.0 if night or not room.windows else rng.uniform(0.2, 1.0))
        used.append(row)
        level += 0.22 * share
    level = max(level, 0.08) * rng.uniform(0.7, 1.4)
    tint = np.mean([row[lights.COLOUR] / max(row[lights.COLOUR].max(), 1e-6) for row in used], 0)
    ceiling, wall, floor = room.tones
    around = daylight.dome(
        tint * level * (0.3 + ceiling),
        tint * level * (0.25 + wall),
        tint * level * (0.2 + floor),
        glow * sky_tint,
        lobe_to,
        3.0,
        0.8,
    )
    sky = outside.sky.copy()
    for part in (lights.ZENITH, lights.HORIZON, lights.NADIR, lights.LOBE, lights.CLOUD, lights.RIDGE):
        sky[part] *= shine
    sky[lights.HAZE_DENSITY] = 0.0
    return Light(daylight.rows(*used), sky, around, tint * level * 1.3)


def _sun_through(parts: Assembly, room: Shell) -> np.ndarray:
    """A low sun that reaches in through one of the windows."""
    rng = parts.rng
    at = rng.pick(room.windows)[0]
    elevation = rng.uniform(0.2, 0.9)
    azimuth = rng.uniform(-0.9, 0.9)
    out = at.offset(math.sin(azimuth), 0, -math.cos(azimuth))
    c = math.cos(elevation)
    towards = np.array([(out.x - at.x) * c, math.sin(elevation), (out.z - at.z) * c])
    return daylight.directional(
        towards, rng.uniform(0.8, 3.0) * daylight.sun_colour(elevation, rng), rng.log_uniform(0.006, 0.03)
    )


def _ceiling_lamp(parts: Assembly, room: Shell, share: float) -> tuple[np.ndarray, float]:
    """A pendant, panel or bowl under the ceiling and its light."""
    parts.composite("ceiling lamp")
    rng = parts.rng
    warm = rng.random()
    tint = colour(1.0, 0.62 + 0.38 * warm, 0.3 + 0.7 * warm)
    bright = parts.glowing(parts.material("lamp"), tuple(share * 2.5 * tint))
    x, z = rng.normal(0.12) * room.width, rng.normal(0.12) * room.depth
    drop = 0.0
    if rng.chance(0.45):
        drop, width = rng.uniform(0.2, 0.9) if room.height > 2.5 else 0.15, rng.uniform(0.2, 0.5)
        metal = parts.material("metal", "plastic", "fabric")
        parts.limb(Placement(x, 0, z), metal, (0, room.height - drop, 0), (0, room.height, 0), 0.006)
        name = rng.pick(("shade", "dome", "sphere", "cone"))
        own = bright if name == "sphere" or rng.chance(0.4) else metal
        parts.stand(Placement(x, 0, z), name, own, (0, room.height - drop - 0.22, 0), (width, 0.22, width))
        drop += 0.25
    else:
        width = rng.uniform(0.25, 0.6)
        size = (width, 0.07, width * rng.pick((1.0, 1.0, 2.2)))
        parts.stand(Placement(x, 0, z), rng.pick(("box", "cylinder")), bright, (0, room.height - 0.07, 0), size)
        drop = 0.09
    half = rng.uniform(0.08, 0.3)
    strength = share * rng.uniform(1.2, 2.6) * max(1.0, 0.25 * room.width * room.depth / 3)
    place = (x, room.height - drop, z)
    return daylight.area(place, (half, 0, 0), (0, 0, half), strength * tint), share
