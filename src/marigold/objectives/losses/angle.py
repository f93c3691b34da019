"""The angle between predicted and true surface normals."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from marigold.estimator import Estimator
from marigold.measure.losses import angle
from marigold.objectives.losses.base import MapLoss, Outcome


@dataclass(frozen=True)
class Angle(MapLoss):
    """The mean over valid pixels of the angle in radians (Garcia et al. 2025, eq. 5).

    The published arc cosine of the cosine has an infinite slope where the angle is zero. This is the arc tangent of
    |n x n*| and n . n*, which is the same angle with a slope of 1 at most.
    """

    outputs: ClassVar[tuple[str, ...]] = ("normals",)

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """Of unit vectors [D, 3, H, W]."""
        modality, truth = estimator.modality, outcome.truth
        found, wanted = (modality.split(modality.decode(x))["normals"] for x in (outcome.pixels, truth.pixels))
        return angle(found, wanted, truth.valid[:, modality.targets.index("normals")])
