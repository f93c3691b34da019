"""What grows, lies and flows outdoors; and streets."""

from marigold_scenes.palette import colour, mixed, scaled
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles.building import marble
from marigold_scenes.roles.row import OUTDOORS, Recipe, Row, one_of, row


def rock(rng: RandomStream) -> Row:
    """Rock: grainy, layered, veined or broken."""
    a = colour(rng, "stone")
    b, c = mixed(scaled(a, rng.uniform(0.5, 1.4)), colour(rng, "stone"), 0.4), mixed(a, colour(rng, "stone"), 0.6)
    return row(
        rng, rng.weighted([(6, "noise"), (0.7, "ridged"), (1, "pebbles")]), (a, b, c),
        period=rng.log_uniform(0.05, 0.8), stretch=rng.pick(((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (3.0, 0.6, 3.0))),
        gain=rng.uniform(0.5, 0.7), contrast=rng.uniform(0.3, 1.0), warp=rng.uniform(0.0, 0.3),
        numbers=(rng.uniform(0.1, 0.5) if rng.chance(0.5) else rng.uniform(1, 3), 0.4, 0.3, 0.2),
        rough=(0.6, 0.95), relief=rng.uniform(0.08, 0.35), soiled=rng.pick(("dirt", "moss")),
    )  # fmt: skip


def asphalt(rng: RandomStream) -> Row:
    """Tarmac with its stones, patches and wear."""
    a = colour(rng, "asphalt")
    return row(
        rng, "pebbles", (a, scaled(a, rng.uniform(1.2, 1.8)), scaled(a, 0.6)),
        period=rng.log_uniform(0.008, 0.025), contrast=0.7, numbers=(0.3, 0.5, 0.2, 0.1),
        rough=(0.7, 0.95), relief=rng.uniform(0.1, 0.4), vary=rng.uniform(0.05, 0.18), dirt=rng.uniform(0.0, 0.4),
        patches=OUTDOORS,
    )  # fmt: skip


def grass(rng: RandomStream) -> Row:
    """A lawn or meadow."""
    a = colour(rng, "grass")
    return row(
        rng, "foliage", (a, mixed(colour(rng, "grass"), a, 0.5), colour(rng, "sand"), scaled(a, 0.35)),
        period=rng.log_uniform(0.007, 0.035), stretch=(0.6, 2.0, 0.6), contrast=rng.uniform(0.4, 1.2),
        numbers=(rng.uniform(0.3, 0.7), rng.uniform(0.5, 1.2), 0.0, rng.uniform(0.4, 1.0)),
        rough=(0.6, 0.9), relief=rng.uniform(0.4, 0.8), vary=rng.uniform(0.1, 0.4),
        dirt=max(rng.uniform(-0.6, 0.8), 0.0), soiled="soil", patches=OUTDOORS,
    )  # fmt: skip


def leaf(rng: RandomStream) -> Row:
    """The crown of a tree, a bush, a pot plant."""
    a = colour(rng, "leaf")
    return row(
        rng, "foliage", (a, mixed(colour(rng, "leaf"), a, 0.5), colour(rng, "grass"), scaled(a, 0.3)),
        period=rng.log_uniform(0.02, 0.065), stretch=rng.pick(((1.0, 1.0, 1.0), (1.6, 0.7, 1.6), (0.7, 1.6, 0.7))),
        contrast=rng.uniform(0.4, 1.0),
        numbers=(rng.uniform(0.4, 0.9), rng.uniform(0.6, 1.4), 0.0, rng.uniform(0.6, 1.0)),
        rough=(rng.uniform(0.35, 0.6), 0.85), relief=rng.uniform(0.5, 1.0), vary=rng.uniform(0.08, 0.25), dirt=0.0,
    )  # fmt: skip


def soil(rng: RandomStream) -> Row:
    """Bare ground, mud, gravel, cracked earth."""
    a = colour(rng, "soil")
    kind = rng.weighted([(5, "noise"), (2, "pebbles"), (0.7, "ridged")])
    return row(
        rng, kind, (a, scaled(a, rng.uniform(0.5, 0.8)), mixed(a, colour(rng, "sand"), rng.uniform(0.2, 0.8))),
        period=rng.log_uniform(0.02, 0.08) if kind == "pebbles" else rng.log_uniform(0.05, 0.6),
        gain=rng.uniform(0.55, 0.75), contrast=rng.uniform(0.4, 1.0), warp=0.2,
        numbers=(2.0 if kind == "ridged" else 0.25, 0.5, 0.4, 0.2),
        rough=(0.8, 1.0), relief=rng.uniform(0.1, 0.35), vary=rng.uniform(0.1, 0.35),
        soiled=rng.pick(("moss", "dirt", "grass")), patches=OUTDOORS,
    )  # fmt: skip


def sand(rng: RandomStream) -> Row:
    """Sand, smooth or with ripples."""
    a = colour(rng, "sand")
    return row(
        rng, "noise", (a, scaled(a, 0.82), scaled(a, 1.1)),
        period=rng.log_uniform(0.05, 0.6), stretch=(rng.log_uniform(1, 6), 1.0, 1.0), contrast=rng.uniform(0.2, 0.6),
        gain=0.5,
        rough=(0.85, 1.0), relief=rng.uniform(0.03, 0.22), dirt=rng.uniform(0.0, 0.25), patches=OUTDOORS,
    )  # fmt: skip


def snow(rng: RandomStream) -> Row:
    """Snow, sometimes with ground showing through."""
    a = colour(rng, "snow")
    return row(
        rng, "noise", (a, scaled(a, 0.93), a),
        period=rng.log_uniform(0.3, 2.0), contrast=0.4, gain=0.45,
        rough=(0.6, 0.9), relief=rng.uniform(0.03, 0.15), vary=0.03, dirt=rng.pick((0.0, 0.0, 0.7)), soiled="soil",
        patches=OUTDOORS,
    )  # fmt: skip


def water(rng: RandomStream) -> Row:
    """Still to rippled water."""
    a = colour(rng, "water")
    return row(
        rng, "noise", (a, scaled(a, 0.8), scaled(a, 1.2)),
        period=rng.log_uniform(0.1, 1.5), stretch=(rng.log_uniform(1, 3), 1.0, 1.0), contrast=0.3, gain=0.55,
        rough=(0.03, 0.1), relief=rng.uniform(0.01, 0.08), dirt=0.0,
    )  # fmt: skip


def bark(rng: RandomStream) -> Row:
    """The bark of a trunk: furrows along y."""
    a = colour(rng, "bark")
    return row(
        rng, "ridged", (a, scaled(a, rng.uniform(0.7, 1.4)), scaled(a, rng.uniform(0.35, 0.6))),
        period=rng.log_uniform(0.02, 0.1), stretch=(1.0, rng.uniform(2.0, 6.0), 1.0), contrast=rng.uniform(0.4, 0.9),
        warp=0.2, numbers=(rng.uniform(0.8, 2.0), 0.0, 0.0, 0.0),
        rough=(0.8, 1.0), relief=rng.uniform(0.2, 0.6), soiled=rng.pick(("moss", "dirt")),
    )  # fmt: skip


def skin(rng: RandomStream) -> Row:
    """Skin."""
    a = colour(rng, "skin")
    shades = (a, scaled(a, 0.88), scaled(a, 1.05))
    return row(rng, "noise", shades, period=0.06, contrast=0.4, rough=(0.4, 0.6), dirt=0.0)


def food(rng: RandomStream) -> Row:
    """Fruit, bread, vegetables."""
    a = colour(rng, "food")
    kind = rng.weighted([(4, "noise"), (1, "plain"), (0.6, "stripes")])
    return row(
        rng, kind, (a, mixed(scaled(a, 0.75), colour(rng, "food"), 0.3), scaled(a, 1.2)),
        period=rng.log_uniform(0.005, 0.06), stretch=rng.pick(((1.0, 1.0, 1.0), (1.0, 4.0, 1.0))),
        contrast=rng.uniform(0.2, 0.8), numbers=(0.3, 0.1, 0.5, 0.0),
        rough=(rng.uniform(0.2, 0.5), 0.7), relief=rng.pick((0.0, 0.02, 0.06)), dirt=0.0,
    )  # fmt: skip


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
