"""Streets: rows of buildings, pavements, traffic, trees, poles and people; squares, suburbs and yards too."""

import math

from marigold_scenes import daylight, view
from marigold_scenes.assembly import Assembly, Dice, Frame
from marigold_scenes.plan import Plan
from marigold_scenes.things import buildings, figures, nature, vehicles

NEAR, FAR = 18.0, -78.0


def plan(dice: Dice) -> Plan:
    """A street along z with buildings on one or both sides."""
    parts = Assembly(dice)
    parts.material("asphalt", "asphalt", "asphalt", "paving", "concrete", "soil")
    road, pave = dice.uniform(4.5, 11), dice.uniform(1.4, 4.5)
    suburb = dice.chance(0.3)
    kerb = dice.uniform(0.06, 0.16)
    walk = parts.material("paving", "paving", "concrete", "asphalt")
    edge = road / 2 + pave
    sides = (-1, 1) if dice.chance(0.8) else (dice.pick((-1, 1)),)
    for side in (-1, 1):
        x = side * (road / 2 + pave / 2)
        parts.box(Frame(), walk, x, 0, (NEAR + FAR) / 2, pave, kerb, NEAR - FAR)
        parts.box(
            Frame(),
            parts.material("stone", "concrete"),
            side * road / 2,
            0,
            (NEAR + FAR) / 2,
            0.14,
            kerb + 0.01,
            NEAR - FAR,
        )
        beyond = parts.material("grass", "paving", "grass") if suburb or side not in sides else walk
        parts.box(Frame(), beyond, side * (edge + 20), 0, (NEAR + FAR) / 2, 40, kerb - 0.01, NEAR - FAR)
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
    light = daylight.outdoors(dice, daylight.mean_colour(parts.materials[0]))

    def propose() -> view.View:
        tangent = view.lens(dice, 40, 100)
        high = dice.uniform(1.3, 2.0) if dice.chance(0.65) else dice.log(0.25, 12.0)
        x = dice.uniform(-0.95, 0.95) * edge
        z = dice.uniform(-12.0, 12.0)
        turn = dice.normal(0.35) if dice.chance(0.75) else dice.uniform(-1.5, 1.5)
        if high > 4:
            pitch = -math.radians(dice.uniform(5, 40))
        else:
            pitch = math.radians(dice.normal(7)) + (math.radians(dice.uniform(5, 22)) if dice.chance(0.12) else 0)
        reach = 10.0
        target = (x + reach * math.sin(turn), high + reach * math.tan(pitch), z - reach * math.cos(turn))
        return view.View((x, high, z), target, view.roll(dice), tangent)

    limits = view.Limits(0.8, 60.0, 0.4, 7)
    return view.settle(parts, propose, light, limits, ground=lambda x, z: 0.0, far=80.0, reach=2.5)


def _terrace(parts: Assembly, side: int, edge: float) -> None:
    """A closed row of houses, with a gap here and there."""
    dice = parts.dice
    z, level = NEAR, dice.uniform(5, 16)
    while z > FAR:
        width = dice.uniform(5, 15)
        if dice.chance(0.1):
            z -= dice.uniform(2.5, 7)
            continue
        high = level * dice.uniform(0.75, 1.3)
        frame = Frame(side * edge, 0, z - width / 2, -side * math.pi / 2)
        buildings.block(parts, frame, width, dice.uniform(7, 12), high)
        z -= width + (0.0 if dice.chance(0.8) else dice.uniform(0.5, 3))


def _gardens(parts: Assembly, side: int, edge: float) -> None:
    """Detached houses behind fences and hedges."""
    dice = parts.dice
    z = NEAR
    while z > FAR:
        plot = dice.uniform(12, 20)
        middle = z - plot / 2
        back = dice.uniform(3, 8)
        since = parts.count()
        _, depth = buildings.house(parts, Frame())
        parts.moved(since, Frame(side * (edge + back + depth / 2), 0, middle, -side * math.pi / 2 + dice.normal(0.05)))
        border = Frame(side * (edge + 0.4), 0, middle, math.pi / 2)
        if dice.chance(0.7):
            barrier = buildings.fence if dice.chance(0.6) else lambda p, f, length: nature.hedge(p, f, length, 1.2)
            barrier(parts, border.at(plot * 0.12, 0, 0), plot * 0.7)
        for _ in range(dice.whole(0, 3)):
            spot = Frame(side * (edge + dice.uniform(1.2, back)), 0, middle + dice.uniform(-0.5, 0.5) * plot)
            if dice.chance(0.6):
                nature.bush(parts, spot, dice.uniform(0.6, 1.8))
            else:
                nature.tree(parts, spot, dice.uniform(3, 9))
        z -= plot


