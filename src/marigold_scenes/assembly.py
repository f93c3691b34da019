"""Putting a scene together: dice, frames of reference, and the list of solids that composites add to.

Plain Python numbers while a scene is assembled, NumPy arrays once it is complete: a scene of two hundred solids takes a
few milliseconds.
"""

import math
import random
from typing import NamedTuple

import numpy as np

from marigold_scenes import layout, materials
from marigold_scenes.shapes import KINDS, SHAPE_WIDTH
from marigold_scenes.solids import ROUND, form


class Dice:
    """Random draws of one scene: fast scalar draws, and a NumPy generator for packed rows."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.random = random.Random(seed ^ 0x5EED).random

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        return low + (high - low) * self.random()

    def log(self, low: float, high: float) -> float:
        """A number between `low` and `high`, evenly spread over its logarithm."""
        return low * (high / low) ** self.random()

    def normal(self, spread: float) -> float:
        """A bell-shaped number around 0, never beyond three times `spread`."""
        return spread * 2 * (self.random() + self.random() + self.random() - 1.5)

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.random() < share

    def whole(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, options):
        """One of a sequence."""
        return options[int(self.random() * len(options))]


class Frame(NamedTuple):
    """A place to build at: position, turn about the vertical, and size factor; y is up."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0
    scale: float = 1.0

    def at(self, x: float, y: float, z: float, yaw: float = 0.0, scale: float = 1.0) -> "Frame":
        """A frame inside this one."""
        c, s = math.cos(self.yaw) * self.scale, math.sin(self.yaw) * self.scale
        return Frame(
            self.x + c * x + s * z,
            self.y + y * self.scale,
            self.z - s * x + c * z,
            self.yaw + yaw,
            self.scale * scale,
        )


class Panels(NamedTuple):
    """Rectangular recesses in a grid on the upright faces of a box: windows, shelves, coffers. All in metres."""

    column: float
    row: float
    width: float
    height: float
    depth: float
    lift: float
    rows: int
    material: int
    margin: float = 0.15


class Solids(NamedTuple):
    """The solids of one scene, sorted by kind."""

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


