"""Vehicles: cars of several bodies, vans, trucks and bicycles, all facing +x."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement

ON_EDGE = (0.0, math.pi / 2, 0.0)
"""The turn of a wheel that rolls along x."""

REAR, FRONT = (-0.5, 0.34, 0.0), (0.5, 0.34, 0.0)
SADDLE, HEAD, CRANK, BARS = (-0.22, 0.88, 0.0), (0.36, 0.88, 0.0), (-0.05, 0.3, 0.0), (0.34, 1.0, 0.0)
TUBES = (
    *((SADDLE, CRANK, 0.02), (HEAD, CRANK, 0.02), (SADDLE, HEAD, 0.02), (CRANK, REAR, 0.02), (HEAD, FRONT, 0.02)),
    *(((0.34, 1.0, -0.28), (0.34, 1.0, 0.28), 0.014), (HEAD, BARS, 0.016)),
)
"""The tubes of a bicycle: from, to, radius; metres."""


def car(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A car: rounded body, sloping cabin with windows, wheels, lights and bumpers. Returns length and width."""
    rng = parts.rng
    length, width, height = rng.uniform(3.5, 5.0), rng.uniform(1.65, 1.95), rng.uniform(1.35, 1.8)
    paint, glass, tyre, rim = (parts.material(role) for role in ("car", "glass", "plastic", "metal"))
    wheel, clear = rng.uniform(0.29, 0.38), rng.uniform(0.14, 0.25)
    waist = height * rng.uniform(0.52, 0.62)
    body = (length, waist - clear, width)
    parts.rounded(at, paint, (0, (waist + clear) / 2, 0), body, rng.uniform(0.08, 0.25))
    long, back = length * rng.uniform(0.5, 0.66), rng.uniform(0.0, 0.14) * length
    slopes = (round(rng.uniform(0.35, 0.7), 2), round(rng.uniform(0.1, 0.5), 2), round(rng.uniform(0.75, 0.9), 2))
    roof = height - waist
    parts.add(at, "cabin", glass, (-back, waist + roof / 2 - 0.02, 0), (long, roof, width * 0.93), numbers=slopes)
    top = (long * (1 - 0.5 * slopes[0] - 0.5 * slopes[1]) * 0.98, 0.07, width * 0.93 * slopes[2])
    shift = -back - 0.25 * long * (slopes[0] - slopes[1])
    parts.rounded(at, paint, (shift, height - 0.03, 0), top, 0.03)
    for x in (-0.06, 0.28) if long > 2.4 else (0.05,):
        for side in (-1, 1):
            start = (-back - x * long, waist - 0.02, side * width * 0.466)
            end = (-back - x * long * 0.9, height - 0.04, side * width * 0.466 * slopes[2])
            parts.limb(at, paint, start, end, 0.045)
    wheels(parts, at, tyre, rim, length * rng.uniform(0.29, 0.34), width, wheel)
    _lamps(parts, at, length, width, clear + (waist - clear) * 0.62)
    return length, width


def wheels(parts: Assembly, at: Placement, tyre: int, rim: int, reach: float, width: float, radius: float) -> None:
    """Four wheels with rims."""
    for x in (-reach, reach):
        for side in (-1, 1):
            z = side * (width / 2 - 0.1)
            parts.add(at, "cylinder", tyre, (x, radius, z), (2 * radius, 0.22, 2 * radius), ON_EDGE)
            outside = (x, radius, z + side * 0.1)
            parts.add(at, "cylinder", rim, outside, (1.25 * radius, 0.04, 1.25 * radius), ON_EDGE)


def _lamps(parts: Assembly, at: Placement, length: float, width: float, y: float) -> None:
    rng = parts.rng
    white = parts.material("glass", "plastic")
    red = parts.recoloured(parts.material("plastic"), (0.5, 0.02, 0.02))
    for side in (-1, 1):
        z = side * width * 0.36
        size = (0.12, rng.uniform(0.1, 0.18), width * 0.18)
        parts.rounded(at, white, (length / 2 - 0.04, y, z), size, 0.04)
        parts.rounded(at, red, (-length / 2 + 0.04, y, z), size, 0.04)
    plate = parts.material("paper")
    for end in (-1, 1):
        parts.add(at, "box", plate, (end * (length / 2 + 0.005), y - 0.22, 0), (0.02, 0.11, 0.5))


def van(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A van, bus or truck with a box behind its cab."""
    rng = parts.rng
    long, width, height = rng.uniform(3.0, 7.0), rng.uniform(1.9, 2.4), rng.uniform(1.9, 3.0)
    paint, box, glass, tyre, rim = (parts.material(role) for role in ("car", "car", "glass", "plastic", "metal"))
    if rng.chance(0.5):
        box = paint
    parts.rounded(at, box, (-0.6, 0.4 + height / 2, 0), (long, height, width), 0.06)
    cab, front = height * rng.uniform(0.65, 0.9), long / 2 - 0.6
    parts.rounded(at, paint, (front + 0.55, 0.4 + cab * 0.3, 0), (1.5, cab * 0.6, width * 0.96), 0.1)
    windows = (1.2, cab * 0.45, width * 0.92)
    parts.add(at, "cabin", glass, (front + 0.4, 0.4 + cab * 0.78, 0), windows, numbers=(0.4, 0.0, 0.92))
    parts.add(at, "box", paint, (front + 0.2, 0.4 + cab, 0), (0.75, 0.05, width * 0.85))
    wheels(parts, at, tyre, rim, long * 0.36, width, 0.42)
    _lamps(parts, at.offset(-0.6 + 0.6, 0, 0), long + 1.0, width, 0.8)
    return long + 1.5, width


def bicycle(parts: Assembly, at: Placement) -> tuple[float, float]:
    """A bicycle leaning a little."""
    rng = parts.rng
    paint, tyre = parts.material("car", "metal"), parts.material("plastic")
    for hub in (REAR, FRONT):
        parts.add(at, "torus", tyre, hub, (0.68, 0.045, 0.68), ON_EDGE)
        parts.add(at, "cylinder", paint, hub, (0.06, 0.08, 0.06), ON_EDGE)
    for start, end, radius in TUBES:
        parts.limb(at, paint, start, end, radius)
    parts.rounded(at, tyre, (-0.24, 0.94, 0), (0.26, 0.06, rng.uniform(0.12, 0.2)), 0.028)
    return 1.7, 0.5
