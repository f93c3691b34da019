"""What furniture and textiles are made of: wood, cloth, rugs, wallpaper."""

from marigold_scenes.palette import Colour, Dice, mixed, scaled
from marigold_scenes.roles.row import QUARTER, Recipe, Row, one_of, row


def timber(dice: Dice) -> Row:
    """Solid wood, oiled or lacquered."""
    a = dice.colour("timber")
    third, angle = dice.pick((2.0, 0.0), (1.0, 0.0), (2.0, QUARTER), (0.0, 0.0))
    return row(
        *(dice, "wood", a, scaled(a, dice.between(0.35, 0.7)), scaled(a, 0.2)),
        angle=angle,
        gain=0.0,
        contrast=dice.between(0.25, 1.0),
        warp=dice.between(0.3, 1.5),
        numbers=(0.0, 1.0, dice.scale(0.006, 0.03), third),
        rough=(dice.between(0.15, 0.5), 0.75),
        relief=dice.between(0.0, 0.15),
        vary=dice.between(0.03, 0.1),
        dirt=dice.between(0.0, 0.15),
    )


def planks(dice: Dice) -> Row:
    """Floor boards, parquet, decking."""
    a = dice.colour("timber")
    wide = dice.scale(0.06, 0.22)
    return row(
        *(dice, "wood", a, scaled(a, dice.between(0.4, 0.75)), scaled(a, dice.between(0.15, 0.4))),
        angle=dice.pick(0.0, QUARTER, QUARTER / 2, 0.0),
        gain=dice.between(0.1, 0.7),
        contrast=dice.between(0.25, 0.9),
        warp=dice.between(0.3, 1.5),
        numbers=(wide, wide * dice.between(5, 14), dice.scale(0.006, 0.025), -1.0),
        rough=(dice.between(0.15, 0.5), 0.75),
        relief=dice.between(0.0, 0.2),
        dirt=dice.between(0.0, 0.2),
    )


def painted_wood(dice: Dice) -> Row:
    """Painted wood, solid or in boards: the grain hardly shows."""
    a = dice.colour("paint")
    boards = dice.chance(0.4)
    return row(
        *(dice, "wood", a, scaled(a, 0.88), scaled(a, 0.4)),
        angle=dice.pick(0.0, QUARTER),
        gain=0.06,
        contrast=0.3,
        warp=0.6,
        numbers=(dice.scale(0.07, 0.2) if boards else 0.0, 3.0, 0.015, -1.0 if boards else 2.0),
        rough=(0.25, 0.6),
        relief=0.05,
        dirt=dice.between(0.0, 0.2),
    )


def cloth(dice: Dice) -> Row:
    """Woven fabric: plain, striped, chequered, dotted or printed."""
    colours = [dice.colour("cloth") for _ in range(4)]
    style = dice.weighted([(6, _plain_weave), (1.5, _striped), (1.2, _chequered), (0.5, _dotted), (0.8, _ornamented)])
    return style(dice, colours, dice.scale(0.02, 0.2), (0.75, 1.0), dice.between(0.05, 0.3))


def rug(dice: Dice) -> Row:
    """A carpet or rug: motif, stripes, pile."""
    colours = [dice.colour(tone) for tone in ("warm", "cloth", "warm", "cloth")]
    style = dice.weighted([(3, _ornamented), (1, _striped), (0.7, _chequered), (4, _plain_weave)])
    return style(dice, colours, dice.scale(0.1, 0.6), (0.85, 1.0), dice.between(0.1, 0.4))


def wallpaper(dice: Dice) -> Row:
    """Printed paper: motif, stripes or dots, close in tone."""
    a = dice.colour("paint")
    near = [mixed(a, dice.colour("cloth"), dice.between(0.1, 0.5)) for _ in range(3)]
    style = dice.pick(_ornamented, _ornamented, _striped, _dotted)
    return style(dice, [a, *near], dice.scale(0.05, 0.4), (0.5, 0.8), 0.0)


def _plain_weave(dice: Dice, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    a = colours[0]
    return row(
        *(dice, "weave", a, mixed(scaled(a, 0.8), colours[1], dice.pick(0.0, 0.1, 0.4)), colours[2]),
        period=dice.scale(0.002, 0.012),
        numbers=(dice.between(0.2, 1.0), 0.0, 0.0, 0.0),
        contrast=dice.between(0.1, 0.7),
        rough=rough,
        relief=relief,
        dirt=0.0,
    )


def _striped(dice: Dice, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        *(dice, "stripes", *colours),
        period=period,
        angle=dice.pick(0.0, 0.0, QUARTER, QUARTER / 2),
        numbers=(dice.between(0.2, 0.6), dice.pick(0.0, 0.05, 0.12), dice.unit(), 0.0),
        rough=rough,
        relief=relief,
        dirt=0.0,
    )


def _chequered(dice: Dice, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        *(dice, "checks", *colours),
        period=period,
        angle=dice.pick(0.0, 0.0, QUARTER / 2),
        numbers=(dice.between(0.35, 0.55), dice.pick(0.0, 1.0, 1.0), dice.pick(0.0, 0.06, 0.1), 0.0),
        rough=rough,
        relief=relief,
        dirt=0.0,
    )


def _dotted(dice: Dice, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        *(dice, "dots", *colours),
        period=period * 0.7,
        numbers=(dice.between(0.12, 0.42), dice.pick(0.0, 0.8), dice.pick(1.0, 0.6), 0.0),
        rough=rough,
        relief=relief,
        dirt=0.0,
    )


def _ornamented(dice: Dice, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        *(dice, "ornament", *colours),
        period=period * 1.5,
        aspect=dice.pick(1.0, 1.4, 0.7),
        angle=dice.pick(0.0, QUARTER / 2),
        numbers=(dice.between(0.01, 0.15), dice.between(0.0, 1.2), 0.0, 0.0),
        rough=rough,
        relief=relief,
        dirt=0.0,
    )


RECIPES: dict[str, Recipe] = {"wood": one_of((5, timber), (1.5, painted_wood)), "fabric": cloth, "rug": rug}
"""A recipe for each role of furniture and textiles."""
