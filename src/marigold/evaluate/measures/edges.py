"""Whether depth has its jumps where the truth has them, and how sharp they are."""

from dataclasses import dataclass

from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.measure import edges
from marigold.measure.alignment import Protocol, align
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, counted
from marigold.modalities.base import Modality
from marigold.modalities.depth import usable


@dataclass(frozen=True)
class Edges(Measure):
    """Jumps of depth after alignment: where they are, and how sharp (`measure/edges.py` has the formulas).

    The depth boundary errors compare with the map `edges` [1, H, W] of a data set that has one, as iBims-1 publishes
    them: the prediction's edges are then those of depth. Otherwise the edges of both are those of inverse depth. All
    are averaged over the images that have an edge.
    """

    fields = ("depth",)
    outputs = ("depth",)

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """Distances in pixels and metres, and shares."""
        distances = ("dbe_accuracy", "dbe_completeness", "dbe_completeness_symmetric")
        scores = [f"edge_{name}_{t:g}" for t in edges.GRADIENTS for name in ("precision", "recall", "f1")]
        return (
            *(Metric(name, "px") for name in distances),
            *(Metric(name, higher_is_better=True) for name in (*scores, "boundary_f1")),
            *(Metric(f"see_{side}", "m") for side in edges.PATCHES),
            Metric("flying_pixels"),
        )

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Those of one image; the protocol's pooling changes nothing."""
        truth, valid = sample.maps["depth"][0], usable(sample)[0]
        if not bool(valid.any()):
            raise DataError(f"{sample.key}: depth has no valid pixel; leave it out, or check its mask and unit")
        found = align(modality.split(answer.values)["depth"][0], truth, valid, protocol)
        return counted(
            edges.boundary_errors(*_edges(found, truth, valid, sample.maps.get("edges")))
            | edges.gradient_edges(found, truth, valid)
            | {"boundary_f1": edges.boundary_f1(found, truth, valid)}
            | edges.soft_edge_errors(found, truth, valid)
            | {"flying_pixels": edges.flying_pixel_rate(found, truth, valid)}
        )


def _edges(found: Tensor, truth: Tensor, valid: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
    """The edges of the prediction and of the truth, [H, W], bool."""
    if known is not None:
        return edges.canny(found, valid), known[0] > 0
    return edges.canny(1 / found, valid), edges.canny(1 / truth.where(valid, 1.0), valid)
