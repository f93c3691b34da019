"""Photos that are made up for timing: smooth colours with fine noise, which cost a reader what a photo costs."""

from pathlib import Path

import numpy as np
import PIL.Image

DISTINCT = 8
"""Different photos in a folder; the rest are copies of them."""


def make_photo(size: tuple[int, int], seed: int = 0) -> PIL.Image.Image:
    """An RGB photo of (width, height) pixels, the same one for a seed."""
    random = np.random.default_rng(seed)
    colours = PIL.Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    smooth = np.asarray(colours.resize(size, PIL.Image.Resampling.BICUBIC), dtype=np.int16)
    grain = random.integers(-6, 7, (size[1], size[0], 1), dtype=np.int16)
    return PIL.Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def make_folder(work: Path, size: tuple[int, int], count: int) -> Path:
    """A folder of so many JPEG files inside `work`; one that is there already is left as it is."""
    folder = work / f"photos-{count}"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for number in range(count):
            file = folder / f"{number:04}.jpg"
            if number < DISTINCT:
                make_photo(size, number).save(file, quality=90)
            else:
                file.write_bytes((folder / f"{number % DISTINCT:04}.jpg").read_bytes())
    return folder