def _open_side(parts: Assembly, side: int, edge: float) -> None:
    """A park, a wall or a water front instead of houses."""
    dice = parts.dice
    if dice.chance(0.7):
        for number in range(5):
            buildings.fence(parts, Frame(side * (edge + 0.3), 0, NEAR - 8 - 16 * number, math.pi / 2), 15.5)
    for _ in range(dice.whole(4, 12)):
        spot = Frame(side * (edge + dice.uniform(2, 22)), 0, dice.uniform(FAR, NEAR))
        if parts.claim(spot.x, spot.z, 2):
            nature.tree(parts, spot, dice.uniform(4, 12)) if dice.chance(0.7) else nature.bush(
                parts, spot, dice.uniform(0.8, 2.5)
            )


def _close(parts: Assembly, edge: float) -> None:
    """What stands across the far end of the street."""
    dice = parts.dice
    if dice.chance(0.5):
        x = -30.0
        while x < 30:
            width = dice.uniform(8, 16)
            buildings.block(parts, Frame(x + width / 2, 0, FAR + dice.uniform(0, 25)), width, 10, dice.uniform(7, 20))
            x += width
    if dice.chance(0.25):
        buildings.tower(parts, Frame(dice.uniform(-20, 20), 0, FAR + 5))


def _markings(parts: Assembly, road: float) -> None:
    """Paint on the road: a centre line and perhaps a crossing."""
    dice = parts.dice
    if dice.chance(0.25):
        return
    paint = parts.material("paper", "snow", "wall")
    if dice.chance(0.7):
        long, pitch = dice.uniform(2, 4), dice.uniform(5, 9)
        for number in range(9):
            parts.box(Frame(), paint, 0, -0.01, NEAR - 4 - number * pitch, 0.14, 0.013, long)
    else:
        parts.box(Frame(), paint, 0, -0.01, -30, 0.13, 0.013, 96)
    if dice.chance(0.35):
        z = dice.uniform(-20, 5)
        for number in range(int(road / 1.0)):
            parts.box(Frame(), paint, (number + 0.5) * 1.0 - road / 2, -0.01, z, 0.5, 0.013, 3.2)


def _traffic(parts: Assembly, road: float) -> None:
    """Parked and moving cars, vans and bicycles."""
    dice = parts.dice
    share = dice.uniform(0.0, 0.8)
    for side in (-1, 1):
        z = NEAR - dice.uniform(0, 6)
        while z > -55:
            if dice.chance(share):
                frame = Frame(side * (road / 2 - 1.05), 0, z, side * math.pi / 2 + dice.normal(0.03))
                if parts.claim(frame.x, frame.z, 2.2):
                    vehicles.van(parts, frame) if dice.chance(0.12) else vehicles.car(parts, frame)
            z -= dice.uniform(5.4, 9)
    for _ in range(dice.whole(0, 3)):
        side, z = dice.pick((-1, 1)), dice.uniform(-60, 5)
        if parts.claim(side * road / 4, z, 2.4):
            heading = side * math.pi / 2
            pick = vehicles.bicycle if dice.chance(0.2) else vehicles.car
            pick(parts, Frame(side * road / 4, 0, z, heading))


def _pavement(parts: Assembly, side: int, inner: float, width: float, kerb: float) -> None:
    """Trees, lamps, people and street furniture along one pavement."""
    dice = parts.dice
    line, pitch = side * (inner + 0.5), dice.uniform(7, 16)
    row = dice.pick(("trees", "lamps", "both", "none"))
    number, z = 0, NEAR - dice.uniform(0, pitch)
    tall = dice.uniform(4, 9)
    while z > -60:
        if row in ("trees", "both") and number % 2 == 0:
            nature.broadleaf(parts, Frame(line, kerb, z), tall * dice.uniform(0.85, 1.15))
        elif row in ("lamps", "both"):
            buildings.street_lamp(parts, Frame(line, kerb, z, -side * math.pi / 2))
        z -= pitch
        number += 1
    extras = (buildings.traffic_sign, buildings.bollard, buildings.bench, vehicles.bicycle, figures.animal)
    for _ in range(dice.whole(1, 9)):
        spot = Frame(
            side * (inner + dice.uniform(0.4, width - 0.3)),
            kerb,
            14 - dice.log(1, 60),
            dice.pick((0.0, 3.14, 1.57, -1.57)),
        )
        if parts.claim(spot.x, spot.z, 0.5):
            if dice.chance(0.6):
                figures.person(parts, spot)
            else:
                dice.pick(extras)(parts, spot)
