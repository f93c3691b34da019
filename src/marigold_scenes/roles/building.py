"""What buildings are made of: walls, floors, roofs, windows."""

from marigold_scenes.palette import Dice, mixed, scaled
from marigold_scenes.roles import furnishing
from marigold_scenes.roles.row import OUTDOORS, QUARTER, Recipe, Row, light, one_of, row


def plaster(dice: Dice, tone: str = "paint") -> Row:
    """A painted wall: smooth, or with the relief of a roller or trowel."""
    a = dice.colour(tone)
    return row(
        *(dice, "noise", a, scaled(a, 0.94), scaled(a, 1.04)),
        period=dice.scale(0.01, 0.25),
        contrast=dice.between(0.1, 0.8),
        rough=(0.55, 0.9),
        relief=dice.pick(0.0, 0.0, 0.02, 0.05, 0.1),
        vary=dice.between(0.01, 0.06),
        dirt=dice.pick(0.0, 0.0, 0.0, 0.1, 0.25),
    )


def bricks(dice: Dice) -> Row:
    """Brickwork, sometimes painted."""
    a = dice.colour("brick")
    b = mixed(scaled(a, dice.between(0.5, 1.2)), dice.colour("brick"), 0.3)
    mortar = dice.colour("mortar")
    if dice.chance(0.12):
        a = dice.colour("paint")
        b, mortar = scaled(a, 0.95), scaled(a, 0.8)
    bond = dice.pick(0.5, 0.5, 0.5, 0.33, 0.25, 0.0)
    return row(
        *(dice, "masonry", a, b, mortar),
        period=dice.between(0.19, 0.26),
        aspect=dice.between(0.27, 0.38),
        contrast=dice.between(0.2, 0.8),
        warp=dice.between(0.2, 1.2),
        numbers=(dice.between(0.007, 0.014), bond, dice.between(0.1, 0.55), 0.0),
        rough=(0.75, 0.95),
        relief=dice.between(0.15, 0.5),
        soiled="moss" if dice.chance(0.2) else "dirt",
    )


def tiles(dice: Dice) -> Row:
    """Glazed or stone tiles in grout, sometimes as a chess board."""
    a = dice.colour(dice.pick("glaze", "glaze", "stone"))
    chess = dice.chance(0.2)
    aspect, bond = (1.0, 0.0) if chess else (dice.pick(1.0, 1.0, 0.5, 2.0, 0.33), dice.pick(0.0, 0.0, 0.5))
    return row(
        *(dice, "masonry", a, scaled(a, dice.between(0.8, 1.1)), dice.colour("mortar"), dice.colour("stone")),
        period=dice.scale(0.08, 0.6),
        aspect=aspect,
        angle=dice.pick(0.0, 0.0, 0.0, QUARTER / 2),
        contrast=dice.between(0.05, 0.6),
        warp=0.03,
        numbers=(dice.between(0.002, 0.008), bond, dice.between(0.0, 0.2), float(chess)),
        rough=(dice.between(0.08, 0.5), 0.75),
        relief=dice.between(0.1, 0.3),
        dirt=dice.between(0.0, 0.25),
    )


def paving(dice: Dice) -> Row:
    """Slabs, setts and blocks."""
    a = dice.colour(dice.pick("stone", "concrete"))
    bond = dice.pick(0.0, 0.5, -1.0)
    return row(
        *(dice, "masonry", a, mixed(a, dice.colour("stone"), 0.5), dice.colour("soil"), scaled(a, 0.75)),
        period=dice.scale(0.1, 0.8),
        aspect=dice.pick(1.0, 0.5, 0.7),
        angle=dice.pick(0.0, 0.0, QUARTER / 2, dice.between(0, 3)),
        contrast=dice.between(0.3, 0.9),
        warp=dice.between(0.1, 1.0),
        numbers=(dice.between(0.005, 0.015), bond, dice.between(0.05, 0.4), dice.pick(0.0, 0.0, 0.0, 0.5)),
        rough=(0.65, 0.95),
        relief=dice.between(0.1, 0.4),
        patches=OUTDOORS,
    )


def concrete(dice: Dice) -> Row:
    """Cast concrete, stained by weather."""
    a = dice.colour("concrete")
    return row(
        *(dice, "noise", a, scaled(a, 0.75), scaled(a, 1.2)),
        period=dice.scale(0.1, 1.0),
        stretch=dice.pick((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 4.0, 1.0)),
        gain=dice.between(0.55, 0.75),
        contrast=dice.between(0.2, 0.7),
        rough=(0.75, 0.95),
        relief=dice.pick(0.0, 0.03, 0.08),
        vary=dice.between(0.05, 0.15),
        dirt=dice.between(0.0, 0.5),
    )


