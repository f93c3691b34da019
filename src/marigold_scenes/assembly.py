"""Putting a scene together: the list of solids and materials that composites add to.

Plain Python numbers while a scene is assembled, NumPy arrays once it is complete: a scene of two hundred solids takes a
few milliseconds.
"""

import math
from typing import NamedTuple

import numpy as np

from marigold_scenes import layout, materials
from marigold_scenes.placement import Placement, Vector, rotations
from marigold_scenes.primitives import ROUND, form, round_form
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import SHAPE_WIDTH

UPRIGHT = (0.0, 0.0, 0.0)


class Panels(NamedTuple):
    """Rectangular recesses in a grid on the upright faces of a box: windows, shelves, coffers. All in metres."""

    pitch: tuple[float, float]
    """From one recess to the next, across and up."""
    size: tuple[float, float]
    """Width and height of a recess."""
    depth: float
    lift: float
    """Height of the lowest row above the foot of the box."""
    rows: int
    material: int
    """What the back of a recess is made of."""
    margin: float = 0.15
    """What stays free at both ends of a face."""

    def packed(self, scale: float) -> tuple[float, ...]:
        """The row [SHAPE_WIDTH] that `hits` reads, at this size factor."""
        lengths = (*self.pitch, *self.size, self.depth, self.lift)
        numbers = (*(scale * length for length in lengths), self.rows, scale * self.margin)
        return (*numbers, *(0.0,) * (SHAPE_WIDTH - len(numbers)))


class Solid(NamedTuple):
    """One solid while a scene is assembled."""

    kind: int
    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float
    half_width: float
    half_height: float
    half_depth: float
    material: int
    panel_material: int


class PlacedSolids(NamedTuple):
    """The solids of one complete scene, sorted by kind."""

    kind: np.ndarray
    """[N] index into `shapes.KINDS`."""
    centre: np.ndarray
    """[N, 3] metres."""
    rotation: np.ndarray
    """[N, 3, 3] rigid, local axes in columns."""
    half: np.ndarray
    """[N, 3] half the size along the local axes, metres."""
    shape: np.ndarray
    """[N, SHAPE_WIDTH]."""
    material: np.ndarray
    """[N, 2]: of the solid and of its panels."""
    shift: np.ndarray
    """[N, 3] metres added to local positions where textures are looked up."""


class Disc(NamedTuple):
    """A part of the ground that something stands on."""

    x: float
    z: float
    radius: float

    def overlaps(self, other: "Disc") -> bool:
        """Whether two discs share any ground."""
        return (self.x - other.x) ** 2 + (self.z - other.z) ** 2 < (self.radius + other.radius) ** 2


