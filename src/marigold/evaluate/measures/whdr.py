"""Albedo against people's judgements of which of two points is darker."""

from dataclasses import dataclass

from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures._linear import linear
from marigold.evaluate.measures.base import Measure
from marigold.measure import reflectance
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Whdr(Measure):
    """The weighted human disagreement rate of Bell et al. (2014), a share of 0 to 1, in linear light.

    Published numbers are the mean over photos; pooled over pixels it is that of all judgements together.
    """

    fields = ("judgements",)
    outputs = ("albedo",)
    delta: float = reflectance.DELTA
    """Reflectances whose ratio is within one plus this are equal."""

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """The rate."""
        return (Metric("whdr"),)

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """That of one photo; one without a judgement counts for nothing."""
        albedo = linear(answer, "albedo", modality)
        wrong, weight = reflectance.whdr(albedo, sample.annotations["judgements"].to(albedo.device), self.delta)
        if not weight:
            return {"whdr": Tally()}
        return {"whdr": Tally(wrong, weight) if protocol.pooling == "pixel" else Tally(wrong / weight, 1)}
