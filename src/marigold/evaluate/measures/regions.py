"""Albedo against what instruments measured of some regions of a photo."""

from dataclasses import dataclass

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures._linear import linear
from marigold.evaluate.measures.base import Measure
from marigold.measure import reflectance
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, each
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Regions(Measure):
    """Intensity (times 100) and chromaticity errors of measured regions (Wu et al. 2023, MAW), per photo."""

    fields = ("regions", "region_albedo")
    outputs = ("albedo",)

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """Both are errors; the second is a CIE 1976 colour difference."""
        return Metric("albedo_intensity"), Metric("albedo_chromaticity", "ΔE")

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one photo."""
        albedo = linear(answer, "albedo", modality)
        measured = sample.annotations["region_albedo"].to(albedo.device)
        found = reflectance.region_means(albedo, sample.maps["regions"] * sample.valid["regions"], len(measured))
        try:
            errors = reflectance.region_errors(found, measured)
        except DataError as error:
            raise DataError(f"{sample.key}: {error}") from None
        return each({f"albedo_{name}": value for name, value in errors.items()})
