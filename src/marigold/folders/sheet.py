"""One picture of a photo and everything that was predicted for it."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from marigold.core.contact_sheet import WHITE, grid, labelled
from marigold.core.files import whole_file

TILE = 480
"""The longest side of a picture, in pixels."""
NARROWEST = 8
"""The least length of its other side."""
GAP = 12
SHAPE = 1.5
"""The width of the sheet is about this times its height."""


def write_sheet(path: Path, pictures: Mapping[str, np.ndarray]) -> Path:
    """Writes the contact sheet of pictures as JPEG and returns its path. Raises `OutputError`."""
    with whole_file(path) as file:
        Image.fromarray(sheet_of(pictures)).save(file, format="JPEG", quality=90)
    return path


def sheet_of(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures [H, W, 3] uint8 with their names below, all at the size of the first one, as one of them."""
    height, width = _fitted(*next(iter(pictures.values())).shape[:2])
    tiles = [
        labelled(np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)), name, gap=GAP)
        for name, picture in pictures.items()
    ]
    columns = _columns(len(tiles), max(tile.shape[1] for tile in tiles) + GAP, tiles[0].shape[0] + GAP)
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return np.pad(grid(rows, gap=GAP), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=WHITE)


def _fitted(height: int, width: int) -> tuple[int, int]:
    """A size with its longest side as `TILE`, and no side vanishing."""
    share = TILE / max(height, width)
    return max(NARROWEST, round(height * share)), max(NARROWEST, round(width * share))


def _columns(count: int, width: int, height: int) -> int:
    """The number of columns whose sheet comes closest to `SHAPE`, as little as possible of it empty."""

    def distance(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(columns * width / (rows * height) / SHAPE)) + math.log(columns * rows / count)

    return min(range(1, count + 1), key=distance)