class Assembly:
    """The solids and materials of a scene in the making."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.materials: list[np.ndarray] = []
        self.used: set[str] = set()
        self._solids: list[tuple] = []
        self._shapes: list[tuple[float, ...]] = []
        self._known: dict[tuple[str, ...], list[int]] = {}
        self._taken: list[tuple[float, float, float]] = []

    def material(self, *roles: str) -> int:
        """The number of a material for one of these roles: a fresh one, or one that the scene has for them already."""
        known = self._known.setdefault(roles, [])
        if known and self.dice.random() > 1.5 / (len(known) + 1.2):
            return self.dice.pick(known)
        self.materials.append(materials.sample(self.dice.rng, self.dice.pick(roles)))
        known.append(len(self.materials) - 1)
        return known[-1]

    def add(
        self,
        frame: Frame,
        name: str,
        material: int,
        position: tuple[float, float, float],
        size: tuple[float, float, float],
        turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
        numbers: tuple[float, ...] = (),
        panels: Panels | None = None,
    ) -> None:
        """Adds a shape with its *centre* at `position` in the frame.

        `size` is width (x), height (y), depth (z) in metres before the frame's scale; `turn` is yaw, pitch, roll. For
        `rounded` the one number is the radius of the edges, for `torus` that of the ring's tube.
        """
        s = frame.scale
        w, h, d = (max(0.5 * s * extent, 1e-3) for extent in size)
        kind, shape = _round_form(name, w, h, d, numbers, s) if name in ("rounded", "torus") else form(name, *numbers)
        inner = material
        if panels is not None:
            shape = (*(s * value for value in panels[:6]), panels.rows, s * panels.margin, *(0.0,) * (SHAPE_WIDTH - 8))
            inner = panels.material
        c, n = math.cos(frame.yaw) * s, math.sin(frame.yaw) * s
        x, y, z = position
        place = (frame.x + c * x + n * z, frame.y + y * s, frame.z - n * x + c * z)
        self._solids.append((kind, *place, frame.yaw + turn[0], turn[1], turn[2], w, h, d, material, inner))
        self._shapes.append(shape)
        self.used.add(name)

    def box(self, frame: Frame, material: int, x: float, y: float, z: float, w: float, h: float, d: float) -> None:
        """Adds an upright box that *stands* at height `y`, centred at (x, z)."""
        self.add(frame, "box", material, (x, y + h / 2, z), (w, h, d))

    def stand(
        self,
        frame: Frame,
        name: str,
        material: int,
        x: float,
        y: float,
        z: float,
        size: tuple[float, float, float],
        numbers: tuple[float, ...] = (),
        yaw: float = 0.0,
    ) -> None:
        """Adds an upright shape whose *base* is at height `y`."""
        self.add(frame, name, material, (x, y + size[1] / 2, z), size, (yaw, 0.0, 0.0), numbers)

    def post(self, frame: Frame, material: int, x: float, y: float, z: float, radius: float, height: float) -> None:
        """Adds an upright cylinder standing at height `y`."""
        self.stand(frame, "cylinder", material, x, y, z, (2 * radius, height, 2 * radius))

    def limb(
        self,
        frame: Frame,
        material: int,
        start: tuple[float, float, float],
        end: tuple[float, float, float],
        radius: float,
        taper: float = 1.0,
        name: str = "cone",
    ) -> None:
        """Adds a shape whose axis runs from `start` to `end`: a rod that narrows to `taper`, or any upright shape."""
        dx, dy, dz = (b - a for a, b in zip(start, end, strict=True))
        length = max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-4)
        x, y, z = (0.5 * (a + b) for a, b in zip(start, end, strict=True))
        turn = (math.atan2(dx, dz), math.acos(max(-1.0, min(1.0, dy / length))), 0.0)
        if name == "cone" and taper == 1.0:
            name = "cylinder"
        numbers = (round(taper, 2),) if name == "cone" else ()
        self.add(frame, name, material, (x, y, z), (2 * radius, length, 2 * radius), turn, numbers)

    def glowing(self, material: int, radiance: tuple[float, float, float]) -> int:
        """The number of a copy of a material that shines."""
        row = self.materials[material].copy()
        row[layout.GLOW : layout.GLOW + 3] = radiance
        self.materials.append(row)
        return len(self.materials) - 1

    def count(self) -> int:
        """How many solids there are; `moved` and `dropped` take such a number."""
        return len(self._solids)

    def moved(self, since: int, frame: Frame) -> None:
        """Moves the solids added since then, built around the origin, into a frame of scale 1."""
        c, s = math.cos(frame.yaw), math.sin(frame.yaw)
        for number in range(since, len(self._solids)):
            kind, x, y, z, yaw, *rest = self._solids[number]
            place = (frame.x + c * x + s * z, frame.y + y, frame.z - s * x + c * z)
            self._solids[number] = (kind, *place, yaw + frame.yaw, *rest)

    def dropped(self, since: int) -> None:
        """Takes the solids added since then away again."""
        del self._solids[since:], self._shapes[since:]

    def painted(self, material: int, colour: tuple[float, float, float]) -> int:
        """The number of a copy of a material in one colour."""
        row = self.materials[material].copy()
        for start in (layout.COLOUR_A, layout.COLOUR_B, layout.COLOUR_C, layout.COLOUR_D):
            row[start : start + 3] = colour
        self.materials.append(row)
        return len(self.materials) - 1

    def composite(self, name: str) -> None:
        """Notes that a composite of this name is part of the scene."""
        self.used.add(name)

    def claim(self, x: float, z: float, radius: float) -> bool:
        """Reserves a disc of the ground; false, and nothing reserved, when it overlaps one that is taken."""
        for other_x, other_z, other in self._taken:
            if (x - other_x) ** 2 + (z - other_z) ** 2 < (radius + other) ** 2:
                return False
        self._taken.append((x, z, radius))
        return True

    def finish(self) -> Solids:
        """The arrays of all solids, sorted by kind."""
        table = np.array(self._solids, dtype=np.float64).reshape(-1, 12)
        order = np.argsort(table[:, 0], kind="stable")
        table = table[order]
        shape = np.array(self._shapes, dtype=np.float32).reshape(-1, SHAPE_WIDTH)[order]
        shift = self.dice.rng.uniform(-20, 20, (len(table), 3))
        return Solids(
            kind=table[:, 0].astype(np.int64),
            centre=table[:, 1:4],
            rotation=rotations(table[:, 4], table[:, 5], table[:, 6]),
            half=table[:, 7:10],
            shape=shape,
            material=table[:, 10:12].astype(np.int64),
            shift=shift,
        )


def rotations(yaw: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Matrices [N, 3, 3] that turn by `roll` about z, then `pitch` about x, then `yaw` about y."""
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rows = (
        (cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp),
        (cp * sr, cp * cr, -sp),
        (-sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _round_form(
    name: str, w: float, h: float, d: float, numbers: tuple[float, ...], scale: float
) -> tuple[int, tuple[float, ...]]:
    if name == "torus":
        # A ring lies flat: its height is the thickness of the tube.
        tube = min(h, 0.49 * min(w, d))
        values = (min(w, d) - tube, 0.0, min(w, d) - tube, tube, min(w, d) - tube)
    else:
        radius = min((numbers[0] if numbers else 0.1) * scale, 0.98 * min(w, h, d))
        values = (w - radius, h - radius, d - radius, radius, 0.0)
    return ROUND, (*values, *(0.0,) * (SHAPE_WIDTH - len(values)))


assert KINDS[ROUND] == "round"
