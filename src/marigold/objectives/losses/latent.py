"""The error of the latent itself, which costs no decoding."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from marigold.estimator import Estimator
from marigold.measure.losses import masked_square
from marigold.objectives.losses.base import MapLoss, Outcome


@dataclass(frozen=True)
class Latent(MapLoss):
    """The mean of (z - z*)^2 over latent elements whose pixels are all valid (Ke et al. 2024, eq. 4, for x0)."""

    decodes: ClassVar[bool] = False

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """Of all samples, decoded or not."""
        assert outcome.clean is not None and outcome.cells is not None
        return masked_square(outcome.latent, outcome.clean, outcome.cells)
