"""What things are made of: for each role a recipe that rolls the dice for a packed material row."""

import math
from collections.abc import Callable

from marigold.synth import layout
from marigold.synth.palette import Colour, Dice, mixed, scaled

Row = list[float]
RIGHT = math.pi / 2


def row(
    dice: Dice,
    kind: str,
    a: Colour,
    b: Colour | None = None,
    c: Colour | None = None,
    d: Colour | None = None,
    *,
    period: float = 0.1,
    aspect: float = 1.0,
    angle: float = 0.0,
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    gain: float = 0.55,
    contrast: float = 0.5,
    warp: float = 0.0,
    numbers: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    rough: tuple[float, float] = (0.5, 0.7),
    metal: float = 0.0,
    relief: float = 0.0,
    glow: Colour = (0.0, 0.0, 0.0),
    vary: float | None = None,
    dirt: float | None = None,
    dirt_tone: str = "dirt",
) -> Row:
    """A packed row; colours that are left out follow `a`, and the age is rolled when it is not given."""
    b = b or scaled(a, dice.between(0.7, 1.3))
    c = c or scaled(a, dice.between(0.5, 1.4))
    vary = dice.between(0.02, 0.14) if vary is None else vary
    dirt = dice.between(0, 0.5) if dirt is None else dirt
    share = dice.between(0.05, 0.55)
    return [
        float(layout.KINDS.index(kind)),
        float(int(dice.unit() * (1 << 20))),
        *a,
        *b,
        *c,
        *(d or c),
        period,
        aspect,
        angle,
        *stretch,
        gain,
        contrast,
        warp,
        *numbers,
        *rough,
        metal,
        relief,
        *glow,
        vary,
        vary * dice.between(-0.3, 0.3),
        dice.scale(0.15, 1.5),
        dirt,
        share,
        *dice.colour(dirt_tone),
    ]


def plaster(dice: Dice, tone: str = "paint") -> Row:
    """A painted wall: smooth, or with the relief of a roller or trowel."""
    a = dice.colour(tone)
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.93),
        scaled(a, 1.04),
        period=dice.scale(0.01, 0.25),
        contrast=dice.between(0.1, 0.9),
        rough=(0.55, 0.9),
        relief=dice.pick(0.0, 0.05, 0.15, 0.3),
        vary=dice.between(0.01, 0.06),
        dirt=dice.pick(0.0, 0.0, 0.1, 0.3),
    )


def wallpaper(dice: Dice) -> Row:
    """Printed paper: motif, stripes or dots close in tone."""
    a = dice.colour("paint")
    b, c = mixed(a, dice.colour("cloth"), dice.between(0.15, 0.7)), mixed(a, dice.colour("any"), dice.between(0.1, 0.6))
    shared = {"rough": (0.5, 0.8), "vary": 0.03, "dirt": 0.0}
    return dice.pick(_ornament, _stripes, _dots)(dice, a, b, c, dice.scale(0.05, 0.5), shared)


def bricks(dice: Dice) -> Row:
    """Brickwork."""
    a = dice.colour("brick")
    long = dice.between(0.19, 0.26)
    return row(
        dice,
        "masonry",
        a,
        mixed(scaled(a, dice.between(0.5, 1.2)), dice.colour("brick"), 0.3),
        dice.colour("mortar"),
        period=long,
        aspect=dice.between(0.27, 0.38),
        contrast=dice.between(0.2, 0.7),
        warp=dice.between(0.2, 1.0),
        numbers=(dice.between(0.007, 0.014), dice.pick(0.5, 0.5, 0.33, 0.0), dice.between(0.1, 0.5), 0.0),
        rough=(0.75, 0.95),
        relief=dice.between(0.2, 0.6),
        dirt_tone="moss" if dice.chance(0.2) else "dirt",
    )


def tiles(dice: Dice) -> Row:
    """Glazed or stone tiles in grout, sometimes as a chess board."""
    a = dice.colour(dice.pick("glaze", "glaze", "stone"))
    chess = dice.pick(0.0, 0.0, 0.0, 1.0)
    return row(
        dice,
        "masonry",
        a,
        scaled(a, dice.between(0.8, 1.1)),
        dice.colour("mortar"),
        dice.colour("stone"),
        period=dice.scale(0.08, 0.6),
        aspect=dice.pick(1.0, 1.0, 0.5, 2.0, 0.33),
        angle=dice.pick(0.0, 0.0, 0.0, math.pi / 4),
        contrast=dice.between(0.05, 0.5),
        warp=0.05,
        numbers=(dice.between(0.002, 0.008), dice.pick(0.0, 0.0, 0.5), dice.between(0.0, 0.25), chess),
        rough=(dice.between(0.08, 0.5), 0.8),
        relief=dice.between(0.1, 0.4),
        dirt=dice.between(0, 0.3),
    )


