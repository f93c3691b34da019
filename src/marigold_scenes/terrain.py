"""Open ground: hills as a sum of waves, with water where they dip below a level and a path that winds across.

One row of numbers describes it: for look-ups while a scene is assembled, and for whole pictures when it is rendered.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import MISS
from marigold_scenes.vectors import unit

WAVES = 7
# A row: for every wave its wave vector (x, z), phase and amplitude; then the numbers below.
WATER = 4 * WAVES
PATH_X, PATH_Z, PATH_PHASE, PATH_WIDTH, PATH_BEND, USED, SHORE = (WATER + step for step in range(1, 8))
WIDTH = SHORE + 1
STEPS, ROUNDS, REFINEMENTS = 12, 6, 6
REACH = 250.0
GROUND, PATH, WATERS, BANK = range(4)
"""Numbers of the materials that open ground is made of."""


def flat() -> list[float]:
    """The row of a scene without hills."""
    return [0.0] * WIDTH


def sample(rng: RandomStream) -> list[float]:
    """Random hills, from gentle waves to steep mounds."""
    row = flat()
    longest, relief = rng.log_uniform(35, 160), rng.log_uniform(0.01, 0.09)
    for wave in range(WAVES):
        length = longest * 0.56**wave * rng.uniform(0.8, 1.25)
        angle, k = rng.uniform(0, 2 * math.pi), 2 * math.pi / length
        amplitude = relief * length * rng.uniform(0.5, 1.2) / math.pi * 0.82**wave
        row[4 * wave : 4 * wave + 4] = [k * math.cos(angle), k * math.sin(angle), rng.uniform(0, 6.3), amplitude]
    row[USED] = 1.0
    highest = sum(row[3 : 4 * WAVES : 4])
    row[WATER] = -highest * rng.uniform(0.15, 0.7) if rng.chance(0.4) else -1e3
    row[SHORE] = rng.uniform(0.1, 0.6)
    if rng.chance(0.55):
        angle = rng.uniform(0, 2 * math.pi)
        row[PATH_X], row[PATH_Z], row[PATH_PHASE] = math.cos(angle), math.sin(angle), rng.uniform(-6, 6)
        row[PATH_WIDTH], row[PATH_BEND] = rng.uniform(0.4, 2.5), rng.uniform(0, 5)
    return row


def height(row: list[float], x: float, z: float) -> float:
    """The height of the ground, or of the water above it, at one place."""
    total = 0.0
    for wave in range(WAVES):
        kx, kz, phase, amplitude = row[4 * wave : 4 * wave + 4]
        total += amplitude * math.sin(kx * x + kz * z + phase)
    return max(total, row[WATER])


def is_dry(row: list[float], x: float, z: float) -> bool:
    """Whether a place lies above the water."""
    return height(row, x, z) > row[WATER] + 0.05


def on_path(row: list[float], x: float, z: float) -> bool:
    """Whether a place lies on the path."""
    along, across = row[PATH_X] * x + row[PATH_Z] * z, row[PATH_X] * z - row[PATH_Z] * x
    return abs(across - row[PATH_PHASE] - row[PATH_BEND] * math.sin(0.11 * along)) < row[PATH_WIDTH]


def heights(rows: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """The same for points [B, M] of B scenes, rows [B, WIDTH], without the water."""
    total = torch.zeros_like(x)
    for wave in range(WAVES):
        kx, kz, phase, amplitude = (rows[:, 4 * wave + part].unsqueeze(1) for part in range(4))
        total = torch.addcmul(total, amplitude, torch.sin(kx * x + kz * z + phase))
    return total


def slopes(rows: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives of `heights` by x and z [B, M]."""
    by_x, by_z = torch.zeros_like(x), torch.zeros_like(x)
    for wave in range(WAVES):
        kx, kz, phase, amplitude = (rows[:, 4 * wave + part].unsqueeze(1) for part in range(4))
        steep = amplitude * torch.cos(kx * x + kz * z + phase)
        # d/dx of a sin(kx x + kz z + p) is kx a cos(...)
        by_x, by_z = by_x + kx * steep, by_z + kz * steep
    return by_x, by_z


def cast(rows: Tensor, eye: Tensor, ray: Tensor) -> Tensor:
    """First hits [B, M] of camera rays [B, 3, M] from `eye` [B, 3] with hills and water.

    A fixed number of steps that grow with distance and with the height above ground, then secant refinement of the
    crossing. Rays that are still above ground after `REACH` metres go on to the level plane.
    """
    # [B, M] each
    x, y, z = ray.unbind(1)
    ox, oy, oz = (eye[:, axis].unsqueeze(1).expand_as(x) for axis in range(3))
    level = rows[:, WATER].clamp_min(0).unsqueeze(1)
    plane = (level - oy) / torch.where(y.abs() < 1e-9, -1e-9, y)
    result = torch.where((plane > 0.5 * REACH) & (y < 0), plane, MISS)
    owner = torch.arange(len(rows), device=rows.device).unsqueeze(1).expand_as(x)
    # Nothing rises above the sum of all amplitudes.
    top = rows[:, 3 : 4 * WAVES : 4].sum(1).unsqueeze(1)
    after = torch.where(oy > top, (top - oy) / y.clamp_max(-1e-6), 0.0).clamp_min(0)
    waiting = (after < REACH).flatten().nonzero()[:, 0]
    # R rays that still have to be followed, of the B * M
    origin, direction = (
        torch.stack([part.flatten()[waiting] for part in parts]) for parts in ((ox, oy, oz), (x, y, z))
    )
    march = _March(rows[:, : 4 * WAVES + 1].T[:, owner.flatten()[waiting]], origin, direction)
    t = after.flatten()[waiting]
    gap = march.gap(t)
    hits = result.flatten()
    for _ in range(ROUNDS):
        bracket, t, gap = march.walk(t, gap)
        crossed = bracket.high < MISS
        there = crossed.nonzero()[:, 0]
        hits[waiting[there]] = march.only(there).refine(bracket.only(there))
        on = (~crossed & (t < REACH)).nonzero()[:, 0]
        waiting, march, t, gap = waiting[on], march.only(on), t[on], gap[on]
    return hits.view_as(result)


