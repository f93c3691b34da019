"""What buildings are made of: walls, floors, roofs, windows."""

from marigold_scenes.palette import colour, mixed, scaled
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles import furnishing
from marigold_scenes.roles.row import OUTDOORS, QUARTER, Recipe, Row, light, one_of, row


def plaster(rng: RandomStream, tone: str = "paint") -> Row:
    """A painted wall: smooth, or with the relief of a roller or trowel."""
    a = colour(rng, tone)
    return row(
        rng, "noise", (a, scaled(a, 0.94), scaled(a, 1.04)),
        period=rng.log_uniform(0.01, 0.25), contrast=rng.uniform(0.1, 0.8),
        rough=(0.55, 0.9), relief=rng.pick((0.0, 0.0, 0.02, 0.05, 0.1)), vary=rng.uniform(0.01, 0.06),
        dirt=rng.pick((0.0, 0.0, 0.0, 0.1, 0.25)),
    )  # fmt: skip


def bricks(rng: RandomStream) -> Row:
    """Brickwork, sometimes painted."""
    a = colour(rng, "brick")
    b = mixed(scaled(a, rng.uniform(0.5, 1.2)), colour(rng, "brick"), 0.3)
    mortar = colour(rng, "mortar")
    if rng.chance(0.12):
        a = colour(rng, "paint")
        b, mortar = scaled(a, 0.95), scaled(a, 0.8)
    bond = rng.pick((0.5, 0.5, 0.5, 0.33, 0.25, 0.0))
    return row(
        rng, "masonry", (a, b, mortar),
        period=rng.uniform(0.19, 0.26), aspect=rng.uniform(0.27, 0.38), contrast=rng.uniform(0.2, 0.8),
        warp=rng.uniform(0.2, 1.2), numbers=(rng.uniform(0.007, 0.014), bond, rng.uniform(0.1, 0.55), 0.0),
        rough=(0.75, 0.95), relief=rng.uniform(0.15, 0.5), soiled="moss" if rng.chance(0.2) else "dirt",
    )  # fmt: skip


def tiles(rng: RandomStream) -> Row:
    """Glazed or stone tiles in grout, sometimes as a chess board."""
    a = colour(rng, rng.pick(("glaze", "glaze", "stone")))
    chess = rng.chance(0.2)
    aspect, bond = (1.0, 0.0) if chess else (rng.pick((1.0, 1.0, 0.5, 2.0, 0.33)), rng.pick((0.0, 0.0, 0.5)))
    return row(
        rng, "masonry", (a, scaled(a, rng.uniform(0.8, 1.1)), colour(rng, "mortar"), colour(rng, "stone")),
        period=rng.log_uniform(0.08, 0.6), aspect=aspect, angle=rng.pick((0.0, 0.0, 0.0, QUARTER / 2)),
        contrast=rng.uniform(0.05, 0.6), warp=0.03,
        numbers=(rng.uniform(0.002, 0.008), bond, rng.uniform(0.0, 0.2), float(chess)),
        rough=(rng.uniform(0.08, 0.5), 0.75), relief=rng.uniform(0.1, 0.3), dirt=rng.uniform(0.0, 0.25),
    )  # fmt: skip


def paving(rng: RandomStream) -> Row:
    """Slabs, setts and blocks."""
    a = colour(rng, rng.pick(("stone", "concrete")))
    bond = rng.pick((0.0, 0.5, -1.0))
    return row(
        rng, "masonry", (a, mixed(a, colour(rng, "stone"), 0.5), colour(rng, "soil"), scaled(a, 0.75)),
        period=rng.log_uniform(0.1, 0.8), aspect=rng.pick((1.0, 0.5, 0.7)),
        angle=rng.pick((0.0, 0.0, QUARTER / 2, rng.uniform(0, 3))), contrast=rng.uniform(0.3, 0.9),
        warp=rng.uniform(0.1, 1.0),
        numbers=(rng.uniform(0.005, 0.015), bond, rng.uniform(0.05, 0.4), rng.pick((0.0, 0.0, 0.0, 0.5))),
        rough=(0.65, 0.95), relief=rng.uniform(0.1, 0.4), patches=OUTDOORS,
    )  # fmt: skip


def concrete(rng: RandomStream) -> Row:
    """Cast concrete, stained by weather."""
    a = colour(rng, "concrete")
    return row(
        rng, "noise", (a, scaled(a, 0.75), scaled(a, 1.2)),
        period=rng.log_uniform(0.1, 1.0), stretch=rng.pick(((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 4.0, 1.0))),
        gain=rng.uniform(0.55, 0.75), contrast=rng.uniform(0.2, 0.7),
        rough=(0.75, 0.95), relief=rng.pick((0.0, 0.03, 0.08)), vary=rng.uniform(0.05, 0.15),
        dirt=rng.uniform(0.0, 0.5),
    )  # fmt: skip


