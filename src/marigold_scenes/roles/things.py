"""What things are made of: metal, plastic, clay, paper, glass, pictures, lamps, cars."""

from marigold_scenes.palette import Dice, mixed, scaled
from marigold_scenes.roles.building import bricks, concrete, marble, plaster, tiles
from marigold_scenes.roles.furnishing import cloth, painted_wood, timber
from marigold_scenes.roles.nature import bark, food, rock
from marigold_scenes.roles.row import QUARTER, Recipe, Row, light, one_of, row


def metal(dice: Dice) -> Row:
    """Polished, brushed, or corroded metal."""
    a = dice.colour("metal")
    rusty = dice.chance(0.12)
    return row(
        *(dice, "noise", a, scaled(a, 0.85), scaled(a, 1.08)),
        period=dice.scale(0.003, 0.02),
        stretch=dice.pick((1.0, 1.0, 1.0), (25.0, 1.0, 1.0), (1.0, 25.0, 1.0), (1.0, 1.0, 25.0)),
        gain=0.7,
        contrast=dice.between(0.05, 0.4),
        rough=(dice.between(0.08, 0.35), dice.between(0.3, 0.6)),
        metal=1.0,
        relief=dice.pick(0.0, 0.0, 0.02, 0.05),
        vary=0.03,
        dirt=0.9 if rusty else dice.pick(0.0, 0.0, 0.15),
        soiled="rust" if rusty else "dirt",
    )


def plastic(dice: Dice) -> Row:
    """Moulded plastic or lacquer."""
    return row(dice, "plain", dice.colour("plastic"), rough=(0.1, dice.between(0.3, 0.9)), vary=0.02, dirt=0.0)


def ceramic(dice: Dice) -> Row:
    """Glazed or raw clay, plain, banded, speckled or painted."""
    a = dice.colour("glaze")
    return row(
        *(dice, dice.weighted([(5, "plain"), (2, "stripes"), (1, "dots"), (1.5, "noise"), (1, "ornament")]), a),
        *(dice.colour("glaze"), dice.colour("glaze")),
        period=dice.scale(0.015, 0.1),
        angle=QUARTER,
        numbers=(dice.between(0.1, 0.4), dice.between(0.0, 0.3), 0.6, 0.0),
        contrast=dice.between(0.1, 0.5),
        rough=(0.05, dice.between(0.15, 0.8)),
        vary=dice.between(0.01, 0.06),
        dirt=0.0,
    )


def cardboard(dice: Dice) -> Row:
    """Plain paper and cardboard."""
    a = dice.colour(dice.pick("white", "sand", "cloth"))
    return row(
        *(dice, "noise", a, scaled(a, 0.94), scaled(a, 1.03)),
        period=dice.scale(0.005, 0.1),
        rough=(0.8, 0.95),
        relief=0.02,
        dirt=dice.between(0.0, 0.15),
    )


def lettering(dice: Dice, tone: str = "print") -> Row:
    """A page, a cover, a label or a sign."""
    a = dice.colour(tone)
    ink = dice.colour("white" if sum(a) < 0.5 else "black")
    return row(
        *(dice, "lettering", a, ink, dice.colour("print"), dice.colour("print")),
        period=dice.scale(0.15, 0.5),
        aspect=dice.between(0.8, 1.6),
        numbers=(float(int(dice.scale(5, 40))), dice.pick(0.0, 0.9, 1.0), 0.0, 0.0),
        rough=(0.3, 0.8),
        vary=0.03,
        dirt=dice.pick(0.0, 0.0, 0.1),
    )


def page(dice: Dice) -> Row:
    """A printed page."""
    return lettering(dice, "white")


def landscape(dice: Dice) -> Row:
    """A painting of open country."""
    return row(
        *(dice, "scenery", dice.colour("sky"), dice.colour("sky"), dice.colour("leaf"), dice.colour("warm")),
        period=dice.between(0.6, 1.4),
        aspect=dice.between(0.6, 1.2),
        rough=(0.15, 0.6),
        vary=0.05,
        dirt=0.0,
    )


def poster(dice: Dice) -> Row:
    """An abstract print, a portrait, or a cloud of colours."""
    return row(
        *(dice, dice.pick("blocks", "portrait", "portrait", "noise"), dice.colour("print"), dice.colour("print")),
        *(dice.colour("print"), dice.colour("print")),
        period=dice.between(0.5, 1.2),
        aspect=dice.between(0.7, 1.4),
        contrast=0.9,
        numbers=(dice.between(2, 6), 0.0, 0.0, 0.0),
        rough=(0.15, 0.6),
        vary=0.05,
        dirt=0.0,
    )


def plain_cover(dice: Dice) -> Row:
    """A book bound in one colour, with bands."""
    return row(
        *(dice, dice.pick("plain", "stripes"), dice.colour("print"), dice.colour("print"), dice.colour("white")),
        period=dice.between(0.08, 0.3),
        angle=QUARTER,
        numbers=(dice.between(0.05, 0.3), 0.04, 0.6, 0.0),
        rough=(0.3, dice.between(0.4, 0.9)),
        vary=0.03,
        dirt=0.0,
    )


def car(dice: Dice) -> Row:
    """Car paint."""
    shine = (0.05, dice.between(0.1, 0.5))
    return row(dice, "plain", dice.colour("car"), rough=shine, metal=dice.pick(0.0, 0.0, 0.4), vary=0.015, dirt=0.0)


def glass(dice: Dice) -> Row:
    """Dark, smooth glass: windscreens, bottles, displays that are off."""
    return row(dice, "plain", dice.colour("glass"), rough=(0.03, dice.between(0.05, 0.12)), vary=0.02, dirt=0.0)


def lamp(dice: Dice) -> Row:
    """Something that shines."""
    return row(dice, "plain", dice.colour("white"), glow=light(dice, 2, 10), vary=0.02, dirt=0.0)


def screen(dice: Dice) -> Row:
    """A lit display: a glowing picture on black glass."""
    picture = [mixed((0.4, 0.4, 0.4), dice.colour("print"), 0.9) for _ in range(4)]
    return row(
        *(dice, dice.pick("scenery", "blocks", "lettering", "portrait"), *picture),
        period=dice.between(0.4, 1.2),
        aspect=0.6,
        numbers=(float(int(dice.between(4, 12))), 1.0, 0.0, 0.0),
        rough=(0.1, 0.3),
        glow=(power := dice.scale(0.3, 2.0), power, power * dice.between(0.95, 1.15)),
        vary=0.0,
        dirt=0.0,
    )


RECIPES: dict[str, Recipe] = {
    "metal": metal,
    "plastic": plastic,
    "ceramic": ceramic,
    "paper": one_of((1, page), (1, cardboard)),
    "book": one_of((1, lettering), (1, plain_cover)),
    "picture": one_of((4, landscape), (5, poster), (1, lettering)),
    "car": car,
    "glass": glass,
    "lamp": lamp,
    "screen": screen,
    "any": one_of(
        *((2, timber), (2, metal), (3, plastic), (1.5, ceramic), (1.5, rock), (2, cloth), (0.7, marble), (0.7, tiles)),
        *((0.5, bricks), (1, lettering), (1, food), (0.4, bark), (1, plaster), (1, painted_wood), (1, concrete)),
        *((0.7, cardboard), (0.7, poster)),
    ),
}
"""A recipe for each role of things."""