def paving(dice: Dice) -> Row:
    """Slabs, setts and blocks."""
    a = dice.colour(dice.pick("stone", "concrete"))
    long = dice.scale(0.1, 0.8)
    return row(
        dice,
        "masonry",
        a,
        mixed(a, dice.colour("stone"), 0.6),
        dice.colour("soil"),
        scaled(a, 0.7),
        period=long,
        aspect=dice.pick(1.0, 0.5, 0.7),
        angle=dice.pick(0.0, 0.0, RIGHT / 2, dice.between(0, 3)),
        contrast=dice.between(0.3, 0.8),
        warp=dice.between(0.2, 1.2),
        numbers=(
            dice.between(0.005, 0.015),
            dice.pick(0.0, 0.5, -1.0),
            dice.between(0.1, 0.5),
            dice.pick(0.0, 0.0, 0.5),
        ),
        rough=(0.7, 0.95),
        relief=dice.between(0.2, 0.5),
    )


def timber(dice: Dice) -> Row:
    """Solid wood, oiled or lacquered."""
    a = dice.colour("timber")
    third, angle = dice.pick((2.0, 0.0), (2.0, 0.0), (2.0, RIGHT), (0.0, 0.0))
    return row(
        dice,
        "wood",
        a,
        scaled(a, dice.between(0.4, 0.75)),
        scaled(a, 0.2),
        angle=angle,
        contrast=dice.between(0.15, 0.8),
        warp=dice.between(0.3, 1.5),
        numbers=(0.0, 1.0, dice.scale(0.006, 0.03), third),
        rough=(dice.between(0.15, 0.5), 0.75),
        relief=dice.between(0.0, 0.2),
        vary=dice.between(0.03, 0.12),
        dirt=dice.between(0, 0.2),
    )


def planks(dice: Dice) -> Row:
    """Floor boards, parquet, decking."""
    a = dice.colour("timber")
    wide = dice.scale(0.06, 0.22)
    return row(
        dice,
        "wood",
        a,
        scaled(a, dice.between(0.45, 0.8)),
        scaled(a, dice.between(0.15, 0.4)),
        angle=dice.pick(0.0, RIGHT, RIGHT / 2, 0.0),
        gain=dice.between(0.1, 0.6),
        contrast=dice.between(0.15, 0.7),
        warp=dice.between(0.3, 1.5),
        numbers=(wide, wide * dice.between(5, 14), dice.scale(0.006, 0.025), -1.0),
        rough=(dice.between(0.15, 0.5), 0.75),
        relief=dice.between(0.0, 0.25),
        dirt=dice.between(0, 0.3),
    )


def painted_boards(dice: Dice) -> Row:
    """Painted wood: grain hardly shows."""
    a = dice.colour("paint")
    solid = dice.chance(0.6)
    return row(
        dice,
        "wood",
        a,
        scaled(a, 0.9),
        scaled(a, 0.4),
        angle=dice.pick(0.0, RIGHT),
        gain=0.06,
        contrast=0.3,
        warp=0.6,
        numbers=(0.0 if solid else dice.scale(0.07, 0.2), 3.0, 0.015, 2.0 if solid else -1.0),
        rough=(0.25, 0.6),
        relief=0.06,
        dirt=dice.between(0, 0.3),
    )


def cloth(dice: Dice, tone: str = "cloth") -> Row:
    """Woven fabric: plain, striped, chequered, dotted or printed."""
    a, b, c = dice.colour(tone), dice.colour(tone), dice.colour(tone)
    shared = {"rough": (0.75, 1.0), "relief": dice.between(0.05, 0.3), "dirt": 0.0}
    style = dice.weighted([(5, _weave), (1.5, _stripes), (1.2, _checks), (0.7, _dots), (1, _ornament)])
    return style(dice, a, b, c, dice.scale(0.02, 0.2), shared)


