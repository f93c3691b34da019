"""The shell of a room: walls with openings, floor, ceiling, skirting, windows, doors, and the light that fills it."""

import math
from dataclasses import dataclass, field

from marigold_scenes import daylight
from marigold_scenes.assembly import Assembly, Panels
from marigold_scenes.daylight import Colour
from marigold_scenes.placement import Placement

THICK = 0.18
"""Metres of a wall."""
OUTSIDE = ("grass", "asphalt", "concrete", "soil", "paving", "snow")
"""What the ground outside a room may be."""


@dataclass(frozen=True)
class Opening:
    """A window or door of a wall, in metres."""

    x: float
    """Its middle along the wall."""
    sill: float
    """The height of its lower edge."""
    width: float
    height: float

    @property
    def left(self) -> float:
        """Its lower end along the wall."""
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        """The height of its upper edge."""
        return self.sill + self.height

    @property
    def is_door(self) -> bool:
        """Whether it reaches the floor."""
        return self.sill < 0.05

    def clear_of(self, x: float, distance: float) -> bool:
        """Whether a place along the wall is more than `distance` from its edges."""
        return abs(x - self.x) > self.width / 2 + distance


@dataclass
class Wall:
    """One wall: a placement on the floor at its middle, facing into the room, and its windows and doors."""

    at: Placement
    length: float
    openings: list[Opening] = field(default_factory=list)


@dataclass(frozen=True)
class Window:
    """A window and the placement of its wall."""

    at: Placement
    opening: Opening


@dataclass(frozen=True)
class Shell:
    """A room: its size, walls, the places where light comes in, and the mean colours of its surfaces."""

    width: float
    depth: float
    height: float
    walls: list[Wall]
    windows: list[Window]
    ceiling: Colour
    wall: Colour
    floor: Colour


def shell(parts: Assembly, width: float, depth: float, height: float) -> Shell:
    """Builds the room around the origin, floor at 0; material 0 must already be the ground outside."""
    rng = parts.rng
    floor, ceiling = parts.material("floor", "wood", "tile", "rug"), parts.material("ceiling")
    paint = parts.material("wall")
    walls = [
        Wall(Placement(0, 0, -depth / 2, 0.0), width),
        Wall(Placement(width / 2, 0, 0, -math.pi / 2), depth),
        Wall(Placement(0, 0, depth / 2, math.pi), width),
        Wall(Placement(-width / 2, 0, 0, math.pi / 2), depth),
    ]
    edge = 2 * THICK
    parts.box(Placement(), floor, (0, -0.1, 0), (width + edge, 0.1, depth + edge))
    if rng.chance(0.15):
        _beams(parts, width, depth, height)
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
    colours = (daylight.mean_colour(parts.materials[number]) for number in (ceiling, paint, floor))
    return Shell(width, depth, height, walls, windows, *colours)


def _beams(parts: Assembly, width: float, depth: float, height: float) -> None:
    pitch = parts.rng.uniform(0.5, 1.4)
    wood = parts.material("wood")
    for number in range(int(width / pitch)):
        at = Placement((number + 0.5) * pitch - width / 2)
        parts.box(at, wood, (0, height - 0.16, 0), (0.12, 0.16, depth))


def _wall(parts: Assembly, wall: Wall, material: int, height: float) -> None:
    """Boxes around the openings of a wall."""

    def fill(start: float, end: float, low: float, high: float) -> None:
        if end - start > 0.01 and high - low > 0.01:
            base, size = ((start + end) / 2, low, -THICK / 2), (end - start, high - low, THICK)
            parts.box(wall.at, material, base, size)

    x = -wall.length / 2 - THICK
    for opening in sorted(wall.openings, key=lambda opening: opening.left):
        right = opening.left + opening.width
        fill(x, opening.left, 0.0, height)
        fill(opening.left, right, 0.0, opening.sill)
        fill(opening.left, right, opening.top, height)
        x = right
    fill(x, wall.length / 2 + THICK, 0.0, height)


def _skirting(parts: Assembly, wall: Wall, material: int, height: float) -> None:
    """Boards along the foot of a wall, between its doors."""
    x = -wall.length / 2
    doors = sorted((opening.left, opening.width) for opening in wall.openings if opening.is_door)
    for left, width in [*doors, (wall.length / 2, 0.0)]:
        if left - x > 0.05:
            parts.box(wall.at, material, ((x + left) / 2, 0, 0.008), (left - x, height, 0.016))
        x = left + width


