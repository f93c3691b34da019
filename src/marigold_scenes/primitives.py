"""The primitive shapes by name: which kind of solid each is, and the numbers that give it its form.

Every shape fills the cube -1 to 1 of its own space, so that a size in metres is its bounding box.
`form(name, *numbers)` gives the kind's index in `shapes.KINDS` and the packed row that `shapes` reads.
"""

import math
from functools import lru_cache

from marigold_scenes.shapes import KINDS, PLANES, SHAPE_WIDTH

BOX, POLYTOPE, QUADRIC, LEAVES, ROUND = range(len(KINDS))
OPEN = -1e9

Plane = tuple[float, float, float, float]
"""A half-space n . x + d <= 0 as (nx, ny, nz, d)."""

TOP, BOTTOM = (0.0, 1.0, 0.0, -1.0), (0.0, -1.0, 0.0, -1.0)
SIDES_X = ((1.0, 0.0, 0.0, -1.0), (-1.0, 0.0, 0.0, -1.0))
SIDES_Z = ((0.0, 0.0, 1.0, -1.0), (0.0, 0.0, -1.0, -1.0))


@lru_cache(maxsize=4096)
def form(name: str, *numbers: float) -> tuple[int, tuple[float, ...]]:
    """The kind and packed row [SHAPE_WIDTH] of the shape called `name` with its own proportions."""
    kind, values = SHAPES[name](*numbers)
    return kind, (*values, *(0.0,) * (SHAPE_WIDTH - len(values)))


def _polytope(*planes: Plane) -> tuple[int, tuple[float, ...]]:
    spare = ((0.0, 0.0, 0.0, -1.0),) * (PLANES - len(planes))
    return POLYTOPE, tuple(number for plane in (*planes, *spare) for number in plane)


def _through(x0: float, y0: float, x1: float, y1: float) -> Plane:
    """The half-space left of the line from (x0, y0) to (x1, y1) seen from +z: the plane holds the z axis."""
    nx, ny = y1 - y0, x0 - x1
    length = math.hypot(nx, ny)
    return nx / length, ny / length, 0.0, -(nx * x0 + ny * y0) / length


def _turned(plane: Plane) -> Plane:
    return plane[2], plane[1], -plane[0], plane[3]


def _box() -> tuple[int, tuple[float, ...]]:
    return BOX, ()


def _ramp(top: float = 1.0) -> tuple[int, tuple[float, ...]]:
    """A wedge that rises towards +x up to `top`."""
    return _polytope(BOTTOM, SIDES_X[0], *SIDES_Z, _through(1.0, top, -1.0, -1.0))


def _gable(ridge: float = 0.0) -> tuple[int, tuple[float, ...]]:
    """A roof with its ridge along z, above x = `ridge`."""
    return _polytope(BOTTOM, *SIDES_Z, _through(1.0, -1.0, ridge, 1.0), _through(ridge, 1.0, -1.0, -1.0))


def _barn(eaves: float = 0.2) -> tuple[int, tuple[float, ...]]:
    """A house body: walls up to `eaves`, then a gable with its ridge along z."""
    roof = _through(1.0, eaves, 0.0, 1.0), _through(0.0, 1.0, -1.0, eaves)
    return _polytope(BOTTOM, *SIDES_X, *SIDES_Z, *roof)


def _hip(ridge: float = 0.5) -> tuple[int, tuple[float, ...]]:
    """A roof that slopes to all four sides, its ridge along z from -`ridge` to `ridge`; a pyramid at 0."""
    across = _through(1.0, -1.0, 0.0, 1.0), _through(0.0, 1.0, -1.0, -1.0)
    along = _through(1.0, -1.0, ridge, 1.0), _through(-ridge, 1.0, -1.0, -1.0)
    return _polytope(BOTTOM, *across, *(_turned(plane) for plane in along))


def _frustum(x: float = 0.6, z: float = 0.6) -> tuple[int, tuple[float, ...]]:
    """A box whose top is `x` and `z` times as wide as its base."""
    across = _through(1.0, -1.0, x, 1.0), _through(-x, 1.0, -1.0, -1.0)
    along = _through(1.0, -1.0, z, 1.0), _through(-z, 1.0, -1.0, -1.0)
    return _polytope(BOTTOM, TOP, *across, *(_turned(plane) for plane in along))


def _cabin(front: float = 0.5, back: float = 0.3, side: float = 0.8) -> tuple[int, tuple[float, ...]]:
    """The upper part of a car: slopes towards +x over `front`, towards -x over `back`, both sides over `side`."""
    across = _through(1.0, -1.0, 1.0 - front, 1.0), _through(-1.0 + back, 1.0, -1.0, -1.0)
    along = _through(1.0, -1.0, side, 1.0), _through(-side, 1.0, -1.0, -1.0)
    return _polytope(BOTTOM, TOP, *across, *(_turned(plane) for plane in along))


def _prism(sides: float = 6.0, top: float = 1.0) -> tuple[int, tuple[float, ...]]:
    """A regular prism of 3 to 6 sides along y, whose top is `top` times as wide."""
    inner = math.cos(math.pi / sides)
    lean = inner * (1 - top) / 2
    faces = []
    for side in range(int(sides)):
        angle = 2 * math.pi * (side + 0.5) / sides
        faces.append((math.cos(angle), lean, math.sin(angle), -inner + lean))
    return _polytope(BOTTOM, TOP, *faces)


def _tetrahedron() -> tuple[int, tuple[float, ...]]:
    signs = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
    return _polytope(*((-x, -y, -z, -1.0) for x, y, z in signs))


def _octahedron() -> tuple[int, tuple[float, ...]]:
    return _polytope(*((x, y, z, -1.0) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)))