def rug(dice: Dice) -> Row:
    """A carpet or rug: motif, stripes, pile."""
    a, b, c = dice.colour("warm"), dice.colour("cloth"), dice.colour("warm")
    shared = {"rough": (0.85, 1.0), "relief": dice.between(0.1, 0.4), "dirt": dice.between(0, 0.2)}
    style = dice.weighted([(4, _ornament), (1, _stripes), (1, _checks), (3, _weave)])
    return style(dice, a, b, c, dice.scale(0.1, 0.6), shared)


def metal(dice: Dice) -> Row:
    """Polished, brushed, or corroded metal."""
    a = dice.colour("metal")
    axis = dice.pick((1.0, 1.0, 1.0), (25.0, 1.0, 1.0), (1.0, 25.0, 1.0), (1.0, 1.0, 25.0))
    rusty = dice.chance(0.15)
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.85),
        scaled(a, 1.08),
        period=dice.scale(0.003, 0.02),
        stretch=axis,
        gain=0.7,
        contrast=dice.between(0.05, 0.5),
        rough=(dice.between(0.08, 0.35), dice.between(0.3, 0.6)),
        metal=1.0,
        relief=dice.pick(0.0, 0.03, 0.1),
        dirt=0.9 if rusty else dice.between(0, 0.3),
        dirt_tone="rust" if rusty else "dirt",
        vary=0.04,
    )


def plastic(dice: Dice) -> Row:
    """Moulded plastic or lacquer."""
    a = dice.colour("plastic")
    return row(dice, "plain", a, rough=(0.1, dice.between(0.3, 0.9)), vary=0.02, dirt=dice.pick(0.0, 0.0, 0.2))


def ceramic(dice: Dice) -> Row:
    """Glazed or raw clay, plain, banded or speckled."""
    a = dice.colour("glaze")
    kind = dice.pick("plain", "plain", "stripes", "pebbles", "dots", "noise")
    return row(
        dice,
        kind,
        a,
        dice.colour("glaze"),
        dice.colour("glaze"),
        period=dice.scale(0.01, 0.08),
        angle=RIGHT,
        numbers=(dice.between(0.1, 0.4), dice.between(0, 0.3), 0.6, 0.0),
        contrast=dice.between(0.1, 0.5),
        rough=(0.05, dice.between(0.15, 0.8)),
        vary=dice.between(0.01, 0.08),
        dirt=dice.pick(0.0, 0.0, 0.3),
    )


def paper(dice: Dice) -> Row:
    """Paper, cardboard, a label or a page."""
    if dice.chance(0.5):
        return lettering(dice, "white")
    a = dice.colour(dice.pick("white", "sand", "cloth"))
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.93),
        scaled(a, 1.03),
        period=dice.scale(0.005, 0.1),
        rough=(0.8, 0.95),
        relief=0.05,
        dirt=dice.between(0, 0.2),
    )


def lettering(dice: Dice, tone: str = "print") -> Row:
    """A page, a cover, a label or a sign."""
    a = dice.colour(tone)
    dark = sum(a) < 0.5
    return row(
        dice,
        "lettering",
        a,
        dice.colour("white" if dark else "black"),
        dice.colour("print"),
        dice.colour("print"),
        period=dice.scale(0.12, 0.4),
        aspect=dice.between(0.8, 1.6),
        numbers=(float(int(dice.scale(5, 40))), dice.pick(0.0, 0.9, 1.0), 0.0, 0.0),
        rough=(0.3, 0.8),
        dirt=dice.between(0, 0.15),
        vary=0.03,
    )


def picture(dice: Dice) -> Row:
    """A painting, a photograph or a poster."""
    kind = dice.weighted([(4, "scenery"), (2, "blocks"), (3, "portrait"), (1, "lettering"), (1, "noise")])
    size = dice.between(0.4, 0.9)
    if kind == "lettering":
        return lettering(dice)
    sky = kind == "scenery"
    a = dice.colour("sky" if sky else "print")
    return row(
        dice,
        kind,
        a,
        dice.colour("sky" if sky else "print"),
        dice.colour("leaf" if sky else "print"),
        dice.colour("warm" if sky else "print"),
        period=size,
        aspect=dice.between(0.6, 1.4),
        contrast=0.9,
        numbers=(dice.between(2, 6), 0.0, 0.0, 0.0),
        rough=(0.15, 0.6),
        vary=0.05,
        dirt=0.0,
    )


