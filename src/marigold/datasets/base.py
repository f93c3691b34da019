"""The contract of a data set: the only code that is written per data set."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from marigold.core.sample import Sample, stack


@dataclass(frozen=True)
class DatasetCard:
    """A data set's label."""

    fields: tuple[str, ...]
    splits: tuple[str, ...]
    licence: str
    source: str
    depth_range: tuple[float, float] = (1e-3, float("inf"))
    """Predicted depth is clipped to this range, in metres, before it is scored."""
    mask: str = ""
    """Which pixels are scored, in words for a protocol, such as a crop; empty: those with truth."""
    annotations: tuple[str, ...] = ()
    """Names of truth that is no map (`Sample.annotations`)."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many samples published evaluations have of a split, where they say so."""


class Dataset(ABC):
    """Where the truth comes from: fields in physical units, never a modality's encoding."""

    card: DatasetCard
    pooled: ClassVar[bool] = False
    """Whether training keeps samples in a slowly renewed pool on the device, since they are rendered or cut out of few
    photos. Those of other data sets are streamed: each is read once in an epoch."""

    def card_of(self, root: Path) -> DatasetCard:
        """The label of the data set that lies in a folder; here the same for all."""
        return self.card

    @abstractmethod
    def scan(self, root: Path, split: str) -> Sequence[str]:
        """The keys of a split in a fixed order."""

    @abstractmethod
    def read(self, root: Path, key: str) -> Sample:
        """One sample; what evaluation must not use goes into `valid`."""

    def identity(self, root: Path, key: str) -> str:
        """A text that changes when what `read` gives for the key does, found without reading the sample.

        Empty where nothing but reading tells. What was computed from a sample is kept and found again by it.
        """
        return ""

    def read_many(self, root: Path, keys: list[str], device: str) -> Sample:
        """Several samples as one with a leading batch dimension, on the device."""
        return self.finish(self.prepare(root, keys), device)

    def prepare(self, root: Path, keys: list[str]) -> Any:
        """The part of `read_many` that needs no device and may run in a worker process; the result is picklable."""
        return stack([self.read(root, key) for key in keys])

    def finish(self, prepared: Any, device: str) -> Sample:
        """The rest of `read_many`: data sets that render do it here."""
        return prepared.to(device)

    def compile(self) -> None:
        """Compiles what produces the samples on the device; nothing by default."""
