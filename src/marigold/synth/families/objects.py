"""Groups of objects: any primitives and composites on any ground, alone, in heaps, stacked or afloat."""

import math

from marigold.synth import daylight, view
from marigold.synth.assembly import Assembly, Dice, Frame
from marigold.synth.plan import Plan
from marigold.synth.solids import SHAPES

NUMBERS = {
    "stone": lambda dice: tuple(dice.uniform(-1, 1) for _ in range(16)),
    "prism": lambda dice: (float(dice.whole(3, 6)), dice.uniform(0.4, 1)),
    "frustum": lambda dice: (dice.uniform(0.2, 0.9), dice.uniform(0.2, 0.9)),
    "cone": lambda dice: (dice.uniform(0, 0.7),),
    "cup": lambda dice: (dice.uniform(0.4, 0.95),),
    "urn": lambda dice: (dice.uniform(0.3, 0.7), dice.uniform(0.2, 0.6)),
    "vase": lambda dice: (dice.uniform(0.3, 0.8),),
    "barrel": lambda dice: (dice.uniform(0.5, 0.9),),
    "hip": lambda dice: (dice.uniform(0, 0.8),),
    "gable": lambda dice: (dice.uniform(-0.6, 0.6),),
}
NAMES = (*SHAPES, "rounded", "torus", "rounded", "box", "box", "sphere", "cylinder")


def primitive(parts: Assembly, frame: Frame, size: float, material: int) -> None:
    """Adds any primitive of about this size, standing on the frame, upright or tipped over."""
    dice = parts.dice
    name = dice.pick(NAMES)
    numbers = NUMBERS[name](dice) if name in NUMBERS else ()
    width, height, depth = (size * dice.log(0.5, 1.6) for _ in range(3))
    if dice.chance(0.5):
        depth = width
    if name == "torus":
        depth, height = width, width * dice.uniform(0.1, 0.35)
    if name == "rounded":
        numbers = (min(width, height, depth) * dice.uniform(0.05, 0.5),)
    tipped = dice.chance(0.2)
    turn = (
        (dice.uniform(0, 6.3), dice.uniform(-1.5, 1.5), dice.uniform(-1.5, 1.5))
        if tipped
        else (dice.uniform(0, 6.3), 0.0, 0.0)
    )
    lift = 0.5 * max(width, height, depth) if tipped else 0.5 * height
    parts.add(frame, name, material, (0.0, lift, 0.0), (width, height, depth), turn, numbers)


def plan(dice: Dice) -> Plan:
    """A group of objects under the open sky or in front of a backdrop."""
    parts = Assembly(dice)
    parts.material(
        "floor", "concrete", "asphalt", "grass", "sand", "tile", "wood", "soil", "snow", "any", "stone", "rug"
    )
    size = dice.log(0.25, 2.0)
    palette = [parts.material("any") for _ in range(dice.whole(4, 12))]
    spread = size * dice.uniform(1.5, 4)
    for _ in range(dice.whole(4, 24)):
        x, z = dice.normal(spread * 0.6), dice.normal(spread * 0.6)
        extent = size * dice.log(0.35, 1.8)
        if parts.claim(x, z, extent * 0.6):
            primitive(parts, Frame(x, 0.0, z), extent, dice.pick(palette))
    light = daylight.outdoors(dice, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(dice)
        distance = spread * dice.uniform(0.8, 1.8) / tangent
        turn, rise = dice.uniform(0, 6.3), math.radians(dice.uniform(3, 55))
        target = (dice.normal(spread * 0.3), size * dice.uniform(0, 0.8), dice.normal(spread * 0.3))
        c = math.cos(rise) * distance
        eye = (target[0] + c * math.cos(turn), target[1] + math.sin(rise) * distance, target[2] + c * math.sin(turn))
        return view.View(eye, target, view.roll(dice), tangent)

    return view.settle(
        parts, propose, light, view.Limits(0.4, 15.0, 0.15), ground=lambda x, z: 0.0, far=80.0, reach=1.5 * size
    )
