"""The fine-tuning protocol: predict the clean latent of the target from its noisy version and the latent of the photo.

Ke et al. 2025, sec. III: masked mean squared error in latent space, uniform timesteps, annealed multi-resolution noise.
With no condition (an unadapted generator) this is ordinary latent diffusion training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import SAMPLING
from marigold.core.sample import Batch
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator
from marigold.objectives.base import Objective


@dataclass(frozen=True)
class Denoise(Objective):
    """Masked mean squared error between the network's output and the schedule's target (v, clean or noise)."""

    noise: noises.Kind = "annealed"
    """Gaussian; multi-resolution; or multi-resolution that becomes Gaussian towards t = 0."""
    strength: float = 0.9
    """Weight of each coarser level of the multi-resolution noise, relative to the finer one."""
    unit_variance: noises.UnitVariance = "sample"
    """What multi-resolution noise has unit variance over: each sample, or the whole micro-batch as in the published
    training."""
    lowest: float = 0.0
    """Timesteps are drawn uniformly from this fraction of the schedule to its end."""
    pure: float = 0.0
    """Share of the samples that start from pure Gaussian noise at the last timestep, as one-step prediction does.

    One-step networks train there alone (Garcia et al. 2024; He et al. 2024).
    """
    preview_steps: int = 4
    """Sampling steps for previews of held-out samples."""

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("lowest", "pure", "strength"), (0.0, 1.0))
        require_within("denoise: ", self, **shares, preview_steps=(1, SAMPLING))
        require(self.lowest < 1, "denoise: lowest", self.lowest, "below 1")

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser; the autoencoder and the prompt stay frozen. Raises `ConfigError`."""
        try:
            sampling = estimator.sampling(self.preview_steps)
            sampling.schedule.times(sampling.steps)  # which the first preview needs, maybe hours later
        except ConfigError as error:
            raise ConfigError(f"denoise: preview_steps: {error}") from None
        return estimator.backbone.denoiser

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The latents of photos and targets, and which of their cells may be used."""
        latents = {"clean": estimator.encode_target(batch.pixels), "valid": estimator.latent_mask(batch.valid)}
        if estimator.backbone.conditions:
            latents["condition"] = estimator.encode_image(batch.image)
        return latents

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The mean over valid latent elements of (output - target)^2 (Ke et al. 2024, eq. 4)."""
        backbone, schedule = estimator.backbone, estimator.backbone.schedule
        clean, valid, condition = prepared["clean"], prepared["valid"], prepared.get("condition")
        first = int(self.lowest * schedule.length)
        t = torch.randint(first, schedule.length, (len(clean),), generator=rng, device=clean.device)
        how = {"strength": self.strength, "unit_variance": self.unit_variance}
        noise = noises.of_kind(self.noise, clean, t, schedule.length, rng, **how)
        if self.pure:
            pure = torch.rand(len(clean), generator=rng, device=clean.device) < self.pure
            white = noises.gaussian(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)
            t = torch.where(pure, schedule.length - 1, t)
            noise = torch.where(pure[:, None, None, None], white, noise)
        output = backbone.network(schedule.mix(clean, noise, t), t, condition)
        error = (output.float() - schedule.target(clean, noise, t).float()).square()
        # The sum over all valid elements divided by their number; a batch without a valid cell gives zero, not NaN.
        return (error * valid).sum() / valid.sum().clamp(min=1)

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, target images and predictions side by side."""
        backbone = estimator.backbone
        condition = estimator.encode_image(batch.image) if backbone.conditions else None
        clean = estimator.encode_target(batch.pixels)
        sampling = estimator.sampling(self.preview_steps)
        drawn = [noises.gaussian(clean.shape, rng, clean.device, clean.dtype) for _ in range(sampling.draws)]
        latent = estimator.sample(condition, drawn[0], sampling, fresh=drawn[1:].__getitem__)
        predicted = estimator.decode_pixels(latent)
        return torch.cat([batch.image[:, None], batch.pixels, predicted], dim=1).clamp(-1, 1)
