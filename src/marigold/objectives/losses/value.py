"""The modality's own loss, which is its score wherever that can be differentiated."""

from dataclasses import dataclass

from torch import Tensor, nn

from marigold.estimator import Estimator
from marigold.objectives.losses.base import MapLoss, Outcome


@dataclass(frozen=True)
class Value(MapLoss):
    """`Modality.loss` of the decoded values; `docs/modalities.md` has its formula for each modality."""

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """In the modality's unit."""
        return estimator.modality.loss(estimator.modality.decode(outcome.pixels), outcome.truth)
