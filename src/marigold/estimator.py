"""A backbone adapted to one modality. Training and inference hold the same object."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Spacing
from marigold.diffusion.samplers import Denoiser, Fresh, ddim, lcm
from marigold.diffusion.sampling import Sampling, fit
from marigold.modalities.base import Modality


class Estimator(nn.Module):
    """Photo to latents, latents to physical values.

    B photos, N targets, C latent channels; h and w are the sides of the image divided by the backbone's stride. The
    sides of images are multiples of the stride; the caller pads.
    """

    def __init__(self, backbone: Backbone, modality: Modality, card: Card) -> None:
        super().__init__()
        self.backbone = backbone
        self.modality = modality
        self.card = card

    def encode_image(self, image: Tensor) -> Tensor:
        """Photos [B, 3, H, W] in -1 to 1 to the condition [B, C, h, w]."""
        return self.backbone.encode(image)

    def encode_target(self, pixels: Tensor) -> Tensor:
        """Target images [B, N, 3, H, W] in -1 to 1 to latents [B, N * C, h, w]."""
        latents = self.backbone.encode(pixels.flatten(0, 1))
        return latents.unflatten(0, pixels.shape[:2]).flatten(1, 2)

    def sampling(self, steps: int, spacing: Spacing = "auto") -> Sampling:
        """What `sample` does when it is asked for so many steps, with notes where that is something else."""
        return fit(self.backbone.schedule, self.card.convention, steps, spacing)

    def sample(
        self,
        condition: Tensor | None,
        noise: Tensor,
        steps: int | Sampling,
        *,
        spacing: Spacing = "auto",
        fresh: Fresh | None = None,
    ) -> Tensor:
        """Noise [B, N * C, h, w] to the latents of the answer, in float32, by this many steps, or as `sampling` said.

        `condition` is [B, C * conditions, h, w], or None for a generator without conditions. The steps are DDIM steps,
        or those of a consistency model, which puts `fresh(i)` in after step i. A checkpoint that answers in one step
        takes one.
        """
        sampling = steps if isinstance(steps, Sampling) else self.sampling(steps, spacing)
        return self.sample_by(partial(self.backbone.denoise, condition=condition), noise, sampling, fresh)

    def sample_by(self, denoise: Denoiser, noise: Tensor, sampling: Sampling, fresh: Fresh | None = None) -> Tensor:
        """As `sample`, by a function that splits noisy latents in place of the backbone's own."""
        convention = self.card.convention
        x = torch.zeros_like(noise, dtype=torch.float32) if convention.deterministic else noise.float()
        if convention.timestep is not None:
            return denoise(x, convention.timestep)[0]
        if sampling.schedule.consistency:
            return lcm(denoise, x, sampling.schedule, sampling.steps, fresh)
        return ddim(denoise, x, sampling.schedule, sampling.steps)

    def decode(self, latent: Tensor) -> Tensor:
        """Latents [B, N * C, h, w] to values [B, channels, H, W] in the modality's unit."""
        return self.modality.decode(self.decode_pixels(latent))

    def decode_pixels(self, latent: Tensor) -> Tensor:
        """Latents [B, N * C, h, w] to target images [B, N, 3, H, W], about -1 to 1."""
        targets = latent.unflatten(1, (-1, self.backbone.latent_channels))
        return self.backbone.decode(targets.flatten(0, 1)).unflatten(0, targets.shape[:2])

    def latent_mask(self, valid: Tensor) -> Tensor:
        """Masks [B, N, 1, H, W] to [B, N * C, h, w]: a cell may be used when all of its pixels may be."""
        spoiled = F.max_pool2d((~valid.flatten(1, 2)).float(), self.backbone.stride) > 0
        return (~spoiled).repeat_interleave(self.backbone.latent_channels, dim=1)
