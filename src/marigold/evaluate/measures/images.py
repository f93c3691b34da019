"""How alike colour outputs are to the truth as pictures: SSIM and LPIPS."""

from dataclasses import dataclass

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.measure import perceptual
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric, require_valid
from marigold.measure.tally import Tally, each
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Images(Measure):
    """SSIM and LPIPS of everything that a modality compares as pictures (`Modality.compared`), per image.

    LPIPS needs two files of weights; without them it is left out, which `notes` says.
    """

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """SSIM and, where its weights are there, LPIPS of every picture."""
        lpips = [] if perceptual.missing_weights() else [Metric(f"{name}_lpips") for name in modality.pictures]
        return (*(Metric(f"{name}_ssim", higher_is_better=True) for name in modality.pictures), *lpips)

    def notes(self, modality: Modality) -> tuple[str, ...]:
        """Why there is no LPIPS, if there is none."""
        missing = perceptual.missing_weights()
        return (f"LPIPS is left out: {missing}",) if missing and modality.pictures else ()

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one image."""
        stated = {metric.name for metric in self.metrics(modality)}
        scores = {}
        try:
            for name, pair in modality.compared(answer.values, sample).items():
                require_valid(pair[2][0])
                scores[f"{name}_ssim"] = perceptual.ssim(*pair)
                if f"{name}_lpips" in stated:
                    scores[f"{name}_lpips"] = perceptual.lpips(*pair).to(scores[f"{name}_ssim"])
        except DataError as error:
            raise DataError(f"{sample.key}: {error}") from None
        return each(scores) if scores else {}