def marble(dice: Dice) -> Row:
    """Polished stone: veined marble, or speckled granite and terrazzo."""
    a = dice.colour(dice.pick("white", "stone", "stone", "black"))
    b, c = mixed(a, dice.colour("stone"), 0.4), dice.colour("stone")
    if dice.chance(0.5):
        return row(
            *(dice, "ridged", a, b, c),
            period=dice.scale(0.1, 0.7),
            contrast=dice.between(0.3, 0.9),
            warp=dice.between(0.1, 0.5),
            numbers=(dice.between(2, 7), 0.0, 0.0, 0.0),
            rough=(0.06, 0.3),
            dirt=0.0,
        )
    return row(
        *(dice, "pebbles", a, c, b),
        period=dice.scale(0.004, 0.025),
        contrast=0.4,
        numbers=(0.2, 0.7, 0.0, 0.0),
        rough=(0.06, 0.35),
        dirt=0.0,
    )


def roof(dice: Dice) -> Row:
    """Tiles, shingles, slates or standing seams."""
    a = dice.colour("roof")
    seams = dice.chance(0.2)
    return row(
        *(dice, "masonry", a, scaled(a, dice.between(0.6, 1.0)), scaled(a, dice.between(0.3, 0.6))),
        period=dice.between(0.4, 0.6) if seams else dice.between(0.2, 0.4),
        aspect=20.0 if seams else dice.between(0.8, 1.3),
        contrast=dice.between(0.2, 0.6),
        warp=0.2,
        numbers=(dice.between(0.01, 0.025), 0.5, dice.between(0.05, 0.4), 0.0),
        rough=(0.5, 0.9),
        relief=dice.between(0.2, 0.6),
        soiled="moss",
        patches=OUTDOORS,
    )


def window(dice: Dice) -> Row:
    """A glazed opening, centred on the origin, or a curtain wall: panes in a grid of frames, some of them lit."""
    frame = dice.colour(dice.pick("white", "white", "timber", "grey", "black"))
    return row(
        *(dice, "facade", frame, dice.colour("glass"), frame, dice.colour("white")),
        period=dice.between(0.7, 1.8),
        aspect=dice.between(0.9, 1.8),
        contrast=0.0,
        numbers=(0.93, 0.95, dice.pick(0.0, 0.0, 0.15, 1.0), float(dice.pick(1, 1, 2, 3))),
        rough=(0.04, 0.5),
        glow=light(dice, 0.2, 2.0),
        vary=0.03,
        dirt=0.0,
    )


def facade(dice: Dice) -> Row:
    """The wall of a building with its windows."""
    a = dice.colour(dice.pick("paint", "paint", "brick", "concrete", "stone"))
    lit = dice.pick(0.0, 0.0, 0.05, 0.3)
    return row(
        *(dice, "facade", a, dice.colour("glass"), dice.colour(dice.pick("white", "grey", "timber", "black"))),
        dice.colour("white"),
        period=dice.between(1.8, 4.0),
        aspect=dice.between(0.8, 1.5),
        contrast=dice.pick(0.0, 0.5, 1.0),
        warp=dice.pick(0.0, 0.0, 0.0, dice.between(0.12, 0.25)),
        numbers=(dice.between(0.3, 0.8), dice.between(0.4, 0.75), lit, float(dice.pick(1, 2, 2, 3))),
        rough=(0.05, 0.85),
        glow=light(dice, 0.2, 1.2),
        dirt=dice.between(0.0, 0.35),
    )


RECIPES: dict[str, Recipe] = {
    "wall": one_of(
        *((6, plaster), (1.3, furnishing.wallpaper), (0.8, bricks), (0.6, tiles), (0.5, furnishing.planks)),
        (0.5, concrete),
    ),
    "floor": one_of(
        (5, furnishing.planks), (3, tiles), (1.5, furnishing.rug), (1, marble), (1, concrete), (0.7, plaster)
    ),
    "ceiling": lambda dice: plaster(dice, "white"),
    "brick": bricks,
    "tile": tiles,
    "paving": paving,
    "concrete": one_of((4, concrete), (1, paving)),
    "roof": roof,
    "window": window,
    "facade": facade,
}
"""A recipe for each role in buildings."""