def book(dice: Dice) -> Row:
    """A cover or spine: mostly one colour, often with lettering."""
    if dice.chance(0.5):
        return lettering(dice)
    a = dice.colour("print")
    return row(
        dice,
        dice.pick("plain", "stripes"),
        a,
        dice.colour("print"),
        dice.colour("white"),
        angle=RIGHT,
        period=dice.between(0.08, 0.3),
        numbers=(dice.between(0.05, 0.3), 0.04, 0.6, 0.0),
        rough=(0.3, dice.between(0.4, 0.9)),
        vary=0.03,
        dirt=0.0,
    )


def stone(dice: Dice) -> Row:
    """Rock: grainy, layered, veined or broken."""
    a = dice.colour("stone")
    b, c = mixed(scaled(a, dice.between(0.5, 1.4)), dice.colour("stone"), 0.4), dice.colour("stone")
    kind = dice.weighted([(4, "noise"), (2, "ridged"), (1.5, "pebbles")])
    layered = dice.pick((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (3.0, 0.6, 3.0))
    return row(
        dice,
        kind,
        a,
        b,
        c,
        period=dice.scale(0.03, 0.6),
        stretch=layered,
        gain=dice.between(0.5, 0.75),
        contrast=dice.between(0.3, 1.0),
        warp=dice.between(0.0, 0.5),
        numbers=(dice.between(0.05, 0.4), 0.4, 0.4, 0.2),
        rough=(0.6, 0.95),
        relief=dice.between(0.1, 0.6),
        dirt_tone=dice.pick("dirt", "moss"),
    )


def marble(dice: Dice) -> Row:
    """Polished stone: veined marble or speckled granite."""
    a = dice.colour(dice.pick("white", "stone", "stone", "black"))
    b = mixed(a, dice.colour("stone"), 0.4)
    if dice.chance(0.5):
        return row(
            dice,
            "ridged",
            a,
            b,
            dice.colour("stone"),
            period=dice.scale(0.1, 0.7),
            contrast=dice.between(0.3, 0.9),
            warp=dice.between(0.2, 0.8),
            numbers=(dice.between(3, 9), 0.0, 0.0, 0.0),
            rough=(0.06, 0.3),
            dirt=0.0,
        )
    return row(
        dice,
        "pebbles",
        a,
        dice.colour("stone"),
        b,
        period=dice.scale(0.004, 0.02),
        contrast=0.5,
        numbers=(0.2, 0.7, 0.0, 0.0),
        rough=(0.06, 0.35),
        dirt=0.0,
    )


def concrete(dice: Dice) -> Row:
    """Cast concrete, stained by weather."""
    a = dice.colour("concrete")
    streaks = dice.pick((1.0, 1.0, 1.0), (1.0, 4.0, 1.0))
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.75),
        scaled(a, 1.2),
        period=dice.scale(0.05, 0.8),
        stretch=streaks,
        gain=dice.between(0.55, 0.75),
        contrast=dice.between(0.2, 0.7),
        rough=(0.75, 0.95),
        relief=dice.between(0.0, 0.25),
        vary=dice.between(0.05, 0.15),
        dirt=dice.between(0.0, 0.6),
    )


def asphalt(dice: Dice) -> Row:
    """Tarmac with its stones, patches and wear."""
    a = dice.colour("asphalt")
    return row(
        dice,
        "pebbles",
        a,
        scaled(a, dice.between(1.2, 1.8)),
        scaled(a, 0.6),
        period=dice.scale(0.008, 0.03),
        contrast=0.7,
        numbers=(0.3, 0.6, 0.3, 0.2),
        rough=(0.7, 0.95),
        relief=dice.between(0.1, 0.5),
        vary=dice.between(0.06, 0.2),
        dirt=dice.between(0, 0.5),
    )


def grass(dice: Dice) -> Row:
    """A lawn or meadow."""
    a = dice.colour("grass")
    return row(
        dice,
        "foliage",
        a,
        mixed(dice.colour("grass"), a, 0.5),
        dice.colour("sand"),
        scaled(a, 0.3),
        period=dice.scale(0.015, 0.07),
        stretch=(0.6, 2.0, 0.6),
        contrast=dice.between(0.4, 1.2),
        numbers=(dice.between(0.4, 0.8), dice.between(0.5, 1.2), 0.0, dice.between(0.4, 1.0)),
        rough=(0.6, 0.9),
        relief=dice.between(0.5, 1.0),
        vary=dice.between(0.1, 0.3),
        dirt=dice.between(0, 0.8),
        dirt_tone="soil",
    )


