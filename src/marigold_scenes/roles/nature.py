"""What grows, lies and flows outdoors; and streets."""

from marigold_scenes.palette import Dice, mixed, scaled
from marigold_scenes.roles.building import marble
from marigold_scenes.roles.row import OUTDOORS, Recipe, Row, one_of, row


def rock(dice: Dice) -> Row:
    """Rock: grainy, layered, veined or broken."""
    a = dice.colour("stone")
    b, c = mixed(scaled(a, dice.between(0.5, 1.4)), dice.colour("stone"), 0.4), mixed(a, dice.colour("stone"), 0.6)
    return row(
        *(dice, dice.weighted([(6, "noise"), (0.7, "ridged"), (1, "pebbles")]), a, b, c),
        period=dice.scale(0.05, 0.8),
        stretch=dice.pick((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (3.0, 0.6, 3.0)),
        gain=dice.between(0.5, 0.7),
        contrast=dice.between(0.3, 1.0),
        warp=dice.between(0.0, 0.3),
        numbers=(dice.between(0.1, 0.5) if dice.chance(0.5) else dice.between(1, 3), 0.4, 0.3, 0.2),
        rough=(0.6, 0.95),
        relief=dice.between(0.08, 0.35),
        soiled=dice.pick("dirt", "moss"),
    )


def asphalt(dice: Dice) -> Row:
    """Tarmac with its stones, patches and wear."""
    a = dice.colour("asphalt")
    return row(
        *(dice, "pebbles", a, scaled(a, dice.between(1.2, 1.8)), scaled(a, 0.6)),
        period=dice.scale(0.008, 0.025),
        contrast=0.7,
        numbers=(0.3, 0.5, 0.2, 0.1),
        rough=(0.7, 0.95),
        relief=dice.between(0.1, 0.4),
        vary=dice.between(0.05, 0.18),
        dirt=dice.between(0.0, 0.4),
        patches=OUTDOORS,
    )


def grass(dice: Dice) -> Row:
    """A lawn or meadow."""
    a = dice.colour("grass")
    return row(
        *(dice, "foliage", a, mixed(dice.colour("grass"), a, 0.5), dice.colour("sand"), scaled(a, 0.35)),
        period=dice.scale(0.007, 0.035),
        stretch=(0.6, 2.0, 0.6),
        contrast=dice.between(0.4, 1.2),
        numbers=(dice.between(0.3, 0.7), dice.between(0.5, 1.2), 0.0, dice.between(0.4, 1.0)),
        rough=(0.6, 0.9),
        relief=dice.between(0.4, 0.8),
        vary=dice.between(0.1, 0.4),
        dirt=max(dice.between(-0.6, 0.8), 0.0),
        soiled="soil",
        patches=OUTDOORS,
    )


def leaf(dice: Dice) -> Row:
    """The crown of a tree, a bush, a pot plant."""
    a = dice.colour("leaf")
    return row(
        *(dice, "foliage", a, mixed(dice.colour("leaf"), a, 0.5), dice.colour("grass"), scaled(a, 0.3)),
        period=dice.scale(0.02, 0.065),
        stretch=dice.pick((1.0, 1.0, 1.0), (1.6, 0.7, 1.6), (0.7, 1.6, 0.7)),
        contrast=dice.between(0.4, 1.0),
        numbers=(dice.between(0.4, 0.9), dice.between(0.6, 1.4), 0.0, dice.between(0.6, 1.0)),
        rough=(dice.between(0.35, 0.6), 0.85),
        relief=dice.between(0.5, 1.0),
        vary=dice.between(0.08, 0.25),
        dirt=0.0,
    )


def soil(dice: Dice) -> Row:
    """Bare ground, mud, gravel, cracked earth."""
    a = dice.colour("soil")
    kind = dice.weighted([(5, "noise"), (2, "pebbles"), (0.7, "ridged")])
    return row(
        *(dice, kind, a, scaled(a, dice.between(0.5, 0.8)), mixed(a, dice.colour("sand"), dice.between(0.2, 0.8))),
        period=dice.scale(0.02, 0.08) if kind == "pebbles" else dice.scale(0.05, 0.6),
        gain=dice.between(0.55, 0.75),
        contrast=dice.between(0.4, 1.0),
        warp=0.2,
        numbers=(2.0 if kind == "ridged" else 0.25, 0.5, 0.4, 0.2),
        rough=(0.8, 1.0),
        relief=dice.between(0.1, 0.35),
        vary=dice.between(0.1, 0.35),
        soiled=dice.pick("moss", "dirt", "grass"),
        patches=OUTDOORS,
    )


def sand(dice: Dice) -> Row:
    """Sand, smooth or with ripples."""
    a = dice.colour("sand")
    return row(
        *(dice, "noise", a, scaled(a, 0.82), scaled(a, 1.1)),
        period=dice.scale(0.05, 0.6),
        stretch=(dice.scale(1, 6), 1.0, 1.0),
        contrast=dice.between(0.2, 0.6),
        gain=0.5,
        rough=(0.85, 1.0),
        relief=dice.between(0.03, 0.22),
        dirt=dice.between(0.0, 0.25),
        patches=OUTDOORS,
    )


def snow(dice: Dice) -> Row:
    """Snow, sometimes with ground showing through."""
    a = dice.colour("snow")
    return row(
        *(dice, "noise", a, scaled(a, 0.93), a),
        period=dice.scale(0.3, 2.0),
        contrast=0.4,
        gain=0.45,
        rough=(0.6, 0.9),
        relief=dice.between(0.03, 0.15),
        vary=0.03,
        dirt=dice.pick(0.0, 0.0, 0.7),
        soiled="soil",
        patches=OUTDOORS,
    )


def water(dice: Dice) -> Row:
    """Still to rippled water."""
    a = dice.colour("water")
    return row(
        *(dice, "noise", a, scaled(a, 0.8), scaled(a, 1.2)),
        period=dice.scale(0.1, 1.5),
        stretch=(dice.scale(1, 3), 1.0, 1.0),
        contrast=0.3,
        gain=0.55,
        rough=(0.03, 0.1),
        relief=dice.between(0.01, 0.08),
        dirt=0.0,
    )


def bark(dice: Dice) -> Row:
    """The bark of a trunk: furrows along y."""
    a = dice.colour("bark")
    return row(
        *(dice, "ridged", a, scaled(a, dice.between(0.7, 1.4)), scaled(a, dice.between(0.35, 0.6))),
        period=dice.scale(0.02, 0.1),
        stretch=(1.0, dice.between(2.0, 6.0), 1.0),
        contrast=dice.between(0.4, 0.9),
        warp=0.2,
        numbers=(dice.between(0.8, 2.0), 0.0, 0.0, 0.0),
        rough=(0.8, 1.0),
        relief=dice.between(0.2, 0.6),
        soiled=dice.pick("moss", "dirt"),
    )


def skin(dice: Dice) -> Row:
    """Skin."""
    a = dice.colour("skin")
    shades = (a, scaled(a, 0.88), scaled(a, 1.05))
    return row(dice, "noise", *shades, period=0.06, contrast=0.4, rough=(0.4, 0.6), dirt=0.0)


def food(dice: Dice) -> Row:
    """Fruit, bread, vegetables."""
    a = dice.colour("food")
    kind = dice.weighted([(4, "noise"), (1, "plain"), (0.6, "stripes")])
    return row(
        *(dice, kind, a, mixed(scaled(a, 0.75), dice.colour("food"), 0.3), scaled(a, 1.2)),
        period=dice.scale(0.005, 0.06),
        stretch=dice.pick((1.0, 1.0, 1.0), (1.0, 4.0, 1.0)),
        contrast=dice.between(0.2, 0.8),
        numbers=(0.3, 0.1, 0.5, 0.0),
        rough=(dice.between(0.2, 0.5), 0.7),
        relief=dice.pick(0.0, 0.02, 0.06),
        dirt=0.0,
    )


RECIPES: dict[str, Recipe] = {
    "stone": one_of((5, rock), (1, marble)),
    "asphalt": asphalt,
    "grass": grass,
    "leaf": leaf,
    "soil": soil,
    "sand": sand,
    "snow": snow,
    "water": water,
    "bark": bark,
    "skin": skin,
    "food": food,
}
"""A recipe for each role in nature."""
