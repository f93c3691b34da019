"""The contract of a group of metrics."""

from abc import ABC, abstractmethod
from typing import ClassVar

from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


class Measure(ABC):
    """A group of metrics that are computed together. A concrete one is a frozen dataclass; its fields are settings."""

    fields: ClassVar[tuple[str, ...]] = ()
    """What a sample must have: names of its maps or of its annotations."""
    outputs: ClassVar[tuple[str, ...]] = ()
    """Which maps must be predicted."""

    @abstractmethod
    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """What `score` gives, in the order of tables, with unit and direction."""

    def notes(self, modality: Modality) -> tuple[str, ...]:
        """What is left out here and why, in words that a table repeats; empty where nothing is."""
        return ()

    @abstractmethod
    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """The metrics of one answer. One that nothing counts for, such as edges of a flat scene, is an empty tally.

        Raises `DataError` for a sample without a pixel that can be scored.
        """
