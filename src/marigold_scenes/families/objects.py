"""Groups of objects: any primitives and composites on any ground, alone, stacked, afloat, against backdrops."""

import math
from collections.abc import Callable

from marigold_scenes import daylight, interior, room_light, view
from marigold_scenes.assembly import Assembly, Panels
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Placement
from marigold_scenes.primitives import SHAPES
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import buildings, desk, figures, furniture, leaves, nature, seats, tableware, vehicles

NUMBERS: dict[str, Callable[[RandomStream], tuple[float, ...]]] = {
    "stone": lambda rng: tuple(rng.uniform(-1, 1) for _ in range(16)),
    "prism": lambda rng: (float(rng.integer(3, 6)), rng.uniform(0.4, 1)),
    "frustum": lambda rng: (rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.9)),
    "cone": lambda rng: (rng.uniform(0, 0.7),),
    "cup": lambda rng: (rng.uniform(0.4, 0.95),),
    "urn": lambda rng: (rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.6)),
    "vase": lambda rng: (rng.uniform(0.3, 0.8),),
    "barrel": lambda rng: (rng.uniform(0.5, 0.9),),
    "hip": lambda rng: (rng.uniform(0, 0.8),),
    "gable": lambda rng: (rng.uniform(-0.6, 0.6),),
    "leaves": lambda rng: (rng.uniform(6, 30), rng.uniform(-0.8, 0.8), rng.uniform(0, 90)),
}
NAMES = (*SHAPES, "rounded", "rounded", "torus", "box", "box", "sphere", "cylinder")
PILED = ("box", "cylinder", "rounded", "prism", "frustum", "barrel", "torus", "dome", "cone", "hip", "sphere")
GROUNDS = (
    *("floor", "concrete", "asphalt", "grass", "sand", "tile", "wood", "soil", "snow", "any", "stone", "rug", "paving"),
)
BACKDROPS = ("wall", "brick", "concrete", "wood", "stone", "tile", "metal", "fabric")

COMPOSITES = (
    (seats.chair, 0.9), (seats.sofa, 1.4), (seats.stool, 0.5), (furniture.table, 1.2), (furniture.cabinet, 1.0),
    (furniture.shelf, 1.4), (furniture.floor_lamp, 1.4), (furniture.pile_of_boxes, 0.8), (furniture.bin_, 0.35),
    (furniture.coffer, 1.2), (leaves.potted_plant, 0.8), (vehicles.car, 4.0), (vehicles.van, 5.0),
    (vehicles.bicycle, 1.5), (buildings.house, 9.0), (buildings.bench, 1.3), (buildings.bollard, 0.8),
    (buildings.container, 3.0), (figures.animal, 1.0), (figures.person, 1.7), (tableware.bottle, 0.3),
    (tableware.pot, 0.25), (tableware.fruit_bowl, 0.3), (tableware.cup, 0.12), (desk.vase, 0.3), (desk.books, 0.25),
    (desk.laptop, 0.35), (buildings.stairs, 2.0),
)  # fmt: skip
"""Composites and their natural size in metres."""


def primitive(parts: Assembly, at: Placement, size: float, material: int) -> float:
    """Adds any primitive of about this size, upright or tipped over. Returns its height."""
    rng = parts.rng
    name = rng.pick(NAMES)
    numbers = NUMBERS[name](rng) if name in NUMBERS else ()
    width, height, depth = (size * rng.log_uniform(0.5, 1.6) for _ in range(3))
    if rng.chance(0.5):
        depth = width
    if name == "torus":
        depth, height = width, width * rng.uniform(0.1, 0.35)
    if name == "rounded":
        numbers = (min(width, height, depth) * rng.uniform(0.05, 0.5),)
    panels = _niches(parts, width, height) if name == "box" and rng.chance(0.25) else None
    turn, lift = (rng.uniform(0, 6.3), 0.0, 0.0), 0.5 * height
    if rng.chance(0.25):
        turn, lift = (turn[0], rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5)), 0.45 * max(width, height, depth)
    parts.add(at, name, material, (0.0, lift, 0.0), (width, height, depth), turn, numbers, panels)
    return 2 * lift


def _niches(parts: Assembly, width: float, height: float) -> Panels:
    """Square recesses all over a box."""
    cell = parts.rng.uniform(0.2, 0.5) * min(width, height)
    pitch, size, depth = (cell, cell), (cell * 0.75, cell * 0.7), cell * parts.rng.uniform(0.1, 1)
    return Panels(pitch, size, depth, 0.1 * cell, int(height / cell), material=parts.material("any"), margin=0.0)


def stack(parts: Assembly, at: Placement, size: float, palette: list[int]) -> float:
    """Things piled on each other. Returns the height."""
    rng = parts.rng
    y = 0.0
    for _ in range(rng.integer(2, 5)):
        name = rng.pick(PILED)
        width, height = size * rng.log_uniform(0.6, 1.2), size * rng.log_uniform(0.2, 0.9)
        numbers = (0.2 * height,) if name == "rounded" else NUMBERS[name](rng) if name in NUMBERS else ()
        place = (rng.normal(0.08) * size, y + height / 2, rng.normal(0.08) * size)
        parts.add(at, name, rng.pick(palette), place, (width, height, width), (rng.uniform(0, 6.3), 0, 0), numbers)
        y += height * (0.98 if name != "torus" else 0.6)
        size *= rng.uniform(0.75, 1.0)
    return y


