"""What furniture and textiles are made of: wood, cloth, rugs, wallpaper."""

from marigold_scenes.palette import Colour, colour, mixed, scaled
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles.row import QUARTER, Recipe, Row, one_of, row


def timber(rng: RandomStream) -> Row:
    """Solid wood, oiled or lacquered."""
    a = colour(rng, "timber")
    third, angle = rng.pick(((2.0, 0.0), (1.0, 0.0), (2.0, QUARTER), (0.0, 0.0)))
    return row(
        rng, "wood", (a, scaled(a, rng.uniform(0.35, 0.7)), scaled(a, 0.2)),
        angle=angle, gain=0.0, contrast=rng.uniform(0.25, 1.0), warp=rng.uniform(0.3, 1.5),
        numbers=(0.0, 1.0, rng.log_uniform(0.006, 0.03), third),
        rough=(rng.uniform(0.15, 0.5), 0.75), relief=rng.uniform(0.0, 0.15), vary=rng.uniform(0.03, 0.1),
        dirt=rng.uniform(0.0, 0.15),
    )  # fmt: skip


def planks(rng: RandomStream) -> Row:
    """Floor boards, parquet, decking."""
    a = colour(rng, "timber")
    wide = rng.log_uniform(0.06, 0.22)
    return row(
        rng, "wood", (a, scaled(a, rng.uniform(0.4, 0.75)), scaled(a, rng.uniform(0.15, 0.4))),
        angle=rng.pick((0.0, QUARTER, QUARTER / 2, 0.0)), gain=rng.uniform(0.1, 0.7), contrast=rng.uniform(0.25, 0.9),
        warp=rng.uniform(0.3, 1.5), numbers=(wide, wide * rng.uniform(5, 14), rng.log_uniform(0.006, 0.025), -1.0),
        rough=(rng.uniform(0.15, 0.5), 0.75), relief=rng.uniform(0.0, 0.2), dirt=rng.uniform(0.0, 0.2),
    )  # fmt: skip


def painted_wood(rng: RandomStream) -> Row:
    """Painted wood, solid or in boards: the grain hardly shows."""
    a = colour(rng, "paint")
    boards = rng.chance(0.4)
    return row(
        rng, "wood", (a, scaled(a, 0.88), scaled(a, 0.4)),
        angle=rng.pick((0.0, QUARTER)), gain=0.06, contrast=0.3, warp=0.6,
        numbers=(rng.log_uniform(0.07, 0.2) if boards else 0.0, 3.0, 0.015, -1.0 if boards else 2.0),
        rough=(0.25, 0.6), relief=0.05, dirt=rng.uniform(0.0, 0.2),
    )  # fmt: skip


def cloth(rng: RandomStream) -> Row:
    """Woven fabric: plain, striped, chequered, dotted or printed."""
    colours = [colour(rng, "cloth") for _ in range(4)]
    style = rng.weighted([(6, _plain_weave), (1.5, _striped), (1.2, _chequered), (0.5, _dotted), (0.8, _ornamented)])
    return style(rng, colours, rng.log_uniform(0.02, 0.2), (0.75, 1.0), rng.uniform(0.05, 0.3))


def rug(rng: RandomStream) -> Row:
    """A carpet or rug: motif, stripes, pile."""
    colours = [colour(rng, tone) for tone in ("warm", "cloth", "warm", "cloth")]
    style = rng.weighted([(3, _ornamented), (1, _striped), (0.7, _chequered), (4, _plain_weave)])
    return style(rng, colours, rng.log_uniform(0.1, 0.6), (0.85, 1.0), rng.uniform(0.1, 0.4))


def wallpaper(rng: RandomStream) -> Row:
    """Printed paper: motif, stripes or dots, close in tone."""
    a = colour(rng, "paint")
    near = [mixed(a, colour(rng, "cloth"), rng.uniform(0.1, 0.5)) for _ in range(3)]
    style = rng.pick((_ornamented, _ornamented, _striped, _dotted))
    return style(rng, [a, *near], rng.log_uniform(0.05, 0.4), (0.5, 0.8), 0.0)


def _plain_weave(
    rng: RandomStream, colours: list[Colour], period: float, rough: tuple[float, float], relief: float
) -> Row:
    a = colours[0]
    return row(
        rng, "weave", (a, mixed(scaled(a, 0.8), colours[1], rng.pick((0.0, 0.1, 0.4))), colours[2]),
        period=rng.log_uniform(0.002, 0.012), numbers=(rng.uniform(0.2, 1.0), 0.0, 0.0, 0.0),
        contrast=rng.uniform(0.1, 0.7),
        rough=rough, relief=relief, dirt=0.0,
    )  # fmt: skip


def _striped(rng: RandomStream, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        rng, "stripes", colours,
        period=period, angle=rng.pick((0.0, 0.0, QUARTER, QUARTER / 2)),
        numbers=(rng.uniform(0.2, 0.6), rng.pick((0.0, 0.05, 0.12)), rng.random(), 0.0),
        rough=rough, relief=relief, dirt=0.0,
    )  # fmt: skip


def _chequered(
    rng: RandomStream, colours: list[Colour], period: float, rough: tuple[float, float], relief: float
) -> Row:
    return row(
        rng, "checks", colours,
        period=period, angle=rng.pick((0.0, 0.0, QUARTER / 2)),
        numbers=(rng.uniform(0.35, 0.55), rng.pick((0.0, 1.0, 1.0)), rng.pick((0.0, 0.06, 0.1)), 0.0),
        rough=rough, relief=relief, dirt=0.0,
    )  # fmt: skip


def _dotted(rng: RandomStream, colours: list[Colour], period: float, rough: tuple[float, float], relief: float) -> Row:
    return row(
        rng, "dots", colours,
        period=period * 0.7, numbers=(rng.uniform(0.12, 0.42), rng.pick((0.0, 0.8)), rng.pick((1.0, 0.6)), 0.0),
        rough=rough, relief=relief, dirt=0.0,
    )  # fmt: skip


def _ornamented(
    rng: RandomStream, colours: list[Colour], period: float, rough: tuple[float, float], relief: float
) -> Row:
    return row(
        rng, "ornament", colours,
        period=period * 1.5, aspect=rng.pick((1.0, 1.4, 0.7)), angle=rng.pick((0.0, QUARTER / 2)),
        numbers=(rng.uniform(0.01, 0.15), rng.uniform(0.0, 1.2), 0.0, 0.0),
        rough=rough, relief=relief, dirt=0.0,
    )  # fmt: skip


RECIPES: dict[str, Recipe] = {"wood": one_of((5, timber), (1.5, painted_wood)), "fabric": cloth, "rug": rug}
"""A recipe for each role of furniture and textiles."""
