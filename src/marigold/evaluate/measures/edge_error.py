"""The main error at edges of the truth, and away from them: where a method, or the representation itself, loses."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class EdgeError(Measure):
    """The mean of `Modality.error` over pixels near an edge of the truth's target images, and over all others.

    An edge is where a target image, -1 to 1, changes by more than `step` between neighbours, both of them valid.
    """

    step: float = 0.1
    """The change that makes an edge; 0.1 is a twentieth of the range."""
    near: int = 4
    """Pixels around an edge that belong to it; 4 is half a cell of the latent."""

    def metrics(self, modality: Modality) -> tuple[Metric, ...]:
        """In the unit of the modality's error."""
        main = modality.main
        unit = main.unit if main and not main.higher_is_better else ""
        return Metric("error_at_edges", unit), Metric("error_elsewhere", unit)

    def score(self, answer: Answer, sample: Sample, modality: Modality, protocol: Protocol) -> dict[str, Tally]:
        """Both means of one image; empty where there is no such pixel."""
        error = modality.error(answer.values, sample, protocol)[0]
        pixels, valid = modality.encode(sample)
        usable = valid.all(dim=0)[0] & error.isfinite()
        if not usable.any():
            raise DataError(f"{sample.key}: has no pixel that can be scored; leave this sample out")
        at_edges = near_edges(pixels, valid, self.step, self.near) & usable
        return {"error_at_edges": _mean(error, at_edges), "error_elsewhere": _mean(error, usable & ~at_edges)}


def near_edges(pixels: Tensor, valid: Tensor, step: float, near: int) -> Tensor:
    """Where a target image [N, 3, H, W] has an edge within `near` pixels, [H, W], bool; `valid` is [N, 1, H, W]."""
    edges = pixels.new_zeros(pixels.shape[-2:])
    for dim in (-1, -2):
        size = pixels.shape[dim] - 1
        one, other = pixels.narrow(dim, 0, size), pixels.narrow(dim, 1, size)
        both = valid.narrow(dim, 0, size) & valid.narrow(dim, 1, size)
        found = (((one - other).abs() > step) & both).flatten(0, 1).any(dim=0).to(edges)
        edges.narrow(dim, 0, size).add_(found)
        edges.narrow(dim, 1, size).add_(found)
    around = 2 * near + 1
    return F.max_pool2d(edges[None, None], around, stride=1, padding=near)[0, 0] > 0


def _mean(error: Tensor, where: Tensor) -> Tally:
    return Tally(float(error[where].double().mean()), 1) if where.any() else Tally()
