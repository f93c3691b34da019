"""Distils a small decoder of maps: from the same latent it gives the image that the frozen decoder gives.

The decoder takes more than half of the arithmetic of one step, and was made for photographs. Maps are simpler, so a
decoder of a few convolutions suffices for them (after Bohan's tiny autoencoder of Stable Diffusion, which was made for
photographs in the same way). The denoiser and the encoder stay as they are, and so do all latents.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints import store
from marigold.checkpoints.adapters import Adapter
from marigold.core.config import require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import WEIGHT
from marigold.core.sample import Batch
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator
from marigold.objectives.base import Objective


@dataclass(frozen=True)
class DistilDecoder(Objective):
    """Absolute error of a small decoder's images against the teacher's, and of their differences between neighbours.

    The latents are those of target images with a little noise, and those that the denoiser predicts in one step.
    """

    widths: tuple[int, ...] = (192, 128, 96, 48)
    """Channels of the small decoder on each level, from the latents to the image, whose sides double on the way."""
    blocks: tuple[int, ...] = (3, 3, 2, 1)
    """Residual blocks on each level."""
    gradient: float = 1.0
    """Weight of the error of the differences between neighbouring pixels, which keeps edges where they are."""
    elsewhere: float = 0.1
    """Weight of pixels whose target is not known, such as sky: the network predicts something there all the same."""
    blur: float = 0.05
    """The largest standard deviation of the noise on latents of target images; each sample draws its own up to it."""
    predicted: float = 0.0
    """Share of the samples whose latent is predicted from the photo, in one step from noise."""

    def __post_init__(self) -> None:
        weights = dict.fromkeys(("gradient", "blur"), (0.0, WEIGHT))
        shares = dict.fromkeys(("elsewhere", "predicted"), (0.0, 1.0))
        require_within("distil_decoder: ", self, **weights, **shares)

    def extend(self, backbone: Backbone) -> None:
        """Adds the small decoder; the backbone's own becomes its teacher. Raises `ConfigError`."""
        backbone.add_decoder(self.widths, self.blocks)

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The small decoder. Raises `ConfigError` where latents are to be predicted by a network that sees no photo."""
        if self.predicted and not estimator.backbone.conditions:
            raise ConfigError("distil_decoder: predicted: the network of `start` sees no photo; use 0")
        autoencoder: Any = estimator.backbone.autoencoder
        return autoencoder.decoder

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The latents of the target images, which of their pixels are known and, to predict from, the condition."""
        prepared = {"clean": estimator.encode_target(batch.pixels), "usable": batch.valid}
        if self.predicted:
            prepared["condition"] = estimator.encode_image(batch.image)
        return prepared

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The weighted mean absolute error, over as many images as there are samples, drawn from all targets."""
        autoencoder: Any = estimator.backbone.autoencoder
        with torch.no_grad():
            latents = self._latents(estimator, prepared, rng)
            latent, usable = self._drawn(estimator, latents, prepared["usable"], rng)
            target = autoencoder.teach(latent).float()
        weight = usable.float().clamp(min=self.elsewhere)
        difference = autoencoder.decoder(latent).float() - target
        return _mean(difference, weight) + self.gradient * _slopes(difference, weight)

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Each target image beside what the teacher and the small decoder make of its latent."""
        autoencoder: Any = estimator.backbone.autoencoder
        latent = estimator.encode_target(batch.pixels)
        each = latent.unflatten(1, (-1, estimator.backbone.latent_channels))
        taught = autoencoder.teach(each.flatten(0, 1)).unflatten(0, each.shape[:2])
        return torch.stack([batch.pixels, taught, estimator.decode_pixels(latent)], dim=2).flatten(1, 2).clamp(-1, 1)

    def save(self, estimator: Estimator, folder: Path, adapter: Adapter | None = None) -> None:
        """Writes the small decoder alone, as a folder that `--autoencoder` takes."""
        store.save_decoder(estimator, folder)

    def saved_bytes(self, estimator: Estimator) -> int:
        """Those of the small decoder."""
        autoencoder: Any = estimator.backbone.autoencoder
        return sum(tensor.nbytes for tensor in autoencoder.decoder.state_dict().values())

    def _latents(self, estimator: Estimator, prepared: dict[str, Tensor], rng: torch.Generator) -> Tensor:
        """[B, N * C, h, w]: the first ones predicted, the others of target images, with noise."""
        clean = prepared["clean"]
        white = noises.gaussian(clean.shape, rng, clean.device, clean.dtype)
        count = round(self.predicted * len(clean))
        rest, deviation = clean[count:], torch.rand(len(clean), 1, 1, 1, generator=rng, device=clean.device)
        noisy = rest + self.blur * deviation[count:].to(rest) * white[count:]
        if not count:
            return noisy
        answer = estimator.sample(prepared["condition"][:count], white[:count], 1, fresh=lambda i: white[:count])
        return torch.cat([answer.to(noisy), noisy])

    def _drawn(
        self, estimator: Estimator, latents: Tensor, usable: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Latents [B, C, h, w] and masks [B, 1, H, W] of as many images as there are samples."""
        each = latents.unflatten(1, (-1, estimator.backbone.latent_channels)).flatten(0, 1)
        masks = usable.flatten(0, 1)
        order = torch.rand(len(each), generator=rng, device=each.device).argsort()[: len(latents)]
        return each[order], masks[order]


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of absolute values: error [B, C, H, W], weight [B, 1, H, W]."""
    return (error.abs() * weight).sum() / (weight.sum() * error.shape[1]).clamp(min=1)


def _slopes(error: Tensor, weight: Tensor) -> Tensor:
    """The same of the differences between neighbours, in both directions; a pair counts by its lesser weight."""
    right = error[..., 1:] - error[..., :-1], torch.minimum(weight[..., 1:], weight[..., :-1])
    down = error[..., 1:, :] - error[..., :-1, :], torch.minimum(weight[..., 1:, :], weight[..., :-1, :])
    return _mean(*right) + _mean(*down)