def leaf(dice: Dice) -> Row:
    """The crown of a tree, a bush, a pot plant."""
    a = dice.colour("leaf")
    return row(
        dice,
        "foliage",
        a,
        mixed(dice.colour("leaf"), a, 0.5),
        dice.colour("grass"),
        scaled(a, 0.2),
        period=dice.scale(0.03, 0.14),
        contrast=dice.between(0.4, 1.0),
        numbers=(dice.between(0.5, 0.95), dice.between(0.6, 1.4), 0.0, dice.between(0.6, 1.0)),
        rough=(dice.between(0.35, 0.6), 0.85),
        relief=dice.between(0.6, 1.2),
        vary=dice.between(0.08, 0.25),
        dirt=0.0,
    )


def soil(dice: Dice) -> Row:
    """Bare ground, mud, gravel."""
    a = dice.colour("soil")
    kind = dice.pick("noise", "noise", "pebbles", "ridged")
    return row(
        dice,
        kind,
        a,
        scaled(a, dice.between(0.5, 0.8)),
        mixed(a, dice.colour("sand"), dice.between(0.2, 0.8)),
        period=dice.scale(0.03, 0.5),
        gain=dice.between(0.6, 0.8),
        contrast=dice.between(0.4, 1.0),
        warp=0.3,
        numbers=(0.2, 0.5, 0.5, 0.3),
        rough=(0.8, 1.0),
        relief=dice.between(0.2, 0.6),
        vary=dice.between(0.1, 0.25),
        dirt_tone=dice.pick("moss", "dirt"),
    )


def sand(dice: Dice) -> Row:
    """Sand with ripples."""
    a = dice.colour("sand")
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.8),
        scaled(a, 1.1),
        period=dice.scale(0.05, 0.6),
        stretch=(dice.scale(1, 6), 1.0, 1.0),
        contrast=dice.between(0.2, 0.6),
        gain=0.6,
        rough=(0.85, 1.0),
        relief=dice.between(0.1, 0.5),
        dirt=dice.between(0, 0.3),
    )


def snow(dice: Dice) -> Row:
    """Snow, sometimes with ground showing through."""
    a = dice.colour("snow")
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.93),
        a,
        period=dice.scale(0.2, 1.5),
        contrast=0.5,
        rough=(0.6, 0.9),
        relief=dice.between(0.05, 0.25),
        vary=0.03,
        dirt=dice.pick(0.0, 0.0, 0.7),
        dirt_tone="soil",
    )


def water(dice: Dice) -> Row:
    """Still to rippled water."""
    a = dice.colour("water")
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.8),
        scaled(a, 1.2),
        period=dice.scale(0.1, 1.5),
        stretch=(dice.scale(1, 3), 1.0, 1.0),
        contrast=0.3,
        gain=0.6,
        rough=(0.03, 0.1),
        relief=dice.between(0.01, 0.12),
        dirt=0.0,
    )


def bark(dice: Dice) -> Row:
    """The bark of a trunk: furrows along y."""
    a = dice.colour("bark")
    return row(
        dice,
        "ridged",
        a,
        scaled(a, dice.between(0.6, 1.4)),
        scaled(a, 0.35),
        period=dice.scale(0.02, 0.1),
        stretch=(1.0, dice.between(2.0, 6.0), 1.0),
        contrast=dice.between(0.4, 0.9),
        warp=0.3,
        numbers=(dice.between(1.5, 3), 0.0, 0.0, 0.0),
        rough=(0.8, 1.0),
        relief=dice.between(0.3, 0.8),
        dirt_tone=dice.pick("moss", "dirt"),
    )


