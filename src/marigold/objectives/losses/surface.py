"""How the surface lies that a depth map describes: the angle between its normals and those of the true depth."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from marigold.core.config import require, require_within
from marigold.estimator import Estimator
from marigold.measure.alignment import least_squares
from marigold.measure.losses import angle
from marigold.modalities.depth import usable
from marigold.objectives.losses.base import MapLoss, Outcome

NEAREST = 1e-3
"""Metres; a fitted depth is at least this."""
LEAST = 1e-30
"""The square of a length below which a vector has no direction."""


@dataclass(frozen=True)
class Surface(MapLoss):
    """The mean angle in radians between the normals of the fitted predicted depth and of the true one.

    Depth and normals are learnt together in this way by a network that predicts depth alone; two networks' worth of
    targets would take 0.5 of the loss of depth and 1 of that of normals (GeoWizard as tuned by Garcia et al. 2025),
    which are good weights for `affine` and `surface` too. Each image's depth is brought to metres by its own
    least-squares scale and shift first: of depth up to a shift there are no normals.

    The normal at a pixel is the cross product of the differences to the points of its neighbours to the right and
    below, P = z (x, -y, -1), with (x, y) the place in the image in units of the focal length. That is the same for
    both maps, so that it need not be known exactly. Pixels at a jump of the true depth have no normal.
    """

    focal: float = 1.0
    """The focal length that is assumed, relative to the image's longer side; 1 is a field of view of 53 degrees."""
    jump: float = 0.1
    """A neighbour whose true depth differs by more than this share is on another surface."""

    outputs: ClassVar[tuple[str, ...]] = ("depth",)
    fields: ClassVar[tuple[str, ...]] = ("depth",)

    def __post_init__(self) -> None:
        require_within("surface: ", self, focal=(0.0, 100.0), jump=(0.0, 100.0))
        require(self.focal >= 1e-2, "surface: focal", self.focal, "at least 0.01")

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """In radians."""
        modality, sample = estimator.modality, outcome.truth.truth
        predicted, valid = modality.split(modality.decode(outcome.pixels))["depth"], usable(sample)
        truth = torch.where(valid, sample.maps["depth"], 1.0).to(predicted)
        scale, shift = (x.to(predicted)[..., None, None] for x in least_squares(predicted, truth, valid))
        found, wanted = (self._normals(z) for z in ((scale * predicted + shift).clamp(min=NEAREST), truth))
        smooth = self._smooth(truth, valid)
        # A direction of its own where there is none: what is left out must have a slope that is a number.
        facing = (torch.arange(3, device=truth.device) == 2).to(truth).view(3, 1, 1)
        return angle(torch.where(smooth, found, facing), torch.where(smooth, wanted, facing), smooth)

    def _normals(self, depth: Tensor) -> Tensor:
        """Unit vectors [D, 3, H - 1, W - 1] of depth [D, 1, H, W]."""
        height, width = depth.shape[-2:]
        focal = self.focal * max(height, width)
        x, y = ((torch.arange(size).to(depth) + 0.5 - size / 2) / focal for size in (width, height))
        rays = torch.stack(torch.broadcast_tensors(x, -y[:, None], -torch.ones_like(y)[:, None]))
        points = depth * rays
        right = points[..., :-1, 1:] - points[..., :-1, :-1]
        down = points[..., 1:, :-1] - points[..., :-1, :-1]
        normals = torch.linalg.cross(down, right, dim=1)
        return normals * (normals.square().sum(dim=1, keepdim=True) + LEAST).rsqrt()

    def _smooth(self, truth: Tensor, valid: Tensor) -> Tensor:
        """Where a pixel and both neighbours are valid and on one surface, bool [D, 1, H - 1, W - 1]."""
        here, known = truth[..., :-1, :-1], valid[..., :-1, :-1]
        for window in ((..., slice(None, -1), slice(1, None)), (..., slice(1, None), slice(None, -1))):
            known = known & valid[window] & ((truth[window] - here).abs() <= self.jump * here)
        return known
