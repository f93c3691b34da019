"""Albedo times shading plus residual is the photo: what the three maps of intrinsic images owe each other."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from marigold.core.colour import srgb_to_linear
from marigold.estimator import Estimator
from marigold.measure.intrinsic import best_scale
from marigold.measure.losses import masked_absolute
from marigold.objectives.losses.base import MapLoss, Outcome

WHITE = 1.0 - 1 / 255
"""A photo's channel above this may have been cut off: what light there was is not known."""


@dataclass(frozen=True)
class Recomposition(MapLoss):
    """The mean over valid pixels of |k (A S + R) - I|, all in linear light (Ke et al. 2025, sec. III, as a loss).

    I is the photo. Where the light is right up to a scale alone, k is the one that minimises the sum of squares over
    the image, and the gradient flows through it; otherwise it is 1. Pixels with a channel at the end of its range are
    left out.
    """

    outputs: ClassVar[tuple[str, ...]] = ("albedo", "shading", "residual")

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """In linear light, white at 1."""
        modality, srgb = estimator.modality, (outcome.truth.image + 1) / 2
        values = modality.split(modality.decode(outcome.pixels))
        albedo, shading, residual = (
            srgb_to_linear(x) if modality.meaning(name) == "srgb" else x
            for name, x in ((name, values[name]) for name in self.outputs)
        )
        photo, composed = srgb_to_linear(srgb), albedo * shading + residual
        valid = outcome.truth.valid.all(dim=1) & (srgb <= WHITE).all(dim=1, keepdim=True)
        if modality.ambiguity.scale:
            composed = best_scale(composed, photo, valid).to(composed)[:, None, None, None] * composed
        return masked_absolute(composed, photo, valid)