@dataclass(frozen=True)
class _Bracket:
    """Where R rays pass through the ground: from `low`, with a gap `above` 0, to `high`, with a gap `below` 0."""

    low: Tensor
    high: Tensor
    """`MISS` for rays that have not met the ground."""
    above: Tensor
    below: Tensor

    def only(self, chosen: Tensor) -> "_Bracket":
        return _Bracket(self.low[chosen], self.high[chosen], self.above[chosen], self.below[chosen])


@dataclass(frozen=True)
class _March:
    """R rays over the hills of their scenes."""

    columns: Tensor
    """[4 * WAVES + 1, R] the waves of each ray's scene, and its water."""
    origin: Tensor
    """[3, R]."""
    direction: Tensor
    """[3, R]."""

    def only(self, chosen: Tensor) -> "_March":
        """Some of the rays."""
        return _March(*(part[:, chosen] for part in (self.columns, self.origin, self.direction)))

    def gap(self, t: Tensor) -> Tensor:
        """The height of each ray above the ground."""
        (ox, oy, oz), (x, y, z) = self.origin, self.direction
        px, pz = torch.addcmul(ox, t, x), torch.addcmul(oz, t, z)
        total = torch.zeros_like(t)
        for wave in range(WAVES):
            kx, kz, phase, amplitude = self.columns[4 * wave : 4 * wave + 4]
            total = torch.addcmul(total, amplitude, torch.sin(torch.addcmul(torch.addcmul(phase, kx, px), kz, pz)))
        return torch.addcmul(oy, t, y) - torch.maximum(total, self.columns[WATER])

    def walk(self, t: Tensor, gap: Tensor) -> tuple[_Bracket, Tensor, Tensor]:
        """The first crossing within `STEPS` steps from `t` [R], where the gap is `gap`; and both after them."""
        x, y, z = self.direction
        # How much t grows along a metre of the ray
        pace = torch.rsqrt(x * x + y * y + z * z)
        low, high, above, below = t, torch.full_like(t, MISS), gap, gap
        for _ in range(STEPS):
            # 0.8 of the height above ground is safe for these slopes; at least a step that grows with distance.
            next_t = t + torch.maximum(0.8 * gap * pace, 0.045 * t + 0.03)
            next_gap = self.gap(next_t)
            crossing = (next_gap < 0) & (gap >= 0) & (high >= MISS)
            low, above = torch.where(crossing, t, low), torch.where(crossing, gap, above)
            high, below = torch.where(crossing, next_t, high), torch.where(crossing, next_gap, below)
            t, gap = next_t, next_gap
        return _Bracket(low, high, above, below), t, gap

    def refine(self, bracket: _Bracket) -> Tensor:
        """The crossing [R] in a bracket."""
        low, high, above, below = bracket.low, bracket.high, bracket.above, bracket.below
        for _ in range(REFINEMENTS):
            # The secant: where a straight line between the two gaps is zero
            share = (above / (above - below).clamp_min(1e-9)).clamp(0.02, 0.98)
            middle = low + (high - low) * share
            value = self.gap(middle)
            over = value > 0
            low, above = torch.where(over, middle, low), torch.where(over, value, above)
            high, below = torch.where(over, high, middle), torch.where(over, below, value)
        return low + (high - low) * (above / (above - below).clamp_min(1e-9)).clamp(0, 1)


def describe(rows: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals [B, 3, M] and material numbers [B, M] of the ground or water at (x, z)."""
    by_x, by_z = slopes(rows, x, z)
    over = heights(rows, x, z) - rows[:, WATER].unsqueeze(1)
    wet = over < 0
    up = torch.ones_like(x)
    # (-dh/dx, 1, -dh/dz), and straight up on water
    normal = torch.stack((torch.where(wet, 0.0, -by_x), up, torch.where(wet, 0.0, -by_z)), 1)
    px, pz, phase, width, bend = (rows[:, part].unsqueeze(1) for part in range(PATH_X, PATH_BEND + 1))
    # Path coordinates; the path winds as a sine of how far along it one is.
    along, across = px * x + pz * z, px * z - pz * x
    ragged = width * (1 + 0.12 * torch.sin(3.1 * along + 2 * torch.sin(1.3 * along)))
    path = (across - phase - bend * torch.sin(0.11 * along)).abs() < ragged
    steep = by_x * by_x + by_z * by_z > 0.45
    bank = steep | (over < rows[:, SHORE].unsqueeze(1) * (1 + 0.4 * torch.sin(1.7 * x + 1.1 * z)))
    material = torch.where(path, PATH, GROUND)
    material = torch.where(bank, BANK, material)
    material = torch.where(wet, WATERS, material)
    return unit(normal, 1), material