def roof(dice: Dice) -> Row:
    """Tiles, slates or sheet."""
    a = dice.colour("roof")
    sheet = dice.chance(0.2)
    return row(
        dice,
        "masonry",
        a,
        scaled(a, dice.between(0.6, 1.0)),
        scaled(a, 0.35),
        period=dice.between(0.2, 0.4),
        aspect=dice.between(0.8, 1.3),
        contrast=dice.between(0.2, 0.5),
        warp=0.3,
        numbers=(0.02, 0.0 if sheet else 0.5, dice.between(0.1, 0.5), 0.0),
        rough=(0.6, 0.9),
        relief=dice.between(0.3, 0.8),
        dirt_tone="moss",
    )


def skin(dice: Dice) -> Row:
    """Skin."""
    a = dice.colour("skin")
    return row(
        dice,
        "noise",
        a,
        scaled(a, 0.88),
        scaled(a, 1.05),
        period=0.06,
        contrast=0.4,
        rough=(0.4, 0.6),
        vary=0.06,
        dirt=0.0,
    )


def car(dice: Dice) -> Row:
    """Car paint."""
    a = dice.colour("car")
    return row(
        dice,
        "plain",
        a,
        rough=(0.05, dice.between(0.1, 0.5)),
        metal=dice.pick(0.0, 0.0, 0.4),
        vary=0.02,
        dirt=dice.between(0, 0.25),
    )


def glass(dice: Dice) -> Row:
    """Dark, smooth glass: windscreens, bottles, screens that are off."""
    return row(dice, "plain", dice.colour("glass"), rough=(0.03, dice.between(0.05, 0.12)), vary=0.02, dirt=0.0)


def window(dice: Dice) -> Row:
    """A glazed opening or a curtain wall: panes in a grid of frames, some of them lit."""
    frame = dice.colour(dice.pick("white", "timber", "grey", "black"))
    lit = dice.pick(0.0, 0.0, 0.15, 1.0)
    return row(
        dice,
        "facade",
        frame,
        dice.colour("glass"),
        frame,
        dice.colour("white"),
        period=dice.between(0.5, 1.6),
        aspect=dice.between(0.8, 1.8),
        numbers=(0.93, 0.95, lit, float(dice.pick(1, 1, 2))),
        rough=(0.04, 0.5),
        glow=_light(dice, 0.3, 2.5),
        vary=0.03,
        dirt=0.0,
    )


def facade(dice: Dice) -> Row:
    """The wall of a building with its windows."""
    a = dice.colour(dice.pick("paint", "brick", "concrete", "stone"))
    return row(
        dice,
        "facade",
        a,
        dice.colour("glass"),
        dice.colour(dice.pick("white", "grey", "timber")),
        dice.colour("white"),
        period=dice.between(1.8, 4.0),
        aspect=dice.between(0.8, 1.5),
        numbers=(
            dice.between(0.3, 0.8),
            dice.between(0.4, 0.75),
            dice.pick(0.0, 0.05, 0.3),
            float(dice.pick(1, 2, 2, 3)),
        ),
        rough=(0.05, 0.85),
        glow=_light(dice, 0.3, 1.5),
        dirt=dice.between(0, 0.4),
    )


def lamp(dice: Dice) -> Row:
    """Something that shines."""
    return row(dice, "plain", dice.colour("white"), glow=_light(dice, 2, 12), vary=0.02, dirt=0.0)


def screen(dice: Dice) -> Row:
    """A lit display."""
    kind = dice.pick("scenery", "blocks", "lettering", "portrait")
    return row(
        dice,
        kind,
        dice.colour("print"),
        dice.colour("print"),
        dice.colour("print"),
        dice.colour("print"),
        period=dice.between(0.3, 0.8),
        aspect=0.6,
        numbers=(float(int(dice.between(4, 20))), 1.0, 0.0, 0.0),
        rough=(0.1, 0.3),
        glow=_light(dice, 0.3, 1.5),
        vary=0.0,
        dirt=0.0,
    )


def food(dice: Dice) -> Row:
    """Fruit, bread, vegetables."""
    a = dice.colour("food")
    return row(
        dice,
        dice.pick("noise", "noise", "plain", "pebbles"),
        a,
        mixed(scaled(a, 0.7), dice.colour("food"), 0.35),
        scaled(a, 1.2),
        period=dice.scale(0.005, 0.06),
        contrast=dice.between(0.3, 0.9),
        numbers=(0.1, 0.3, 0.5, 0.0),
        rough=(dice.between(0.2, 0.5), 0.7),
        relief=dice.between(0, 0.2),
        dirt=0.0,
    )


