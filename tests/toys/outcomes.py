"""What losses are tried on: an estimator that is never asked for its networks, and outcomes made by hand."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from marigold.core.sample import Batch, Sample
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.objectives.losses.base import MapLoss, Outcome


class ExactDepth(Depth):
    """Depth read in the precision that the pixels have."""

    def decode(self, pixels: Tensor) -> Tensor:
        return (pixels[:, 0].mean(dim=1, keepdim=True) + 1) / 2


class ExactNormals(Normals):
    """Directions read in the precision that the pixels have."""

    def decode(self, pixels: Tensor) -> Tensor:
        return torch.nn.functional.normalize(pixels[:, 0], dim=1)


class ExactLighting(Lighting):
    """Light read in the precision that the pixels have."""

    def decode(self, pixels: Tensor) -> Tensor:
        return (pixels.flatten(1, 2) + 1) / 2


@dataclass(frozen=True)
class Given:
    """An estimator of which losses read the modality alone."""

    modality: Any = ExactDepth()


def random(*shape: int, seed: int = 0) -> Tensor:
    """Between -0.9 and 0.9, float64."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 1.8 - 0.9


def outcome(pixels: Tensor, truth: Tensor, valid: Tensor | None = None, **maps: Tensor) -> Outcome:
    """Predicted and true target images [D, N, 3, H, W]; all pixels are valid unless a mask [D, N, 1, H, W] says so."""
    valid = torch.ones_like(truth[:, :, :1], dtype=torch.bool) if valid is None else valid
    photo = maps.pop("image", truth[:, 0])
    sample = Sample("", photo, maps, dict.fromkeys(maps, valid[:, 0]))
    batch = Batch(photo, truth, valid, sample)
    return Outcome(pixels.flatten(1, 2), pixels, batch, truth.flatten(1, 2), valid.expand_as(truth).flatten(1, 2))


def value(loss: MapLoss, shown: Outcome, modality: Any = None, kept: nn.Module | None = None) -> Tensor:
    """The loss of an outcome."""
    given: Any = Given(modality) if modality else Given()
    return loss.loss(given, shown, kept or nn.Module())
