"""Renders 48 scenes into one picture for the docs: photographs, and under some rows their depth and normals.

python bench/contact_sheet.py [--output docs/images/scenes.jpg] [--seed 2024] [--size 192]
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image
from torch import Tensor

from marigold.core.contact_sheet import grid
from marigold.core.pictures import to_bytes
from marigold.core.sample import Sample
from marigold_scenes import render

COLUMNS, ROWS = 8, 6
EXPLAINED = (1, 4)
"""Rows that are followed by a row of depth and normals."""


@dataclass(frozen=True)
class Options:
    """The picture to make."""

    output: Path = Path("docs/images/scenes.jpg")
    seed: int = 2024
    size: int = 192


def main(options: Options) -> None:
    """Writes the contact sheet."""
    rows = []
    for row in range(ROWS):
        sample = render.render(
            options.seed, list(range(row * COLUMNS, (row + 1) * COLUMNS)), options.size, options.size
        )
        rows.append(_as_pictures(sample.image))
        if row in EXPLAINED:
            rows.append(_as_pictures(_maps(sample, options.size // 2)))
    sheet = grid(rows)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(options.output, quality=86, optimize=True)
    print(f"{options.output}: {ROWS * COLUMNS} scenes, {sheet.shape[1]} x {sheet.shape[0]} pixels")


def _as_pictures(images: Tensor) -> list[np.ndarray]:
    """[N, 3, H, W] in 0 to 1 as N pictures [H, W, 3] uint8."""
    return [to_bytes(image.permute(1, 2, 0).numpy()) for image in images]


def _maps(sample: Sample, size: int) -> Tensor:
    """Depth (bright is near, black is sky) and normals of every scene, each half as wide as its picture."""
    known = sample.valid["depth"]
    near = -sample.maps["depth"].log()
    low, high = (_extreme(near, known, pick) for pick in (torch.amin, torch.amax))
    depth = ((near - low) / (high - low).clamp_min(1e-3)).clamp(0, 1) * known
    normals = sample.maps["normals"] * 0.5 + 0.5
    pair = torch.cat((depth.expand(-1, 3, -1, -1), normals), 3)
    return torch.nn.functional.interpolate(pair, (size, 2 * size), mode="area")


def _extreme(values: Tensor, known: Tensor, pick) -> Tensor:
    """The least or greatest known value of every picture, [B, 1, 1, 1]."""
    filler = -float("inf") if pick is torch.amax else float("inf")
    return pick(torch.where(known, values, filler), (1, 2, 3), keepdim=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