def marble(rng: RandomStream) -> Row:
    """Polished stone: veined marble, or speckled granite and terrazzo."""
    a = colour(rng, rng.pick(("white", "stone", "stone", "black")))
    b, c = mixed(a, colour(rng, "stone"), 0.4), colour(rng, "stone")
    if rng.chance(0.5):
        return row(
            rng, "ridged", (a, b, c),
            period=rng.log_uniform(0.1, 0.7), contrast=rng.uniform(0.3, 0.9), warp=rng.uniform(0.1, 0.5),
            numbers=(rng.uniform(2, 7), 0.0, 0.0, 0.0),
            rough=(0.06, 0.3), dirt=0.0,
        )  # fmt: skip
    return row(
        rng, "pebbles", (a, c, b),
        period=rng.log_uniform(0.004, 0.025), contrast=0.4, numbers=(0.2, 0.7, 0.0, 0.0),
        rough=(0.06, 0.35), dirt=0.0,
    )  # fmt: skip


def roof(rng: RandomStream) -> Row:
    """Tiles, shingles, slates or standing seams."""
    a = colour(rng, "roof")
    seams = rng.chance(0.2)
    return row(
        rng, "masonry", (a, scaled(a, rng.uniform(0.6, 1.0)), scaled(a, rng.uniform(0.3, 0.6))),
        period=rng.uniform(0.4, 0.6) if seams else rng.uniform(0.2, 0.4),
        aspect=20.0 if seams else rng.uniform(0.8, 1.3), contrast=rng.uniform(0.2, 0.6), warp=0.2,
        numbers=(rng.uniform(0.01, 0.025), 0.5, rng.uniform(0.05, 0.4), 0.0),
        rough=(0.5, 0.9), relief=rng.uniform(0.2, 0.6), soiled="moss", patches=OUTDOORS,
    )  # fmt: skip


def window(rng: RandomStream) -> Row:
    """A glazed opening, centred on the origin, or a curtain wall: panes in a grid of frames, some of them lit."""
    frame = colour(rng, rng.pick(("white", "white", "timber", "grey", "black")))
    return row(
        rng, "facade", (frame, colour(rng, "glass"), frame, colour(rng, "white")),
        period=rng.uniform(0.7, 1.8), aspect=rng.uniform(0.9, 1.8), contrast=0.0,
        numbers=(0.93, 0.95, rng.pick((0.0, 0.0, 0.15, 1.0)), float(rng.pick((1, 1, 2, 3)))),
        rough=(0.04, 0.5), glow=light(rng, 0.2, 2.0), vary=0.03, dirt=0.0,
    )  # fmt: skip


def facade(rng: RandomStream) -> Row:
    """The wall of a building with its windows."""
    a = colour(rng, rng.pick(("paint", "paint", "brick", "concrete", "stone")))
    lit = rng.pick((0.0, 0.0, 0.05, 0.3))
    return row(
        rng, "facade",
        (a, colour(rng, "glass"), colour(rng, rng.pick(("white", "grey", "timber", "black"))), colour(rng, "white")),
        period=rng.uniform(1.8, 4.0), aspect=rng.uniform(0.8, 1.5), contrast=rng.pick((0.0, 0.5, 1.0)),
        warp=rng.pick((0.0, 0.0, 0.0, rng.uniform(0.12, 0.25))),
        numbers=(rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.75), lit, float(rng.pick((1, 2, 2, 3)))),
        rough=(0.05, 0.85), glow=light(rng, 0.2, 1.2), dirt=rng.uniform(0.0, 0.35),
    )  # fmt: skip


RECIPES: dict[str, Recipe] = {
    "wall": one_of(
        *((6, plaster), (1.3, furnishing.wallpaper), (0.8, bricks), (0.6, tiles), (0.5, furnishing.planks)),
        (0.5, concrete),
    ),
    "floor": one_of(
        (5, furnishing.planks), (3, tiles), (1.5, furnishing.rug), (1, marble), (1, concrete), (0.7, plaster)
    ),
    "ceiling": lambda rng: plaster(rng, "white"),
    "brick": bricks,
    "tile": tiles,
    "paving": paving,
    "concrete": one_of((4, concrete), (1, paving)),
    "roof": roof,
    "window": window,
    "facade": facade,
}
"""A recipe for each role in buildings."""
