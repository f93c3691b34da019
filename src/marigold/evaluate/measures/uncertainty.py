"""Whether an answer knows where it is wrong, and by how much."""

import math
from dataclasses import dataclass

from torch import Tensor

from marigold.core.config import require
from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.measure import uncertainty
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, counted, risk
from marigold.modalities.base import Modality

ORDER = ("ause", "aurg", "spearman")
SIZE = ("ence", "nll", "crps")


@dataclass(frozen=True)
class Uncertainty(Measure):
    """The stated uncertainty against the error (`Modality.error`), and intervals against the truth.

    `ause`, `aurg` and `spearman` ask for the order of pixels alone, `risk` for that of images. `ence`, `nll` and `crps`
    take the uncertainty for a standard deviation once it is multiplied by `scale`; they compare the truth in the units
    of the prediction (`Modality.counterpart`). An answer without an uncertainty or an interval counts for nothing.
    """

    scale: float = 1.4826
    """What makes of the uncertainty a standard deviation: of a median absolute deviation of normal noise, 1.4826."""
    floor: float = 1e-3
    """No standard deviation is smaller, as a share of the range of values."""

    def __post_init__(self) -> None:
        require(0 < self.scale < math.inf, "uncertainty: scale", self.scale, "above 0 and finite")
        require(0 < self.floor < math.inf, "uncertainty: floor", self.floor, "above 0 and finite")

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """Coverage is to be read beside `interval_level`, which it should equal, and the width."""
        unit = modality.main.unit if modality.main and not modality.main.higher_is_better else ""
        return (
            Metric("ause"),
            *(Metric(name, higher_is_better=True) for name in ("aurg", "spearman")),
            Metric("risk", unit),
            *(Metric("ence"), Metric("nll", "nat"), Metric("crps")),
            *(Metric("coverage", higher_is_better=True), Metric("interval_level", higher_is_better=True)),
            Metric("interval_width"),
        )

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one image; coverage and width are pooled as the protocol says."""
        names = [metric.name for metric in self.metrics(modality)]
        tallies = dict.fromkeys(names, Tally())
        if answer.uncertainty is not None:
            tallies |= self._order(answer, answer.uncertainty, sample, modality, protocol)
            tallies |= self._size(answer.values, answer.uncertainty, sample, modality)
        if answer.interval is not None:
            tallies |= _coverage(answer, answer.interval, sample, modality, protocol)
        return tallies

    def _order(
        self, answer: Answer, stated: Tensor, sample: Sample, modality: Modality, protocol: Protocol
    ) -> dict[str, Tally]:
        error = modality.error(answer.values, sample, protocol).double()
        known = ~error.isnan()
        error, stated = _some(error[known], sample), stated.double()[known]
        found = uncertainty.sparsification(error, stated) | {"spearman": uncertainty.spearman(stated, error)}
        tallies = counted({name: float(value) for name, value in found.items()})
        return tallies | {"risk": risk(float(stated.mean()), float(error.mean()))}

    def _size(self, values: Tensor, stated: Tensor, sample: Sample, modality: Modality) -> dict[str, Tally]:
        truth, known = modality.counterpart(values, sample)
        residual = _some((truth - modality.centre(values)).double()[known], sample)
        low, high = modality.extent
        extent = high - low if math.isfinite(high - low) else 1.0
        sigma = (extent * (self.scale * stated.double()).clamp(min=self.floor)).expand(truth.shape)[known]
        found = {
            "ence": uncertainty.ence(residual, sigma),
            "nll": uncertainty.gaussian_nll(residual, sigma).mean(),
            "crps": uncertainty.gaussian_crps(residual, sigma).mean(),
        }
        return counted({name: float(value) for name, value in found.items()})


def _coverage(
    answer: Answer, interval: tuple[Tensor, Tensor], sample: Sample, modality: Modality, protocol: Protocol
) -> dict[str, Tally]:
    """How much of the truth the interval holds, how much it says it holds, and how wide it is."""
    truth, known = modality.counterpart(answer.values, sample)
    lower, upper = interval
    held = _some(((lower <= truth) & (truth <= upper))[known], sample)
    width, count = float((upper - lower).double()[known].sum()), len(held)
    sums = {"coverage": float(held.sum()), "interval_level": answer.level * count, "interval_width": width}
    if protocol.pooling == "pixel":
        return {name: Tally(total, count) for name, total in sums.items()}
    return {name: Tally(total / count, 1) for name, total in sums.items()}


def _some(values: Tensor, sample: Sample) -> Tensor:
    """The values; raises `DataError` for none."""
    if not values.numel():
        raise DataError(f"{sample.key}: the truth has no valid pixel; leave it out, or check its mask and unit")
    return values
