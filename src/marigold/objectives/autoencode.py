"""Trains the autoencoder of a small generator: images in, the same images out, through a narrow latent.

Rombach et al. 2022, sec. 3.1, without the adversarial and perceptual terms: what is predicted here is measured, not
admired, so plain reconstruction error is what counts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from marigold.core.config import require_within
from marigold.core.errors import DataError
from marigold.core.limits import BATCH, WEIGHT
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.objectives.base import Objective

DECODING = ("decoder", "post_quant_conv")
"""The parts of an autoencoder that a latent passes through on its way back."""


@dataclass(frozen=True)
class Autoencode(Objective):
    """Reconstruction error of the target images plus a small Kullback-Leibler term that bounds the latent."""

    absolute: float = 0.1
    """Weight of the absolute error beside the squared error."""
    divergence: float = 1e-5
    """Weight of the Kullback-Leibler divergence from a unit Gaussian, per latent element."""
    blur: float = 0.05
    """The least standard deviation of the noise on the latent, so that the decoder bears inexact latents."""
    frozen_encoder: bool = False
    """Train the decoder alone: latents keep their meaning for every network that was trained on them."""
    calibration_batches: int = 8
    """Batches over which the final latent scale is measured."""

    def __post_init__(self) -> None:
        weights = dict.fromkeys(("absolute", "divergence", "blur"), (0.0, WEIGHT))
        require_within("autoencode: ", self, **weights, calibration_batches=(1, BATCH))

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The autoencoder, or what turns its latents back into images."""
        autoencoder = estimator.backbone.autoencoder
        if not self.frozen_encoder:
            return autoencoder
        return nn.ModuleDict({name: part for name, part in autoencoder.named_children() if name in DECODING})

    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The target images alone: nothing is frozen here."""
        return {"pixels": batch.pixels}

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """Squared and absolute error of the reconstruction, and the divergence of the latent."""
        autoencoder: Any = estimator.backbone.autoencoder
        pixels = self._chosen(prepared["pixels"], rng)
        posterior = autoencoder.encode(pixels).latent_dist
        eps = torch.randn(posterior.mean.shape, generator=rng, device=pixels.device, dtype=torch.float32)
        latent = posterior.mean + posterior.std.clamp(min=self.blur) * eps.to(posterior.mean)
        difference = autoencoder.decode(latent).sample.float() - pixels
        mean, variance, log_variance = posterior.mean.float(), posterior.var.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.square() + variance - 1 - log_variance).mean()
        return difference.square().mean() + self.absolute * difference.abs().mean() + self.divergence * divergence

    def _chosen(self, targets: Tensor, rng: torch.Generator) -> Tensor:
        """As many images [B, 3, H, W] as there are samples, drawn from all targets [B, N, 3, H, W]."""
        pixels = targets.flatten(0, 1)
        if len(pixels) == len(targets):
            return pixels
        order = torch.rand(len(pixels), generator=rng, device=pixels.device).argsort()
        return pixels[order[: len(targets)]]

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Each target image beside its reconstruction."""
        decoded = estimator.decode_pixels(estimator.encode_target(batch.pixels))
        pairs = torch.stack([batch.pixels, decoded], dim=2)
        return pairs.flatten(1, 2).clamp(-1, 1)

    def finish(self, estimator: Estimator, draw: Callable[[int], Batch]) -> None:
        """Sets the scaling factor so that latents have unit standard deviation over the training images.

        A frozen encoder keeps its own.
        """
        if self.frozen_encoder:
            return
        autoencoder: Any = estimator.backbone.autoencoder
        squares = [
            autoencoder.encode(draw(step).pixels.flatten(0, 1)).latent_dist.mean.float().square().mean()
            for step in range(self.calibration_batches)
        ]
        factor = float(torch.stack(squares).mean().rsqrt())
        if not 0 < factor < math.inf:
            raise DataError(f"autoencode: the latents' scale is {factor}; lower optim.lr or check the data")
        autoencoder.register_to_config(scaling_factor=factor)
