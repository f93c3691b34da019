"""People and animals, simple but with the right proportions and many poses."""

import math

from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement


def person(parts: Assembly, at: Placement, sitting: bool = False, close: bool = False) -> None:
    """Someone standing, walking or sitting (on a seat of 0.45 m), facing +z; `close` adds a face."""
    parts.composite("person")
    rng = parts.rng
    s = rng.uniform(0.88, 1.08) if rng.chance(0.85) else rng.uniform(0.55, 0.8)
    at = at.offset(0, 0, 0, 0, s)
    skin, top, legs, shoe = (
        parts.material("skin"),
        parts.material("fabric"),
        parts.material("fabric"),
        parts.material("plastic", "fabric"),
    )
    hair = parts.material("bark", "fabric", "soil")
    hip = 0.5 if sitting else 0.88
    wide = rng.uniform(0.36, 0.46)
    parts.add(at, "rounded", top, (0, hip + 0.3, 0), (wide, 0.58, rng.uniform(0.2, 0.28)), numbers=(0.1,))
    parts.add(at, "sphere", legs, (0, hip, 0), (wide * 0.9, 0.3, 0.26))
    parts.limb(at, skin, (0, hip + 0.55, 0), (0, hip + 0.68, 0.01), 0.055)
    parts.add(at, "sphere", skin, (0, hip + 0.76, 0.02), (0.16, 0.23, 0.2))
    parts.add(at, "sphere", hair, (0, hip + 0.8, -0.015), (0.18, 0.2, 0.2))
    if rng.chance(0.3):
        parts.add(at, "sphere", hair, (0, hip + 0.66, -0.06), (0.2, 0.36, 0.14))
    if close:
        _face(parts, at.offset(0, hip + 0.76, 0.02), skin, hair)
    stride = rng.uniform(-0.5, 0.5)
    for side in (-1, 1):
        x = side * wide * 0.24
        if sitting:
            knee, foot = (x, 0.5, 0.42), (x, 0.06, 0.42 + rng.normal(0.08))
        else:
            swing = side * stride
            knee = (x, 0.47, 0.3 * max(math.sin(swing), -0.1))
            foot = (x, 0.05, 0.62 * math.sin(swing) - 0.05)
        parts.limb(at, legs, (x, hip, 0), knee, 0.085, 0.75)
        parts.limb(at, legs, knee, foot, 0.062, 0.7)
        parts.add(at, "rounded", shoe, (foot[0], 0.045, foot[2] + 0.05), (0.09, 0.09, 0.26), numbers=(0.04,))
        _arm(parts, at, top, skin, side, wide, hip, stride)


def _face(parts: Assembly, head: Placement, skin: int, hair: int) -> None:
    """Eyes, brows, nose, mouth and ears on a head centred at the placement."""
    rng = parts.rng
    white, iris = parts.recoloured(skin, (0.7, 0.68, 0.65)), parts.recoloured(hair, (0.03, 0.025, 0.02))
    lips = parts.recoloured(skin, (0.35, 0.1, 0.09))
    for side in (-1, 1):
        parts.add(head, "sphere", white, (side * 0.032, 0.018, 0.083), (0.028, 0.018, 0.022))
        parts.add(head, "sphere", iris, (side * 0.032, 0.018, 0.091), (0.013, 0.013, 0.01))
        parts.add(head, "rounded", hair, (side * 0.033, 0.042, 0.089), (0.036, 0.008, 0.014), numbers=(0.003,))
        parts.add(head, "sphere", skin, (side * 0.08, 0.0, -0.01), (0.02, 0.06, 0.035))
    parts.add(head, "sphere", skin, (0, -0.012, 0.1), (0.028, 0.05, 0.038))
    parts.add(head, "sphere", lips, (0, -0.058, 0.085), (0.05, rng.uniform(0.012, 0.024), 0.02))
    parts.add(head, "sphere", skin, (0, -0.085, 0.055), (0.07, 0.06, 0.07))


def _arm(
    parts: Assembly, at: Placement, sleeve: int, skin: int, side: int, wide: float, hip: float, stride: float
) -> None:
    rng = parts.rng
    shoulder = (side * wide * 0.5, hip + 0.52, 0.0)
    swing = -side * stride * 0.8 + rng.normal(0.2)
    if rng.chance(0.15):
        swing += rng.uniform(0.5, 2.2)
    out = side * rng.uniform(0.05, 0.3)
    elbow = (
        shoulder[0] + 0.28 * math.sin(out),
        shoulder[1] - 0.28 * math.cos(swing),
        shoulder[2] + 0.28 * math.sin(swing),
    )
    bend = swing + rng.uniform(0.1, 0.9)
    hand = (elbow[0], elbow[1] - 0.26 * math.cos(bend), elbow[2] + 0.26 * math.sin(bend))
    parts.limb(at, sleeve, shoulder, elbow, 0.055, 0.85)
    parts.limb(at, sleeve if rng.chance(0.6) else skin, elbow, hand, 0.045, 0.7)
    parts.add(at, "sphere", skin, hand, (0.08, 0.1, 0.08))


def animal(parts: Assembly, at: Placement, size: float | None = None) -> None:
    """A four-legged animal, from cat to cow, facing +x."""
    parts.composite("animal")
    rng = parts.rng
    s = rng.pick((0.3, 0.5, 0.7, 1.3, 1.5)) if size is None else size
    coat = parts.material("fabric", "bark", "soil", "snow", "sand")
    long, tall, thick = s * rng.uniform(0.8, 1.1), s * rng.uniform(0.55, 0.85), s * rng.uniform(0.28, 0.42)
    body = (0.0, tall, 0.0)
    parts.add(at, "sphere", coat, body, (long, thick * 1.1, thick))
    parts.add(at, "sphere", coat, (long * 0.28, tall + 0.02 * s, 0), (long * 0.45, thick * 1.15, thick * 1.05))
    neck, head = (
        (long * 0.4, tall + thick * 0.2, 0),
        (long * 0.62, tall + s * rng.uniform(-0.1, 0.4), rng.normal(0.05)),
    )
    parts.limb(at, coat, neck, head, thick * 0.28, 0.8)
    parts.add(at, "sphere", coat, (head[0] + 0.08 * s, head[1], head[2]), (0.32 * s, 0.19 * s, 0.17 * s), (0, 0, -0.3))
    for side in (-1, 1):
        parts.add(
            at, "cone", coat, (head[0], head[1] + 0.11 * s, head[2] + side * 0.06 * s), (0.06 * s, 0.1 * s, 0.05 * s)
        )
        for end in (-1, 1):
            x, z, step = end * long * 0.33, side * thick * 0.3, rng.normal(0.1) * s
            parts.limb(at, coat, (x, tall, z), (x + step, 0, z), 0.07 * s, 0.6)
    parts.limb(at, coat, (-long * 0.48, tall, 0), (-long * 0.62, tall - rng.uniform(-0.2, 0.4) * s, 0), 0.03 * s, 0.5)
