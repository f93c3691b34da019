"""One data set in a training mix: what to read, how much to keep, how to change it."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from marigold.core.config import beside, require
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.core.limits import BLOCK, SAMPLES, SIDE, WEIGHT
from marigold.data.augment import Augment
from marigold.datasets.base import Dataset


@dataclass(frozen=True)
class Source:
    """One data set in a mix, whose own settings lie beside these: `{dataset: photos, height: 192, weight: 3}`."""

    dataset: Dataset = beside()
    """A file in `datasets/` or the dotted name of a module; it is chosen in the recipe's file."""
    root: Path = Path()
    """The folder it lies in; data sets that render need none."""
    split: str = "train"
    """The part of the data set to read."""
    weight: float = 1.0
    """Share of the steps that use this source, relative to the other sources."""
    modality: str = ""
    """The modality whose targets this source gives; empty means the recipe's own."""
    resize: tuple[int, ...] = ()
    """Height and width in pixels that samples are brought to, whole; empty keeps their own."""
    augment: Augment = Augment()
    capacity: int = 512
    """Samples kept on the device, of a data set that is rendered or gives crops; others are read from the disk."""
    renewal: float = 1.0
    """Samples replaced by others at each step that draws from the mix."""
    block: int = 16
    """Samples read or rendered together."""
    optional: bool = False
    """Leave the source out when its folder does not exist."""

    def __post_init__(self) -> None:
        where = f"data source {self.name}: "
        require(0 <= self.weight <= WEIGHT, f"{where}weight", self.weight, f"0 to {WEIGHT:g}")
        require(1 <= self.capacity <= SAMPLES, f"{where}capacity", self.capacity, f"1 to {SAMPLES}")
        require(1 <= self.block <= BLOCK, f"{where}block", self.block, f"1 to {BLOCK}")
        require(0 <= self.renewal <= SAMPLES, f"{where}renewal", self.renewal, f"0 to {SAMPLES}")
        usable = len(self.resize) in (0, 2) and all(0 < side <= SIDE for side in self.resize)
        require(usable, f"{where}resize", list(self.resize[:9]), f"a height and a width of 1 to {SIDE} pixels")
        alone = not (self.resize and self.augment.size)
        require(alone, f"{where}augment.size", self.augment.size, "0 where `resize` is given")
        require(self.side <= SIDE, f"{where}augment.size", self.augment.size, f"with `zoom` at most {SIDE}")

    @property
    def name(self) -> str:
        """The data set's name, with the modality whose targets it gives if that is not the recipe's own."""
        return "_".join(filter(None, (name_of(self.dataset), self.modality)))

    @property
    def side(self) -> int:
        """Height and width that samples are kept with, in pixels: `augment.size`, magnified; 0 keeps their own."""
        return math.ceil(self.augment.size * self.augment.zoom)

    def data(self) -> str:
        """What is read, as text: sources with the same text can share what they have read."""
        return f"{self.side} {replace(self, modality='', weight=1.0, augment=Augment(), optional=False)!r}"

    def held_out(self, count: int) -> "Source":
        """The `test` split, unaugmented but for its size: `count` samples that never change."""
        unchanged = Augment(mirror=0.0, size=self.augment.size)
        return replace(self, split="test", capacity=count, renewal=0.0, augment=unchanged)


def present(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """The sources without the optional ones whose folder is missing. Raises `ConfigError` when none is left."""
    left = tuple(source for source in sources if not source.optional or os.path.isdir(source.root))
    if not left:
        raise ConfigError("recipe.data: no source is left; give at least one whose folder exists")
    return left