def anything(dice: Dice) -> Row:
    """A material of any other role."""
    return dice.pick(
        timber,
        metal,
        plastic,
        ceramic,
        stone,
        cloth,
        marble,
        tiles,
        bricks,
        lettering,
        food,
        bark,
        plaster,
        painted_boards,
        concrete,
        paper,
    )(dice)


def _one_of(*weighted: tuple[float, Callable[[Dice], Row]]) -> Callable[[Dice], Row]:
    return lambda dice: dice.weighted(weighted)(dice)


def _light(dice: Dice, low: float, high: float) -> Colour:
    """Radiance of a lamp between candle and daylight colour."""
    warm, power = dice.unit(), dice.scale(low, high)
    return power, power * (1 - 0.35 * warm), power * (1 - 0.7 * warm)


def _ornament(dice: Dice, a: Colour, b: Colour, c: Colour, period: float, shared: dict) -> Row:
    return row(
        dice,
        "ornament",
        a,
        b,
        c,
        dice.colour("cloth"),
        period=period * 1.5,
        aspect=dice.pick(1.0, 1.4, 0.7),
        angle=dice.pick(0.0, RIGHT / 2),
        numbers=(dice.between(0.01, 0.1), dice.between(0, 1.2), 0.0, 0.0),
        **shared,
    )


def _stripes(dice: Dice, a: Colour, b: Colour, c: Colour, period: float, shared: dict) -> Row:
    return row(
        dice,
        "stripes",
        a,
        b,
        c,
        period=period,
        angle=dice.pick(0.0, 0.0, RIGHT, 0.8),
        numbers=(dice.between(0.2, 0.6), dice.pick(0.0, 0.05, 0.12), dice.unit(), 0.0),
        **shared,
    )


def _checks(dice: Dice, a: Colour, b: Colour, c: Colour, period: float, shared: dict) -> Row:
    return row(
        dice,
        "checks",
        a,
        b,
        c,
        period=period,
        angle=dice.pick(0.0, 0.0, RIGHT / 2),
        numbers=(dice.between(0.35, 0.55), dice.pick(0.0, 1.0, 1.0), dice.pick(0.0, 0.06, 0.1), 0.0),
        **shared,
    )


def _dots(dice: Dice, a: Colour, b: Colour, c: Colour, period: float, shared: dict) -> Row:
    return row(
        dice,
        "dots",
        a,
        b,
        c,
        period=period * 0.7,
        numbers=(dice.between(0.12, 0.42), dice.pick(0.0, 0.8), dice.pick(1.0, 0.6), 0.0),
        **shared,
    )


def _weave(dice: Dice, a: Colour, b: Colour, c: Colour, period: float, shared: dict) -> Row:
    near = mixed(a, b, dice.between(0.0, 0.3))
    return row(
        dice,
        "weave",
        a,
        near,
        c,
        period=dice.scale(0.002, 0.012),
        numbers=(dice.between(0.2, 1.0), 0.0, 0.0, 0.0),
        contrast=dice.between(0.1, 0.7),
        **shared,
    )


RECIPES: dict[str, Callable[[Dice], Row]] = {
    "wall": _one_of((6, plaster), (1.5, wallpaper), (1, bricks), (0.6, tiles), (0.5, planks), (0.5, concrete)),
    "floor": _one_of((5, planks), (3, tiles), (1.5, rug), (1, marble), (1, concrete), (0.7, plaster)),
    "ceiling": lambda dice: plaster(dice, "white"),
    "wood": _one_of((5, timber), (1.5, painted_boards)),
    "fabric": cloth,
    "metal": metal,
    "plastic": plastic,
    "ceramic": ceramic,
    "paper": paper,
    "stone": _one_of((4, stone), (1, marble)),
    "brick": bricks,
    "tile": tiles,
    "paving": paving,
    "concrete": _one_of((4, concrete), (1, paving)),
    "asphalt": asphalt,
    "grass": grass,
    "soil": soil,
    "sand": sand,
    "snow": snow,
    "water": water,
    "bark": bark,
    "leaf": leaf,
    "roof": roof,
    "skin": skin,
    "car": car,
    "glass": glass,
    "rug": rug,
    "picture": picture,
    "book": book,
    "food": food,
    "window": window,
    "facade": facade,
    "lamp": lamp,
    "screen": screen,
    "any": anything,
}
"""A recipe for each role."""
