"""One picture of a photo and everything that was predicted for it."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from marigold.core.files import whole_file

TILE = 480
"""The longest side of a tile, in pixels."""
GAP = 12
TEXT = 20
SHAPE = 1.5
"""The width of the sheet is about this times its height."""


def write_sheet(path: Path, tiles: Mapping[str, np.ndarray]) -> Path:
    """Writes the contact sheet of pictures as JPEG and returns its path. Raises `OutputError`."""
    with whole_file(path) as file:
        contact_sheet(tiles).save(file, format="JPEG", quality=90)
    return path


def contact_sheet(tiles: Mapping[str, np.ndarray]) -> Image.Image:
    """Pictures [H, W, 3] uint8 in rows, each with its name below; all are shown at the size of the first one."""
    first = next(iter(tiles.values()))
    width, height = _fitted(first.shape[1], first.shape[0])
    step = (width + GAP, height + TEXT + 2 * GAP)
    columns = _columns(len(tiles), step)
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * step[0] + GAP, rows * step[1] + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for number, (name, picture) in enumerate(tiles.items()):
        left, top = GAP + number % columns * step[0], GAP + number // columns * step[1]
        sheet.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS), (left, top))
        draw.text((left + width // 2, top + height + GAP // 2), name, "black", font, anchor="mt")
    return sheet


def _fitted(width: int, height: int) -> tuple[int, int]:
    """A size with its longest side as `TILE`, and no side vanishing."""
    longest = max(width, height)
    return max(1, round(width * TILE / longest)), max(1, round(height * TILE / longest))


def _columns(count: int, step: tuple[int, int]) -> int:
    """The number of columns whose sheet comes closest to `SHAPE`, as little as possible of it empty."""

    def distance(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = columns * rows / count
        return abs(math.log(columns * step[0] / (rows * step[1]) / SHAPE)) + math.log(empty)

    return min(range(1, count + 1), key=distance)
