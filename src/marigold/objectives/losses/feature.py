"""What a network that has seen many photos sees in the target images, predicted and true."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.core.config import require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import SIDE
from marigold.core.plain import shown
from marigold.estimator import Estimator
from marigold.objectives.losses import _lite, _vision
from marigold.objectives.losses.base import MapLoss, Outcome

LEAST = 1e-10
"""Added to the square of a feature's length, which may be zero."""


@dataclass(frozen=True)
class Feature(MapLoss):
    """The mean over layers and places of |u - u*|^2, of features at unit length; twice (1 - cosine).

    The perceptual loss of Zhang et al. 2018 without learned weights (LPIPS, eq. 1), on target images as arXiv
    2609.08084 has it with a vision transformer. Pixels that are not valid are those of the truth in both images, so
    that nothing is learned there. The network is frozen.
    """

    weights: str = ""
    """Empty: EfficientNet-Lite0, trained on ImageNet, of an installed package (the extra `features`). A safetensors
    file: weights of that network. A folder: a vision transformer in transformers' layout, such as DINOv2's."""
    side: int = 0
    """The shorter side that images are brought to first, in pixels; 0 leaves them as they are."""

    def __post_init__(self) -> None:
        require_within("feature: ", self, side=(0, SIDE))
        if not isinstance(self.weights, str):
            raise ConfigError(f"feature: weights: {shown(self.weights)} cannot be used; it must be a file or a folder")

    def setup(self, estimator: Estimator) -> nn.Module:
        """The feature network. Raises `CheckpointError` and `MissingExtraError`."""
        folder = Path(self.weights)
        return _vision.load(folder) if self.weights and folder.is_dir() else _lite.load(self.weights)

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """From 0 to 4, of all target images alike."""
        truth = outcome.truth.pixels.to(outcome.pixels)
        predicted = torch.where(outcome.truth.valid, outcome.pixels, truth)
        with torch.no_grad():
            wanted = [_unit(x) for x in kept(self._sized(truth.flatten(0, 1)))]
        found = [_unit(x) for x in kept(self._sized(predicted.flatten(0, 1)))]
        errors = [(u - v).square().sum(dim=1).mean() for u, v in zip(found, wanted, strict=True)]
        return torch.stack(errors).mean()

    def _sized(self, images: Tensor) -> Tensor:
        if not self.side:
            return images
        ratio = self.side / min(images.shape[-2:])
        size = [max(1, round(side * ratio)) for side in images.shape[-2:]]
        return F.interpolate(images, size, mode="bilinear", antialias=True)


def _unit(features: Tensor) -> Tensor:
    """[B, D, h, w] at unit length in D, in single precision at least."""
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    return features * (features.square().sum(dim=1, keepdim=True) + LEAST).rsqrt()
