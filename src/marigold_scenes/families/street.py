"""Streets: rows of buildings, pavements, traffic, trees, poles and people; squares, suburbs and yards too."""

import math
from functools import partial

from marigold_scenes import daylight, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.description import SceneDescription
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import buildings, figures, nature, vehicles

NEAR, FAR = 18.0, -78.0
"""The ends of the street along z, in metres."""
ROADS = ("asphalt", "asphalt", "asphalt", "paving", "concrete", "soil")
FURNITURE = (buildings.traffic_sign, buildings.bollard, buildings.bench, vehicles.bicycle, figures.animal)
"""What stands on pavements besides people."""
LIMITS = view.Limits(near=0.8, middle=60.0, share=0.4, solids=7)


def sample(rng: RandomStream) -> SceneDescription:
    """A street along z with buildings on one or both sides."""
    parts = Assembly(rng)
    parts.material(*ROADS)
    road, pave = rng.uniform(4.5, 11), rng.uniform(1.4, 4.5)
    suburb = rng.chance(0.3)
    kerb = rng.uniform(0.06, 0.16)
    walk = parts.material("paving", "paving", "concrete", "asphalt")
    edge = road / 2 + pave
    sides = (-1, 1) if rng.chance(0.8) else (rng.pick((-1, 1)),)
    for side in (-1, 1):
        _strip(parts, walk, side * (road / 2 + pave / 2), pave, kerb)
        _strip(parts, parts.material("stone", "concrete"), side * road / 2, 0.14, kerb + 0.01)
        beyond = parts.material("grass", "paving", "grass") if suburb or side not in sides else walk
        _strip(parts, beyond, side * (edge + 20), 40, kerb - 0.01)
        if side not in sides:
            _open_side(parts, side, edge)
        elif suburb:
            _gardens(parts, side, edge)
        else:
            _terrace(parts, side, edge)
    _markings(parts, road)
    _close(parts, edge)
    _traffic(parts, road)
    for side in (-1, 1):
        _pavement(parts, side, road / 2, pave, kerb)
    light = daylight.outdoors(rng, daylight.mean_colour(parts.materials[0]))
    propose = partial(_view, rng, edge)
    return view.settle(parts, propose, light, LIMITS, ground=lambda x, z: 0.0, reach=2.5)


def _view(rng: RandomStream, edge: float) -> view.View:
    """From the street or its pavements, mostly along it; from a window or a roof at times."""
    tangent = view.lens(rng, 40, 100)
    high = rng.uniform(1.3, 2.0) if rng.chance(0.65) else rng.log_uniform(0.25, 12.0)
    x = rng.uniform(-0.95, 0.95) * edge
    z = rng.uniform(-12.0, 12.0)
    turn = rng.normal(0.35) if rng.chance(0.75) else rng.uniform(-1.5, 1.5)
    if high > 4:
        pitch = -math.radians(rng.uniform(5, 40))
    else:
        pitch = math.radians(rng.normal(7)) + (math.radians(rng.uniform(5, 22)) if rng.chance(0.12) else 0)
    reach = 10.0
    target = (x + reach * math.sin(turn), high + reach * math.tan(pitch), z - reach * math.cos(turn))
    return view.View((x, high, z), target, view.roll(rng), tangent)


def _strip(parts: Assembly, material: int, x: float, width: float, height: float) -> None:
    """A strip of ground along the whole street."""
    parts.box(Placement(), material, (x, 0, (NEAR + FAR) / 2), (width, height, NEAR - FAR))


def _terrace(parts: Assembly, side: int, edge: float) -> None:
    """A closed row of houses, with a gap here and there."""
    rng = parts.rng
    z, level = NEAR, rng.uniform(5, 16)
    while z > FAR:
        width = rng.uniform(5, 15)
        if rng.chance(0.1):
            z -= rng.uniform(2.5, 7)
            continue
        high = level * rng.uniform(0.75, 1.3)
        at = Placement(side * edge, 0, z - width / 2, -side * math.pi / 2)
        buildings.block(parts, at, width, rng.uniform(7, 12), high)
        z -= width + (0.0 if rng.chance(0.8) else rng.uniform(0.5, 3))


def _gardens(parts: Assembly, side: int, edge: float) -> None:
    """Detached houses behind fences and hedges."""
    rng = parts.rng
    z = NEAR
    while z > FAR:
        plot = rng.uniform(12, 20)
        middle = z - plot / 2
        back = rng.uniform(3, 8)
        since = parts.count()
        _, depth = buildings.house(parts, Placement())
        parts.moved(
            since, Placement(side * (edge + back + depth / 2), 0, middle, -side * math.pi / 2 + rng.normal(0.05))
        )
        border = Placement(side * (edge + 0.4), 0, middle, math.pi / 2)
        if rng.chance(0.7):
            barrier = buildings.fence if rng.chance(0.6) else lambda p, f, length: nature.hedge(p, f, length, 1.2)
            barrier(parts, border.offset(plot * 0.12, 0, 0), plot * 0.7)
        for _ in range(rng.integer(0, 3)):
            spot = Placement(side * (edge + rng.uniform(1.2, back)), 0, middle + rng.uniform(-0.5, 0.5) * plot)
            make, size = (nature.bush, (0.6, 1.8)) if rng.chance(0.6) else (nature.tree, (3, 9))
            make(parts, spot, rng.uniform(*size))
        z -= plot


