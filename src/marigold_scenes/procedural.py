"""Scenes rendered on demand: an endless data set that needs no disk.

A key is `procedural/SEED/INDEX`; the same key is the same scene anywhere. Splits are ranges of indexes that never meet:
training draws from 0 upwards, validation and test have 200 scenes each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, overload

import torch

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.device import require_room
from marigold.core.errors import ConfigError, DataError
from marigold.core.find import unknown
from marigold.core.plain import word
from marigold.core.sample import Camera, Sample, unstack
from marigold.datasets.base import Dataset, DatasetCard
from marigold_scenes import render, scene
from marigold_scenes.families import FAMILIES
from marigold_scenes.hit_tests import HIT_TESTS
from marigold_scenes.scene import Scene

INDEXES = {"train": range(1 << 30), "val": range(1 << 40, (1 << 40) + 200), "test": range(1 << 41, (1 << 41) + 200)}

MOST_SIDE, MOST_SEED = 1 << 21, (1 << 63) - 1
BYTES_PER_PIXEL = 1000
"""Memory that a scene takes while it is rendered, measured at 256 to 1024 pixels a side."""
_KEY = re.compile("procedural/([0-9]{1,19})/([0-9]{1,19})")


@dataclass(frozen=True)
class Keys(Sequence[str]):
    """The keys of a range of scenes, made when they are asked for."""

    seed: int
    indexes: range

    def __len__(self) -> int:
        return len(self.indexes)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> "Keys": ...

    def __getitem__(self, place: int | slice) -> "str | Keys":
        if isinstance(place, slice):
            return Keys(self.seed, self.indexes[place])
        return f"procedural/{self.seed}/{self.indexes[place]}"


@dataclass(frozen=True)
class Procedural(Dataset):
    """Synthetic rooms, table-tops, streets, landscapes and groups of objects with exact fields."""

    pooled: ClassVar[bool] = True
    height: int = 256
    """Height of the pictures in pixels."""
    width: int = 256
    """Width of the pictures in pixels."""
    families: tuple[str, ...] = FAMILIES
    """Which families of scenes to draw from."""
    seed: int = 0
    """The world: another seed gives other scenes everywhere."""

    card = DatasetCard(
        fields=("depth", "normals", "albedo", "roughness", "metallicity", "shading", "residual"),
        splits=tuple(INDEXES),
        licence="Apache-2.0",
        source="rendered by marigold_scenes",
    )

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in FAMILIES:
                raise ConfigError(f"families: {unknown('family', word(family), FAMILIES)}")
        if not self.families:
            raise ConfigError(f"families: none is named; name some of {', '.join(FAMILIES)}, or leave them out for all")
        for name, value in (("height", self.height), ("width", self.width)):
            if not isinstance(value, int) or not 1 <= value <= MOST_SIDE:
                raise ConfigError(f"{name}: {value} pixels; it must be at least 1 and at most {MOST_SIDE}")
        require(isinstance(self.seed, int) and 0 <= self.seed <= MOST_SEED, "seed", self.seed, f"0 to {MOST_SEED}")

    def scan(self, root: Path, split: str) -> Keys:
        """The keys of a split; `root` is not used."""
        if split not in INDEXES:
            raise DataError(f"procedural: {unknown('split', split, INDEXES)}")
        return Keys(self.seed, INDEXES[split])

    def read(self, root: Path, key: str) -> Sample:
        """Renders one scene on the CPU."""
        (sample,) = unstack(self.read_many(root, [key], "cpu"), [key])
        return sample

    def prepare(self, root: Path, keys: list[str]) -> Scene:
        """Lays the scenes out; raises `DataError` for keys of several seeds."""
        parsed = [_parse(key) for key in keys]
        seeds = sorted({seed for seed, _ in parsed})
        if len(seeds) != 1:
            raise DataError(f"procedural: one batch holds keys of the seeds {seeds}; read them separately")
        return scene.build(seeds[0], [index for _, index in parsed], self.families)

    def compile(self) -> None:
        """Compiles the ray-caster of this process."""
        HIT_TESTS.compile()

    def finish(self, prepared: Scene, device: str) -> Sample:
        """Renders the scenes on the device; raises `ConfigError` where its memory cannot hold them."""
        scenes = len(prepared.keys)
        needed = scenes * self.height * self.width * BYTES_PER_PIXEL
        require_room(needed, device, f"{scenes} scenes of {self.height} x {self.width}", "render fewer or smaller ones")
        sample = render.shoot(prepared.to(device), self.height, self.width)
        focal = 0.5 * self.width / prepared.tangent.double().cpu()
        centre = (torch.full_like(focal, 0.5 * side) for side in (self.width, self.height))
        return replace(sample, camera=Camera(focal, focal, *centre))


def _parse(key: str) -> tuple[int, int]:
    found = _KEY.fullmatch(key)
    if found is None:
        raise DataError(f"{printable(key[:60])}: not a key of the procedural data set; keys look like procedural/0/17")
    return int(found[1]), int(found[2])
