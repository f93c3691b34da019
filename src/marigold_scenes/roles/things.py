"""What things are made of: metal, plastic, clay, paper, glass, pictures, lamps, cars."""

from marigold_scenes.palette import colour, mixed, scaled
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles.building import bricks, concrete, marble, plaster, tiles
from marigold_scenes.roles.furnishing import cloth, painted_wood, timber
from marigold_scenes.roles.nature import bark, food, rock
from marigold_scenes.roles.row import QUARTER, Recipe, Row, light, one_of, row


def metal(rng: RandomStream) -> Row:
    """Polished, brushed, or corroded metal."""
    a = colour(rng, "metal")
    rusty = rng.chance(0.12)
    return row(
        rng, "noise", (a, scaled(a, 0.85), scaled(a, 1.08)),
        period=rng.log_uniform(0.003, 0.02),
        stretch=rng.pick(((1.0, 1.0, 1.0), (25.0, 1.0, 1.0), (1.0, 25.0, 1.0), (1.0, 1.0, 25.0))), gain=0.7,
        contrast=rng.uniform(0.05, 0.4),
        rough=(rng.uniform(0.08, 0.35), rng.uniform(0.3, 0.6)), metal=1.0, relief=rng.pick((0.0, 0.0, 0.02, 0.05)),
        vary=0.03, dirt=0.9 if rusty else rng.pick((0.0, 0.0, 0.15)), soiled="rust" if rusty else "dirt",
    )  # fmt: skip


def plastic(rng: RandomStream) -> Row:
    """Moulded plastic or lacquer."""
    return row(rng, "plain", (colour(rng, "plastic"),), rough=(0.1, rng.uniform(0.3, 0.9)), vary=0.02, dirt=0.0)


def ceramic(rng: RandomStream) -> Row:
    """Glazed or raw clay, plain, banded, speckled or painted."""
    a = colour(rng, "glaze")
    return row(
        rng, rng.weighted([(5, "plain"), (2, "stripes"), (1, "dots"), (1.5, "noise"), (1, "ornament")]),
        (a, colour(rng, "glaze"), colour(rng, "glaze")),
        period=rng.log_uniform(0.015, 0.1), angle=QUARTER,
        numbers=(rng.uniform(0.1, 0.4), rng.uniform(0.0, 0.3), 0.6, 0.0), contrast=rng.uniform(0.1, 0.5),
        rough=(0.05, rng.uniform(0.15, 0.8)), vary=rng.uniform(0.01, 0.06), dirt=0.0,
    )  # fmt: skip


def cardboard(rng: RandomStream) -> Row:
    """Plain paper and cardboard."""
    a = colour(rng, rng.pick(("white", "sand", "cloth")))
    return row(
        rng, "noise", (a, scaled(a, 0.94), scaled(a, 1.03)),
        period=rng.log_uniform(0.005, 0.1),
        rough=(0.8, 0.95), relief=0.02, dirt=rng.uniform(0.0, 0.15),
    )  # fmt: skip


def lettering(rng: RandomStream, tone: str = "print") -> Row:
    """A page, a cover, a label or a sign."""
    a = colour(rng, tone)
    ink = colour(rng, "white" if sum(a) < 0.5 else "black")
    return row(
        rng, "lettering", (a, ink, colour(rng, "print"), colour(rng, "print")),
        period=rng.log_uniform(0.15, 0.5), aspect=rng.uniform(0.8, 1.6),
        numbers=(float(int(rng.log_uniform(5, 40))), rng.pick((0.0, 0.9, 1.0)), 0.0, 0.0),
        rough=(0.3, 0.8), vary=0.03, dirt=rng.pick((0.0, 0.0, 0.1)),
    )  # fmt: skip


def page(rng: RandomStream) -> Row:
    """A printed page."""
    return lettering(rng, "white")


def landscape(rng: RandomStream) -> Row:
    """A painting of open country."""
    return row(
        rng, "scenery", (colour(rng, "sky"), colour(rng, "sky"), colour(rng, "leaf"), colour(rng, "warm")),
        period=rng.uniform(0.6, 1.4), aspect=rng.uniform(0.6, 1.2),
        rough=(0.15, 0.6), vary=0.05, dirt=0.0,
    )  # fmt: skip


def poster(rng: RandomStream) -> Row:
    """An abstract print, a portrait, or a cloud of colours."""
    return row(
        rng, rng.pick(("blocks", "portrait", "portrait", "noise")),
        (colour(rng, "print"), colour(rng, "print"), colour(rng, "print"), colour(rng, "print")),
        period=rng.uniform(0.5, 1.2), aspect=rng.uniform(0.7, 1.4), contrast=0.9,
        numbers=(rng.uniform(2, 6), 0.0, 0.0, 0.0),
        rough=(0.15, 0.6), vary=0.05, dirt=0.0,
    )  # fmt: skip


def plain_cover(rng: RandomStream) -> Row:
    """A book bound in one colour, with bands."""
    return row(
        rng, rng.pick(("plain", "stripes")), (colour(rng, "print"), colour(rng, "print"), colour(rng, "white")),
        period=rng.uniform(0.08, 0.3), angle=QUARTER, numbers=(rng.uniform(0.05, 0.3), 0.04, 0.6, 0.0),
        rough=(0.3, rng.uniform(0.4, 0.9)), vary=0.03, dirt=0.0,
    )  # fmt: skip


def car(rng: RandomStream) -> Row:
    """Car paint."""
    shine = (0.05, rng.uniform(0.1, 0.5))
    return row(rng, "plain", (colour(rng, "car"),), rough=shine, metal=rng.pick((0.0, 0.0, 0.4)), vary=0.015, dirt=0.0)


def glass(rng: RandomStream) -> Row:
    """Dark, smooth glass: windscreens, bottles, displays that are off."""
    return row(rng, "plain", (colour(rng, "glass"),), rough=(0.03, rng.uniform(0.05, 0.12)), vary=0.02, dirt=0.0)


def lamp(rng: RandomStream) -> Row:
    """Something that shines."""
    return row(rng, "plain", (colour(rng, "white"),), glow=light(rng, 2, 10), vary=0.02, dirt=0.0)


def screen(rng: RandomStream) -> Row:
    """A lit display: a glowing picture on black glass."""
    picture = [mixed((0.4, 0.4, 0.4), colour(rng, "print"), 0.9) for _ in range(4)]
    return row(
        rng, rng.pick(("scenery", "blocks", "lettering", "portrait")), picture,
        period=rng.uniform(0.4, 1.2), aspect=0.6, numbers=(float(int(rng.uniform(4, 12))), 1.0, 0.0, 0.0),
        rough=(0.1, 0.3), glow=(power := rng.log_uniform(0.3, 2.0), power, power * rng.uniform(0.95, 1.15)), vary=0.0,
        dirt=0.0,
    )  # fmt: skip


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
