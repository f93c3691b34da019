"""The modality's own metrics, those of the papers' tables."""

from dataclasses import dataclass

from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Standard(Measure):
    """The modality's own metrics, those of the papers' tables."""

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """Those that the modality states."""
        return modality.metrics

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """As the modality scores its values."""
        return modality.score(answer.values, sample, protocol)
