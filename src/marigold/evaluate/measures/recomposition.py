"""Whether albedo, shading and residual make up the photo that they were taken from."""

from dataclasses import dataclass

from marigold.core.colour import srgb_to_linear
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures._linear import linear
from marigold.evaluate.measures.base import Measure
from marigold.measure.alignment import Protocol
from marigold.measure.intrinsic_errors import recomposition, recomposition_errors
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, each
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Recomposition(Measure):
    """albedo * shading + residual against the photo, all in linear light, over all pixels, per image.

    It needs no truth. Where the light is right only up to a scale (`Modality.ambiguity`), the best one is used.
    """

    outputs = ("albedo", "shading", "residual")

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """The peak signal-to-noise ratio and the mean absolute error."""
        return Metric("recomposition_psnr", "dB", higher_is_better=True), Metric("recomposition_error")

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one image."""
        photo = srgb_to_linear(sample.image)
        albedo, shading, residual = (linear(answer, name, modality) for name in self.outputs)
        composed = recomposition(albedo, shading, residual, photo, modality.ambiguity.scale)
        return each(recomposition_errors(composed, photo))
