"""A data set on the disk whose depth is in the red channel of its photos, and models whose answers are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from marigold.core import seeds
from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard

HEIGHT, WIDTH = 12, 16
KEYS = tuple(f"room/{index:03d}.png" for index in range(6))


@dataclass(frozen=True)
class Measured(Dataset):
    """Depth is 1 to 9 m and random; red is a tenth of it. A file `broken` or `refused` in the root names a key each."""

    empty: str = ""

    card = DatasetCard(
        ("depth",), ("test",), "none", "made up", (0.5, 20.0), mask="every pixel", counts={"test": len(KEYS)}
    )

    def scan(self, root: Path, split: str) -> list[str]:
        return list(KEYS)

    def read(self, root: Path, key: str) -> Sample:
        if key in named(root / "broken"):
            raise DataError(f"{key}: damaged; copy it again")
        if key in named(root / "refused"):
            raise RefusedSampleError(f"{key}: by rule")
        depth = 1 + 8 * torch.rand(1, HEIGHT, WIDTH, generator=seeds.stream(0, key))
        image = torch.cat([depth / 10, torch.zeros(2, HEIGHT, WIDTH)])
        valid = torch.full((1, HEIGHT, WIDTH), key != self.empty)
        return Sample(key, image, {"depth": depth}, {"depth": valid})


def named(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.is_file() else []


class Red:
    """Depth is what is red, which is right up to a scale and to rounding."""

    name = "red"

    def predict(self, photo: np.ndarray) -> np.ndarray:
        return photo[..., 0].astype(np.float32)


class Curved:
    """Depth to the power of two, which no scale and shift turns into depth."""

    def predict(self, photo: np.ndarray) -> np.ndarray:
        return photo[..., 0].astype(np.float32) ** 2
