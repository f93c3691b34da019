"""Errors of albedo and shading that leave their scale open."""

import math
from dataclasses import dataclass

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures._linear import linear
from marigold.evaluate.measures.base import Measure
from marigold.measure.alignment import Protocol
from marigold.measure.intrinsic_errors import local_mse, scale_invariant_mse
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, counted
from marigold.modalities.base import Modality

MAPS = ("albedo", "shading")
"""What is compared up to a scale, in linear light, of the outputs that a modality has."""


@dataclass(frozen=True)
class Intrinsic(Measure):
    """Scale-invariant squared error and LMSE of albedo and shading in linear light, per image.

    `lmse` is the mean of the LMSE of both, the score of Grosse et al. (2009), where both are predicted.
    """

    fields = ("albedo",)
    outputs = ("albedo",)

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """Of the maps among `MAPS` that the modality predicts."""
        names = [name for name in MAPS if name in modality.outputs]
        both = ("lmse",) if len(names) == len(MAPS) else ()
        return tuple(
            Metric(name) for name in (*(f"{one}_{kind}" for one in names for kind in ("si_mse", "lmse")), *both)
        )

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one image; LMSE of a black truth counts for nothing, and so does what a data set has not."""
        scores: dict[str, float] = {}
        try:
            for name in (name for name in MAPS if name in modality.outputs and name in sample.maps):
                pair = linear(answer, name, modality), sample.maps[name], sample.usable(name)
                scores[f"{name}_si_mse"] = float(scale_invariant_mse(*pair))
                scores[f"{name}_lmse"] = float(local_mse(*pair))
        except DataError as error:
            raise DataError(f"{sample.key}: {name}: {error}") from None
        local = [scores[f"{name}_lmse"] for name in MAPS if f"{name}_lmse" in scores]
        both = {"lmse": math.fsum(local) / len(local)} if len(local) == len(MAPS) else {}
        return counted(scores | both)