def composite(parts: Assembly, at: Placement, size: float) -> None:
    """Any composite, scaled to about this size."""
    rng = parts.rng
    make, natural = rng.pick(COMPOSITES)
    make(parts, at.offset(0, 0, 0, 0, size * rng.uniform(0.8, 1.3) / natural))


def sample(rng: RandomStream) -> SceneDescription:
    """A group of objects under the open sky, in front of a backdrop, or in an empty room."""
    parts = Assembly(rng)
    parts.material(*GROUNDS)
    size = rng.log_uniform(0.2, 2.2)
    palette = [parts.material("any") for _ in range(rng.integer(4, 12))]
    spread = size * rng.uniform(1.0, 2.6)
    inside = rng.chance(0.4) and spread < 2.0
    half = max(2.2 * spread, 1.5) + rng.uniform(0.3, 2.0)
    if inside:
        tall = max(2.3, 3 * size) + rng.uniform(0, 0.6)
        room = interior.shell(parts, 2 * half, 2 * half * rng.uniform(0.8, 1.2), tall)
        light = room_light.illuminate(parts, room)
    else:
        light = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))
        backdrop(parts, half, size)
    portrait = (not inside and rng.chance(0.15)) or (inside and spread < 1.2 and rng.chance(0.25))
    if portrait:
        size, spread = people(parts), 0.45
    else:
        scatter(parts, size, spread, palette)

    def propose() -> view.View:
        tangent = view.lens(rng)
        distance = spread * rng.uniform(0.6, 1.3) / tangent
        turn, rise = rng.uniform(0, 6.3), math.radians(rng.uniform(2, 55))
        target = (rng.normal(spread * 0.25), size * rng.uniform(0, 0.9), rng.normal(spread * 0.25))
        if portrait:
            distance, rise, turn = rng.log_uniform(0.7, 3.0), math.radians(rng.normal(9)), math.pi / 2 + rng.normal(0.5)
            target = (rng.normal(0.1), size * rng.uniform(0.75, 0.95), 0.0)
        eye = view.orbit(target, distance, turn, rise)
        if inside:
            inner = half * 0.8 - 0.3
            eye = (min(max(eye[0], -inner), inner), min(eye[1], tall - 0.3), min(max(eye[2], -inner), inner))
        return view.View(eye, target, view.roll(rng), tangent)

    limits = view.Limits(near=min(0.4, size), middle=20.0, share=0.3, solids=5)
    return view.settle(parts, propose, light, limits, ground=lambda x, z: 0.0, reach=min(1.5 * size, 1.5))


def scatter(parts: Assembly, size: float, spread: float, palette: list[int]) -> None:
    """Strews primitives, stacks and composites around the origin."""
    rng = parts.rng
    share = rng.random()
    for _ in range(rng.integer(5, 34)):
        x, z = rng.normal(spread * 0.5), rng.normal(spread * 0.5)
        extent = size * rng.log_uniform(0.35, 1.6)
        if not parts.claim(x, z, extent * rng.uniform(0.25, 0.6)):
            continue
        at = Placement(x, 0.0 if rng.chance(0.93) else rng.uniform(0.3, 2) * size, z, rng.uniform(0, 6.3))
        if rng.chance(0.25 * share):
            stack(parts, at, extent, palette)
        elif rng.chance(0.8 * share):
            composite(parts, at, extent * 1.3)
        else:
            primitive(parts, at, extent, rng.pick(palette))


def people(parts: Assembly) -> float:
    """One to three people side by side, facing +z. Returns about the height of their heads."""
    rng = parts.rng
    count = rng.integer(1, 3)
    for number in range(count):
        place = ((number - (count - 1) / 2) * rng.uniform(0.5, 0.8), 0.0, rng.normal(0.15), rng.normal(0.4))
        figures.person(parts, Placement(*place), close=True)
    if rng.chance(0.4):
        figures.animal(parts, Placement(rng.uniform(-1.2, 1.2), 0, rng.uniform(-0.6, 0.6), rng.uniform(0, 6.3)))
    return 1.65


def backdrop(parts: Assembly, half: float, size: float) -> None:
    """What stands behind a group outdoors: walls, a hedge, trees, or nothing."""
    rng = parts.rng
    style = rng.random()
    if style < 0.35:
        for _ in range(rng.integer(1, 3)):
            wall = parts.material(*BACKDROPS)
            angle = rng.pick((0.0, math.pi / 2, math.pi, -math.pi / 2)) + rng.normal(0.1)
            height = rng.log_uniform(1.0, 4.0) * size + 0.5
            at = Placement(-half * math.sin(angle), 0, -half * math.cos(angle), angle)
            parts.box(at, wall, (0, 0, 0), (2.2 * half, height, 0.2))
    elif style < 0.75:
        for _ in range(rng.integer(2, 9)):
            angle, reach = rng.uniform(0, 6.3), half * rng.uniform(1.1, 3) + 1.5
            at = Placement(reach * math.cos(angle), 0, reach * math.sin(angle), rng.uniform(0, 6.3))
            thing = rng.pick((nature.tree, nature.bush, nature.rock, nature.bush, nature.rock_pile))
            thing(parts, at, rng.uniform(3, 9) if thing is nature.tree else rng.uniform(0.6, 2.5))