def _stone(*tilts: float) -> tuple[int, tuple[float, ...]]:
    """An irregular block: each face of a small cube tilted by two of the 16 numbers in -1 to 1, two corners cut off."""
    tilts = (*tilts, *(0.0,) * (16 - len(tilts)))
    faces = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            a, b = tilts[2 * len(faces) : 2 * len(faces) + 2]
            normal = [0.3 * a, 0.3 * b, 0.3 * a * b]
            normal[axis] = sign
            faces.append((*normal, -0.62))
    cuts = ((1.0, 0.9, 0.4 * tilts[12], -0.8 - 0.15 * tilts[13]), (-0.8, 1.0, 0.7 * tilts[14], -0.8 - 0.15 * tilts[15]))
    return _polytope(*faces, *cuts)


def _surface(c0: float, c1: float, c2: float, low: float = OPEN, high: float = OPEN) -> tuple[int, tuple[float, ...]]:
    return QUADRIC, (c0, c1, c2, low, high)


def _sphere() -> tuple[int, tuple[float, ...]]:
    return _surface(1.0, 0.0, -1.0)


def _dome() -> tuple[int, tuple[float, ...]]:
    """The upper half of a sphere, with its flat base closed."""
    return _surface(0.75, -0.5, -0.25, 0.0)


def _bowl(depth: float = 1.0) -> tuple[int, tuple[float, ...]]:
    """The lower half of a sphere, open above; `depth` 0 gives a cone instead of a sphere."""
    return _surface(0.25 + 0.5 * depth, 0.5, 0.25 - 0.5 * depth)


def _cylinder() -> tuple[int, tuple[float, ...]]:
    return _surface(1.0, 0.0, 0.0, 0.0, 0.0)


def _tube() -> tuple[int, tuple[float, ...]]:
    return _surface(1.0, 0.0, 0.0)


def _tapered(low: float, high: float, low_cap: float, high_cap: float) -> tuple[int, tuple[float, ...]]:
    middle, lean = (low + high) / 2, (high - low) / 2
    return _surface(middle * middle, 2 * middle * lean, lean * lean, low_cap, high_cap)


def _cone(top: float = 0.0) -> tuple[int, tuple[float, ...]]:
    """A cone cut at `top` times its base radius."""
    return _tapered(1.0, top, 0.0, 0.0)


def _shade(top: float = 0.6) -> tuple[int, tuple[float, ...]]:
    """A lampshade: a cut cone open at both ends."""
    return _tapered(1.0, top, OPEN, OPEN)


def _cup(base: float = 0.7) -> tuple[int, tuple[float, ...]]:
    """A vessel that widens from `base` to 1, closed below and open above."""
    return _tapered(base, 1.0, 0.0, OPEN)


def _paraboloid() -> tuple[int, tuple[float, ...]]:
    """A deep round vessel, open above."""
    return _surface(0.5, 0.5, 0.0)


def _barrel(end: float = 0.75) -> tuple[int, tuple[float, ...]]:
    """Widest in the middle, `end` times as wide at both closed ends."""
    return _surface(1.0, 0.0, end * end - 1, 0.0, 0.0)


def _vase(waist: float = 0.6, closed: bool = False) -> tuple[int, tuple[float, ...]]:
    """A hyperboloid with a waist; open above unless `closed`."""
    return _surface(waist * waist, 0.0, 1 - waist * waist, 0.0, 0.0 if closed else OPEN)


def _urn(base: float = 0.5, mouth: float = 0.4, closed: bool = False) -> tuple[int, tuple[float, ...]]:
    """A belly of radius 1 between a `base` and a `mouth`."""
    low, high = base * base, mouth * mouth
    # A parabola in y through both ends whose greatest value is 1.
    c1 = (high - low) / 2
    middle = (low + high) / 2
    c0 = (1 + middle + math.sqrt(max((1 - middle) ** 2 - c1 * c1, 0.0))) / 2
    return _surface(c0, c1, middle - c0, 0.0, 0.0 if closed else OPEN)


def _leaves(frequency: float = 9.0, threshold: float = 0.2, phase: float = 0.0) -> tuple[int, tuple[float, ...]]:
    return LEAVES, (frequency, threshold, phase)


SHAPES = {
    "box": _box,
    "ramp": _ramp,
    "gable": _gable,
    "barn": _barn,
    "hip": _hip,
    "frustum": _frustum,
    "cabin": _cabin,
    "prism": _prism,
    "tetrahedron": _tetrahedron,
    "octahedron": _octahedron,
    "stone": _stone,
    "sphere": _sphere,
    "dome": _dome,
    "bowl": _bowl,
    "cylinder": _cylinder,
    "tube": _tube,
    "cone": _cone,
    "shade": _shade,
    "cup": _cup,
    "paraboloid": _paraboloid,
    "barrel": _barrel,
    "vase": _vase,
    "urn": _urn,
    "leaves": _leaves,
}
"""Shapes by name; `rounded` and `torus` depend on their size in metres, see `round_form`."""


def round_form(
    name: str, half: tuple[float, float, float], numbers: tuple[float, ...], scale: float
) -> tuple[float, ...]:
    """The packed row of a `rounded` box or a `torus` of half size `half` in metres; `numbers` are before the scale."""
    width, height, depth = half
    if name == "torus":
        # A ring lies flat: its height is the thickness of the tube.
        tube = min(height, 0.49 * min(width, depth))
        ring = min(width, depth) - tube
        values = (ring, 0.0, ring, tube, ring)
    else:
        radius = min((numbers[0] if numbers else 0.1) * scale, 0.98 * min(half))
        values = (width - radius, height - radius, depth - radius, radius, 0.0)
    return (*values, *(0.0,) * (SHAPE_WIDTH - len(values)))
