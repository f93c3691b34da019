"""A folder of photos beside 16-bit depth in millimetres, as a depth camera leaves it."""

from pathlib import Path

import numpy as np
import PIL.Image


def write_pairs(root: Path, *, count: int, height: int = 48, width: int = 64) -> None:
    """Writes `rgb/0000.jpg`, `depth/0000.png` and so on: from 4 m at the top to 1 m below, and what is near is bright.

    The two columns on the left are 0, which means not measured.
    """
    (root / "rgb").mkdir(parents=True)
    (root / "depth").mkdir()
    for number in range(count):
        metres = np.linspace(4, 1, height)[:, None] + 0.1 * np.sin(np.arange(width) / 9 + number)
        millimetres = (1000 * metres).astype(np.uint16)
        millimetres[:, :2] = 0
        grey = (255 / metres.clip(1)).astype(np.uint8)
        PIL.Image.fromarray(np.stack([grey] * 3, axis=-1)).save(root / "rgb" / f"{number:04d}.jpg")
        PIL.Image.fromarray(millimetres).save(root / "depth" / f"{number:04d}.png")