class Assembly:
    """The solids and materials of a scene in the making."""

    def __init__(self, rng: RandomStream) -> None:
        self.rng = rng
        self.materials: list[np.ndarray] = []
        self._solids: list[Solid] = []
        self._shapes: list[tuple[float, ...]] = []
        self._known: dict[tuple[str, ...], list[int]] = {}
        self._taken: list[Disc] = []

    def material(self, *roles: str) -> int:
        """The number of a material for one of these roles: a fresh one, or one that the scene has for them already."""
        known = self._known.setdefault(roles, [])
        if known and self.rng.random() > 1.5 / (len(known) + 1.2):
            return self.rng.pick(known)
        known.append(self._keep(materials.sample(self.rng.generator, self.rng.pick(roles))))
        return known[-1]

    def glowing(self, material: int, radiance: Vector) -> int:
        """The number of a copy of a material that shines."""
        row = self.materials[material].copy()
        row[layout.GLOW : layout.GLOW + 3] = radiance
        return self._keep(row)

    def recoloured(self, material: int, colour: Vector) -> int:
        """The number of a copy of a material in one colour."""
        row = self.materials[material].copy()
        for start in layout.COLOURS:
            row[start : start + 3] = colour
        return self._keep(row)

    def _keep(self, row: np.ndarray) -> int:
        self.materials.append(row)
        return len(self.materials) - 1

    def add(
        self,
        at: Placement,
        name: str,
        material: int,
        position: Vector,
        size: Vector,
        turn: Vector = UPRIGHT,
        numbers: tuple[float, ...] = (),
        panels: Panels | None = None,
    ) -> None:
        """Adds a shape with its *centre* at `position`.

        `size` is width (x), height (y), depth (z) in metres before the placement's scale; `turn` is yaw, pitch, roll.
        For `rounded` the one number is the radius of the edges, for `torus` that of the ring's tube.
        """
        width, height, depth = (max(0.5 * at.scale * extent, 1e-3) for extent in size)
        if name in ("rounded", "torus"):
            kind, shape = ROUND, round_form(name, (width, height, depth), numbers, at.scale)
        else:
            kind, shape = form(name, *numbers)
        inner = material
        if panels is not None:
            shape, inner = panels.packed(at.scale), panels.material
        x, y, z = at.point(*position)
        yaw, pitch, roll = turn
        solid = Solid(kind, x, y, z, at.yaw + yaw, pitch, roll, width, height, depth, material, inner)
        self._solids.append(solid)
        self._shapes.append(shape)

    def box(self, at: Placement, material: int, base: Vector, size: Vector) -> None:
        """Adds an upright box that *stands* on `base`, the middle of its lower face."""
        self.stand(at, "box", material, base, size)

    def stand(
        self,
        at: Placement,
        name: str,
        material: int,
        base: Vector,
        size: Vector,
        numbers: tuple[float, ...] = (),
        yaw: float = 0.0,
    ) -> None:
        """Adds an upright shape that *stands* on `base`."""
        x, y, z = base
        self.add(at, name, material, (x, y + size[1] / 2, z), size, (yaw, 0.0, 0.0), numbers)

    def rounded(
        self, at: Placement, material: int, position: Vector, size: Vector, radius: float, turn: Vector = UPRIGHT
    ) -> None:
        """Adds a box with rounded edges whose *centre* is at `position`."""
        self.add(at, "rounded", material, position, size, turn, (radius,))

    def post(self, at: Placement, material: int, base: Vector, radius: float, height: float) -> None:
        """Adds an upright cylinder that stands on `base`."""
        self.stand(at, "cylinder", material, base, (2 * radius, height, 2 * radius))

    def limb(self, at: Placement, material: int, start: Vector, end: Vector, radius: float, taper: float = 1.0) -> None:
        """Adds a rod whose axis runs from `start` to `end` and that narrows to `taper`."""
        dx, dy, dz = (b - a for a, b in zip(start, end, strict=True))
        length = max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-4)
        x, y, z = (0.5 * (a + b) for a, b in zip(start, end, strict=True))
        turn = (math.atan2(dx, dz), math.acos(max(-1.0, min(1.0, dy / length))), 0.0)
        name, numbers = ("cylinder", ()) if taper == 1.0 else ("cone", (round(taper, 2),))
        self.add(at, name, material, (x, y, z), (2 * radius, length, 2 * radius), turn, numbers)

    def count(self) -> int:
        """How many solids there are; `moved` and `dropped` take such a number."""
        return len(self._solids)

    def moved(self, since: int, to: Placement) -> None:
        """Moves the solids added since then, built around the origin, to a placement of scale 1."""
        for number, solid in enumerate(self._solids[since:], since):
            x, y, z = to.point(solid.x, solid.y, solid.z)
            self._solids[number] = solid._replace(x=x, y=y, z=z, yaw=solid.yaw + to.yaw)

    def dropped(self, since: int) -> None:
        """Takes the solids added since then away again."""
        del self._solids[since:], self._shapes[since:]

    def claim(self, x: float, z: float, radius: float) -> bool:
        """Reserves a disc of the ground; false, and nothing reserved, when it overlaps one that is taken."""
        wanted = Disc(x, z, radius)
        if any(wanted.overlaps(taken) for taken in self._taken):
            return False
        self._taken.append(wanted)
        return True

    def finish(self) -> PlacedSolids:
        """The arrays of all solids, sorted by kind."""
        # [N, 12] in the order of `Solid`
        table = np.array(self._solids, dtype=np.float64).reshape(-1, len(Solid._fields))
        order = np.argsort(table[:, 0], kind="stable")
        kind, x, y, z, yaw, pitch, roll, width, height, depth, material, panel = table[order].T
        return PlacedSolids(
            kind=kind.astype(np.int64),
            centre=np.stack((x, y, z), 1),
            rotation=rotations(yaw, pitch, roll),
            half=np.stack((width, height, depth), 1),
            shape=np.array(self._shapes, dtype=np.float32).reshape(-1, SHAPE_WIDTH)[order],
            material=np.stack((material, panel), 1).astype(np.int64),
            shift=self.rng.generator.uniform(-20, 20, (len(table), 3)),
        )
