"""People and animals, simple but with the right proportions and many poses."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement, Vector


class Feature(NamedTuple):
    """A part that a face has on both sides; metres from the middle of the head."""

    shape: str
    material: str
    place: Vector
    size: Vector
    numbers: tuple[float, ...] = ()


FACE = (
    Feature("sphere", "white", (0.032, 0.018, 0.083), (0.028, 0.018, 0.022)),
    Feature("sphere", "iris", (0.032, 0.018, 0.091), (0.013, 0.013, 0.01)),
    Feature("rounded", "hair", (0.033, 0.042, 0.089), (0.036, 0.008, 0.014), (0.003,)),
    Feature("sphere", "skin", (0.08, 0.0, -0.01), (0.02, 0.06, 0.035)),
)
"""Eyes, brows and ears."""

SIZES = (0.3, 0.5, 0.7, 1.3, 1.5)
"""Of animals, from cat to cow, in metres."""


@dataclass(frozen=True)
class _Pose:
    """How someone stands or sits, in metres; `stride` is how far the legs are apart, in radians."""

    shoulders: float
    hip: float
    stride: float
    sitting: bool


def person(parts: Assembly, at: Placement, sitting: bool = False, close: bool = False) -> None:
    """Someone standing, walking or sitting (on a seat of 0.45 m), facing +z; `close` adds a face."""
    rng = parts.rng
    s = rng.uniform(0.88, 1.08) if rng.chance(0.85) else rng.uniform(0.55, 0.8)
    at = at.offset(0, 0, 0, 0, s)
    skin, top, legs = (parts.material(role) for role in ("skin", "fabric", "fabric"))
    shoe, hair = parts.material("plastic", "fabric"), parts.material("bark", "fabric", "soil")
    hip = 0.5 if sitting else 0.88
    wide = rng.uniform(0.36, 0.46)
    parts.rounded(at, top, (0, hip + 0.3, 0), (wide, 0.58, rng.uniform(0.2, 0.28)), 0.1)
    parts.add(at, "sphere", legs, (0, hip, 0), (wide * 0.9, 0.3, 0.26))
    parts.limb(at, skin, (0, hip + 0.55, 0), (0, hip + 0.68, 0.01), 0.055)
    parts.add(at, "sphere", skin, (0, hip + 0.76, 0.02), (0.16, 0.23, 0.2))
    parts.add(at, "sphere", hair, (0, hip + 0.8, -0.015), (0.18, 0.2, 0.2))
    if rng.chance(0.3):
        parts.add(at, "sphere", hair, (0, hip + 0.66, -0.06), (0.2, 0.36, 0.14))
    if close:
        _face(parts, at.offset(0, hip + 0.76, 0.02), skin, hair)
    pose = _Pose(wide, hip, rng.uniform(-0.5, 0.5), sitting)
    for side in (-1, 1):
        _leg(parts, at, pose, side, legs, shoe)
        _arm(parts, at, pose, side, top, skin)


def _face(parts: Assembly, head: Placement, skin: int, hair: int) -> None:
    """Eyes, brows, nose, mouth and ears on a head centred at the placement."""
    rng = parts.rng
    white, iris = parts.recoloured(skin, (0.7, 0.68, 0.65)), parts.recoloured(hair, (0.03, 0.025, 0.02))
    lips = parts.recoloured(skin, (0.35, 0.1, 0.09))
    materials = {"white": white, "iris": iris, "hair": hair, "skin": skin}
    for side in (-1, 1):
        for feature in FACE:
            x, y, z = feature.place
            parts.add(
                head,
                feature.shape,
                materials[feature.material],
                (side * x, y, z),
                feature.size,
                numbers=feature.numbers,
            )
    parts.add(head, "sphere", skin, (0, -0.012, 0.1), (0.028, 0.05, 0.038))
    parts.add(head, "sphere", lips, (0, -0.058, 0.085), (0.05, rng.uniform(0.012, 0.024), 0.02))
    parts.add(head, "sphere", skin, (0, -0.085, 0.055), (0.07, 0.06, 0.07))


def _leg(parts: Assembly, at: Placement, pose: _Pose, side: int, cloth: int, shoe: int) -> None:
    x = side * pose.shoulders * 0.24
    if pose.sitting:
        knee, foot = (x, 0.5, 0.42), (x, 0.06, 0.42 + parts.rng.normal(0.08))
    else:
        swing = math.sin(side * pose.stride)
        knee, foot = (x, 0.47, 0.3 * max(swing, -0.1)), (x, 0.05, 0.62 * swing - 0.05)
    parts.limb(at, cloth, (x, pose.hip, 0), knee, 0.085, 0.75)
    parts.limb(at, cloth, knee, foot, 0.062, 0.7)
    parts.rounded(at, shoe, (foot[0], 0.045, foot[2] + 0.05), (0.09, 0.09, 0.26), 0.04)


def _arm(parts: Assembly, at: Placement, pose: _Pose, side: int, sleeve: int, skin: int) -> None:
    rng = parts.rng
    x, y = side * pose.shoulders * 0.5, pose.hip + 0.52
    swing = -side * pose.stride * 0.8 + rng.normal(0.2)
    if rng.chance(0.15):
        swing += rng.uniform(0.5, 2.2)
    out = side * rng.uniform(0.05, 0.3)
    elbow = (x + 0.28 * math.sin(out), y - 0.28 * math.cos(swing), 0.28 * math.sin(swing))
    bend = swing + rng.uniform(0.1, 0.9)
    hand = (elbow[0], elbow[1] - 0.26 * math.cos(bend), elbow[2] + 0.26 * math.sin(bend))
    parts.limb(at, sleeve, (x, y, 0.0), elbow, 0.055, 0.85)
    parts.limb(at, sleeve if rng.chance(0.6) else skin, elbow, hand, 0.045, 0.7)
    parts.add(at, "sphere", skin, hand, (0.08, 0.1, 0.08))


def animal(parts: Assembly, at: Placement) -> None:
    """A four-legged animal, from cat to cow, facing +x."""
    rng = parts.rng
    s = rng.pick(SIZES)
    coat = parts.material("fabric", "bark", "soil", "snow", "sand")
    long, tall, thick = s * rng.uniform(0.8, 1.1), s * rng.uniform(0.55, 0.85), s * rng.uniform(0.28, 0.42)
    parts.add(at, "sphere", coat, (0, tall, 0), (long, thick * 1.1, thick))
    parts.add(at, "sphere", coat, (long * 0.28, tall + 0.02 * s, 0), (long * 0.45, thick * 1.15, thick * 1.05))
    x, y, z = long * 0.62, tall + s * rng.uniform(-0.1, 0.4), rng.normal(0.05)
    parts.limb(at, coat, (long * 0.4, tall + thick * 0.2, 0), (x, y, z), thick * 0.28, 0.8)
    parts.add(at, "sphere", coat, (x + 0.08 * s, y, z), (0.32 * s, 0.19 * s, 0.17 * s), (0, 0, -0.3))
    for side in (-1, 1):
        ear = (x, y + 0.11 * s, z + side * 0.06 * s)
        parts.add(at, "cone", coat, ear, (0.06 * s, 0.1 * s, 0.05 * s))
        for end in (-1, 1):
            hip, out, step = end * long * 0.33, side * thick * 0.3, rng.normal(0.1) * s
            parts.limb(at, coat, (hip, tall, out), (hip + step, 0, out), 0.07 * s, 0.6)
    parts.limb(at, coat, (-long * 0.48, tall, 0), (-long * 0.62, tall - rng.uniform(-0.2, 0.4) * s, 0), 0.03 * s, 0.5)
