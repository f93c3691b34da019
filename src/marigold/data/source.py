"""One data set in a training mix: what to read, how much to keep, how to change it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marigold.core import find
from marigold.core.config import decode, require
from marigold.data.augment import Augment
from marigold.datasets.base import Dataset


@dataclass(frozen=True)
class Source:
    """One data set in a mix."""

    dataset: str
    """The name of a data set (a file in `datasets/`) or a dotted module name."""
    root: Path = Path()
    """The folder it lies in; data sets that render need none."""
    split: str = "train"
    """The part of the data set to read."""
    weight: float = 1.0
    """Share of the steps that use this source, relative to the other sources."""
    paint: str = ""
    """The modality whose pictures are the targets; empty means the recipe's own."""
    options: dict[str, Any] = field(default_factory=dict)
    """The data set's own settings, such as `height` and `width`."""
    augment: Augment = Augment()
    capacity: int = 512
    """Samples kept on the device."""
    renewal: float = 1.0
    """Samples replaced by others at each step that draws from the mix."""
    block: int = 16
    """Samples read or rendered together."""
    optional: bool = False
    """Leave the source out when its folder does not exist."""

    def __post_init__(self) -> None:
        where = f"data source {self.dataset}"
        require(self.weight >= 0, f"{where}: weight", self.weight, "at least 0")
        require(self.capacity >= 1, f"{where}: capacity", self.capacity, "at least 1")
        require(self.renewal >= 0, f"{where}: renewal", self.renewal, "at least 0")
        require(self.block >= 1, f"{where}: block", self.block, "at least 1")

    def data(self) -> str:
        """What is read, as text: sources with the same text can share what they have read."""
        return repr(replace(self, paint="", weight=1.0, augment=Augment(), optional=False))


def open_dataset(source: Source) -> Dataset:
    """The data set object of a source, with its options checked."""
    kind = find.implementation(Dataset, source.dataset)
    return decode(kind, source.options, f"data.{source.dataset}.options")
