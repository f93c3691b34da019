"""Scenes rendered on demand: an endless data set that needs no disk.

A key is `procedural/SEED/INDEX`; the same key is the same scene anywhere. Splits are ranges of indexes: training draws
from 0 upwards, validation and test have 200 scenes each, far away.
"""

from dataclasses import dataclass
from pathlib import Path

from marigold.core.errors import DataError
from marigold.core.sample import Camera, Sample
from marigold.datasets.base import Dataset, DatasetCard
from marigold.synth.families import FAMILIES

HELD_OUT = 200
FIRST = {"train": 0, "val": 1 << 40, "test": 1 << 41}


@dataclass(frozen=True)
class Procedural(Dataset):
    """Synthetic rooms, table-tops, streets, landscapes and groups of objects with exact fields."""

    size: int = 256
    """Height and width of the pictures in pixels."""
    families: tuple[str, ...] = FAMILIES
    """Which families of scenes to draw from."""
    seed: int = 0
    """The world: another seed gives other scenes everywhere."""
    length: int = 100_000
    """How many keys the training split lists; `key` makes one for any index."""

    card = DatasetCard(
        fields=("depth", "normals", "albedo", "roughness", "metallicity", "shading", "residual"),
        splits=tuple(FIRST),
        licence="Apache-2.0",
        source="rendered by marigold.synth",
    )

    def key(self, index: int) -> str:
        """The key of scene number `index` of this seed."""
        return f"procedural/{self.seed}/{index}"

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split; `root` is not used."""
        if split not in FIRST:
            raise DataError(f"procedural: no split named `{split}`; there are: {', '.join(FIRST)}")
        count = self.length if split == "train" else HELD_OUT
        return [self.key(FIRST[split] + number) for number in range(count)]

    def read(self, root: Path, key: str) -> Sample:
        """Renders one scene on the CPU: maps [C, H, W]."""
        from marigold.synth import render, scene

        seed, index = _parse(key)
        scenes = scene.build(seed, [index], self.families)
        batch = render.shoot(scenes, self.size, self.size)
        focal = 0.5 * self.size / float(scenes.tangent[0])
        camera = Camera(focal, focal, 0.5 * self.size, 0.5 * self.size)
        maps = {name: values[0] for name, values in batch.maps.items()}
        return Sample(key, batch.image[0], maps, {name: valid[0] for name, valid in batch.valid.items()}, camera)

    def read_many(self, root: Path, keys: list[str], device: str) -> Sample:
        """Renders several scenes at once on `device`: maps [B, C, H, W]."""
        from marigold.synth import render

        parsed = [_parse(key) for key in keys]
        seeds = {seed for seed, _ in parsed}
        if len(seeds) != 1:
            raise DataError(f"procedural: one batch holds keys of several seeds {sorted(seeds)}; read them separately")
        return render.render(seeds.pop(), [index for _, index in parsed], self.size, self.size, device, self.families)


def _parse(key: str) -> tuple[int, int]:
    parts = key.split("/")
    if len(parts) != 3 or parts[0] != "procedural" or not all(part.isdecimal() for part in parts[1:]):
        raise DataError(f"{key}: not a key of the procedural data set; keys look like procedural/0/17")
    return int(parts[1]), int(parts[2])
