"""Six photographs above their depth maps, in one picture for the README.

python bench/photos.py [CHECKPOINT] [--steps N] [--resolution N] [--ensemble N] [--output docs/images/photos.jpg]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

import marigold
import photographs
from marigold.core.colour import colormap

WIDTH = 1200
GAP = 8
"""Pixels between neighbours, and around the whole."""
COLUMNS = 3
BAR = (320, 14)
"""Width and height of the colour bar."""
TEXT = 18


@dataclass(frozen=True)
class Options:
    """The picture to make; settings that are left out are the checkpoint's."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")] = "depth"
    steps: int | None = None
    resolution: int | None = None
    ensemble: int | None = None
    output: Path = Path("docs/images/photos.jpg")


def main(options: Options) -> None:
    """Predicts the six maps and writes the sheet."""
    predictor = marigold.load(options.checkpoint)
    pairs = []
    for path in photographs.paths():
        prediction = predictor.predict(
            path, steps=options.steps, resolution=options.resolution, ensemble=options.ensemble
        )
        pairs.append((Image.open(path).convert("RGB"), Image.fromarray(prediction.colorize()["depth"])))
        settings = ", ".join(f"{name} {value}" for name, value in prediction.report["settings"].items())
        print(f"{path.name}: {settings}")
    picture = sheet(pairs)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(options.output, quality=88, optimize=True)
    print(f"{options.output}: {picture.width} x {picture.height} pixels")


def sheet(pairs: Sequence[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Pairs of equal size in rows that all fill `WIDTH`, each photo above its map, and a colour bar at the bottom."""
    rows = [row(pairs[first : first + COLUMNS]) for first in range(0, len(pairs), COLUMNS)]
    blocks = [*rows, legend()]
    height = sum(block.height for block in blocks) + GAP * (len(rows) * 3 + 1)
    whole = Image.new("RGB", (WIDTH, height), "white")
    top = GAP
    for block in blocks:
        whole.paste(block, (0, top))
        top += block.height + 3 * GAP
    return whole


def row(pairs: Sequence[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Pairs side by side, all of the height at which together they are as wide as the sheet."""
    space = WIDTH - GAP * (len(pairs) + 1)
    height = round(space / sum(photo.width / photo.height for photo, _ in pairs))
    block = Image.new("RGB", (WIDTH, 2 * height + GAP), "white")
    edges = np.cumsum([0, *(height * photo.width / photo.height for photo, _ in pairs)])
    edges = np.rint(edges * space / edges[-1]).astype(int).tolist()
    for number, pair in enumerate(pairs):
        size = (edges[number + 1] - edges[number], height)
        left = edges[number] + GAP * (number + 1)
        for level, picture in enumerate(pair):
            block.paste(picture.resize(size, Image.Resampling.LANCZOS), (left, level * (height + GAP)))
    return block


def legend() -> Image.Image:
    """The colours of depth from near to far."""
    width, height = BAR
    colours = Image.fromarray(colormap(np.linspace(0, 1, width)[None].repeat(height, axis=0)))
    block = Image.new("RGB", (WIDTH, 2 * TEXT), "white")
    left, middle = (WIDTH - width) // 2, block.height // 2
    block.paste(colours, (left, middle - height // 2))
    draw, font = ImageDraw.Draw(block), ImageFont.load_default(TEXT)
    draw.text((left - 10, middle), "near", "black", font, anchor="rm")
    draw.text((left + width + 10, middle), "far", "black", font, anchor="lm")
    return block


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
