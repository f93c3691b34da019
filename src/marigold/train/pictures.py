"""Grids of training pictures."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

GAP = 4
"""White pixels between pictures."""


def save_grid(pictures: Tensor, path: Path) -> None:
    """Writes [rows, columns, 3, H, W] in -1 to 1 as one JPEG."""
    rows, columns, _, height, width = pictures.shape
    values = ((pictures.float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 1, 3, 4, 2).numpy()
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = values[row, column]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, quality=90)