def _open_side(parts: Assembly, side: int, edge: float) -> None:
    """A park, a wall or a water front instead of houses."""
    rng = parts.rng
    if rng.chance(0.7):
        for number in range(5):
            buildings.fence(parts, Placement(side * (edge + 0.3), 0, NEAR - 8 - 16 * number, math.pi / 2), 15.5)
    for _ in range(rng.integer(4, 12)):
        spot = Placement(side * (edge + rng.uniform(2, 22)), 0, rng.uniform(FAR, NEAR))
        if parts.claim(spot.x, spot.z, 2):
            make, size = (nature.tree, (4, 12)) if rng.chance(0.7) else (nature.bush, (0.8, 2.5))
            make(parts, spot, rng.uniform(*size))


def _close(parts: Assembly, edge: float) -> None:
    """What stands across the far end of the street."""
    rng = parts.rng
    if rng.chance(0.5):
        x = -30.0
        while x < 30:
            width = rng.uniform(8, 16)
            buildings.block(parts, Placement(x + width / 2, 0, FAR + rng.uniform(0, 25)), width, 10, rng.uniform(7, 20))
            x += width
    if rng.chance(0.25):
        buildings.tower(parts, Placement(rng.uniform(-20, 20), 0, FAR + 5))


def _markings(parts: Assembly, road: float) -> None:
    """Paint on the road: a centre line and perhaps a crossing."""
    rng = parts.rng
    if rng.chance(0.25):
        return
    paint = parts.material("paper", "snow", "wall")
    if rng.chance(0.7):
        long, pitch = rng.uniform(2, 4), rng.uniform(5, 9)
        for number in range(9):
            parts.box(Placement(), paint, (0, -0.01, NEAR - 4 - number * pitch), (0.14, 0.013, long))
    else:
        parts.box(Placement(), paint, (0, -0.01, -30), (0.13, 0.013, 96))
    if rng.chance(0.35):
        z = rng.uniform(-20, 5)
        for number in range(int(road / 1.0)):
            parts.box(Placement(), paint, ((number + 0.5) * 1.0 - road / 2, -0.01, z), (0.5, 0.013, 3.2))


def _traffic(parts: Assembly, road: float) -> None:
    """Parked and moving cars, vans and bicycles."""
    rng = parts.rng
    share = rng.uniform(0.0, 0.8)
    for side in (-1, 1):
        z = NEAR - rng.uniform(0, 6)
        while z > -55:
            if rng.chance(share):
                at = Placement(side * (road / 2 - 1.05), 0, z, side * math.pi / 2 + rng.normal(0.03))
                if parts.claim(at.x, at.z, 2.2):
                    vehicles.van(parts, at) if rng.chance(0.12) else vehicles.car(parts, at)
            z -= rng.uniform(5.4, 9)
    for _ in range(rng.integer(0, 3)):
        side, z = rng.pick((-1, 1)), rng.uniform(-60, 5)
        if parts.claim(side * road / 4, z, 2.4):
            heading = side * math.pi / 2
            pick = vehicles.bicycle if rng.chance(0.2) else vehicles.car
            pick(parts, Placement(side * road / 4, 0, z, heading))


def _pavement(parts: Assembly, side: int, inner: float, width: float, kerb: float) -> None:
    """Trees, lamps, people and street furniture along one pavement."""
    rng = parts.rng
    line, pitch = side * (inner + 0.5), rng.uniform(7, 16)
    row = rng.pick(("trees", "lamps", "both", "none"))
    number, z = 0, NEAR - rng.uniform(0, pitch)
    tall = rng.uniform(4, 9)
    while z > -60:
        if row in ("trees", "both") and number % 2 == 0:
            nature.broadleaf(parts, Placement(line, kerb, z), tall * rng.uniform(0.85, 1.15))
        elif row in ("lamps", "both"):
            buildings.street_lamp(parts, Placement(line, kerb, z, -side * math.pi / 2))
        z -= pitch
        number += 1
    for _ in range(rng.integer(1, 9)):
        x, z = side * (inner + rng.uniform(0.4, width - 0.3)), 14 - rng.log_uniform(1, 60)
        spot = Placement(x, kerb, z, rng.pick((0.0, 3.14, 1.57, -1.57)))
        if parts.claim(spot.x, spot.z, 0.5):
            make = figures.person if rng.chance(0.6) else rng.pick(FURNITURE)
            make(parts, spot)
