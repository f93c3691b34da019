"""Contact sheets: pictures in rows and columns on white, each with a word below if there is one to say."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = 20
"""The height of the words, in pixels."""
WHITE = 255


def grid(rows: Sequence[Sequence[np.ndarray]] | np.ndarray, *, gap: int = 0) -> np.ndarray:
    """Pictures [H, W, 3] uint8, row by row, as one: `gap` pixels apart, centred in their columns.

    A column is as wide as its widest picture, a row as high as its highest; the last row may be shorter.
    """
    columns = max(map(len, rows))
    widths = [max(row[column].shape[1] for row in rows if column < len(row)) for column in range(columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    sheet = np.full((sum(heights) + gap * (len(rows) - 1), sum(widths) + gap * (columns - 1), 3), WHITE, np.uint8)
    top = 0
    for row, highest in zip(rows, heights, strict=True):
        left = 0
        for picture, widest in zip(row, widths, strict=False):
            height, width = picture.shape[:2]
            start = left + (widest - width) // 2
            sheet[top : top + height, start : start + width] = picture
            left += widest + gap
        top += highest + gap
    return sheet


def labelled(picture: np.ndarray, name: str, *, gap: int = 0) -> np.ndarray:
    """A picture [H, W, 3] uint8 above its name, `gap` pixels apart; as wide as both need."""
    font = ImageFont.load_default(TEXT)
    width = max(picture.shape[1], round(font.getlength(name)))
    words = Image.new("RGB", (width, TEXT + gap), "white")
    ImageDraw.Draw(words).text((width // 2, gap), name, "black", font, anchor="mt")
    return grid([[picture], [np.asarray(words)]])