def _windows(parts: Assembly, walls: list[Wall], height: float) -> list[Window]:
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
            opening = Opening((number + 0.5 - count / 2) * pitch, sill, width, high)
            wall.openings.append(opening)
            found.append(Window(wall.at, opening))
            _sash(parts, wall.at, opening, rim)
            if style < 0.4:
                _curtains(parts, wall.at, opening, cloth, height)
            elif style < 0.55:
                drop = high * rng.uniform(0.15, 0.7)
                parts.box(wall.at, cloth, (opening.x, opening.top - drop, 0.02), (width + 0.08, drop, 0.015))
    return found


def _sash(parts: Assembly, at: Placement, window: Opening, rim: int) -> None:
    """The bars of a window, and the board of its sill."""
    rng = parts.rng
    bar = rng.uniform(0.03, 0.07)
    for side in (-0.5, 0.5):
        x = window.x + side * (window.width - bar)
        parts.box(at, rim, (x, window.sill, -0.08), (bar, window.height, 0.06))
    for y in (window.sill, window.top - bar):
        parts.box(at, rim, (window.x, y, -0.08), (window.width, bar, 0.06))
    if rng.chance(0.6):
        parts.box(at, rim, (window.x, window.sill, -0.08), (bar, window.height, 0.05))
    if rng.chance(0.4):
        y = window.sill + window.height * rng.uniform(0.3, 0.7)
        parts.box(at, rim, (window.x, y, -0.08), (window.width, bar * 0.8, 0.05))
    parts.box(at, rim, (window.x, window.sill - 0.04, 0.04), (window.width + 0.16, 0.04, 0.16))


def _curtains(parts: Assembly, at: Placement, window: Opening, cloth: int, ceiling: float) -> None:
    """Curtains as rows of upright folds on both sides, and their rod."""
    rng = parts.rng
    low, top = (0.03 if rng.chance(0.6) else window.sill - 0.15), min(window.top + 0.15, ceiling - 0.02)
    share = rng.uniform(0.14, 0.32)
    folds = max(2, round(window.width * share / 0.09))
    for side in (-1, 1):
        for fold in range(folds):
            x = window.x + side * (window.width / 2 + 0.1 - (fold + 0.5) * window.width * share / folds)
            size = (1.25 * window.width * share / folds, top - low, 0.09)
            parts.stand(at, "cylinder", cloth, (x, low, 0.09), size)
    left, right = (window.x - window.width / 2 - 0.2, top, 0.09), (window.x + window.width / 2 + 0.2, top, 0.09)
    parts.limb(at, cloth, left, right, 0.015)


def _door(parts: Assembly, wall: Wall, height: float) -> None:
    """A door in a free stretch of the wall, shut or half open."""
    rng = parts.rng
    width, high = rng.uniform(0.75, 0.95), min(rng.uniform(1.95, 2.1), height - 0.1)
    for _ in range(4):
        x = rng.uniform(-0.5, 0.5) * (wall.length - width - 0.3)
        if all(abs(x - other.x) > (other.width + width) / 2 + 0.15 for other in wall.openings):
            break
    else:
        return
    wall.openings.append(Opening(x, 0.0, width, high))
    leaf, rim = parts.material("wood", "wood", "wall", "plastic"), parts.material("wood", "wall")
    for side in (-1, 1):
        parts.box(wall.at, rim, (x + side * (width / 2 + 0.03), 0, 0.01), (0.07, high + 0.06, 0.03))
    parts.box(wall.at, rim, (x, high, 0.01), (width + 0.13, 0.07, 0.03))
    rows = rng.integer(1, 4)
    pitch, sunk = (width / 2, high / rows), (width / 2 - 0.12, high / rows - 0.14)
    panels = Panels(pitch, sunk, depth=0.015, lift=0.03, rows=rows, material=leaf, margin=0.0)
    ajar = rng.uniform(0.3, 1.6) if rng.chance(0.3) else 0.0
    hinge = wall.at.offset(x - width / 2, 0, -0.03, -ajar)
    size = (width, high, 0.045)
    parts.add(hinge, "box", leaf, (width / 2, high / 2, 0), size, panels=panels if rows > 1 else None)
    knob = parts.material("metal")
    parts.limb(hinge, knob, (width - 0.14, 1.0, 0.05), (width - 0.05, 1.0, 0.05), 0.012)
    if ajar:
        # What lies behind: a lit passage wall.
        parts.box(wall.at, parts.material("wall"), (x, -0.1, -1.6), (3.0, high + 0.8, 0.1))
        parts.box(wall.at, parts.material("floor"), (x, -0.1, -0.9), (3.0, 0.1, 1.4))
