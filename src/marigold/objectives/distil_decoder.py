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
from marigold.core.sample import Batch, Sample
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator
from marigold.objectives.base import Objective


@dataclass(frozen=True)
class DistilDecoder(Objective):
    """The modality's loss on a small decoder's maps, with the teacher's as truth, and errors of its images beside it.

    The latents are those of target images with a little noise, and those that the denoiser predicts in one step. The
    latter matter where a network was trained by its result (`end_to_end`): it comes to use latents that no image has,
    of which the decoder makes colours that the map does not see.
    """

    widths: tuple[int, ...] = (192, 128, 96, 48)
    """Channels of the small decoder on each level, from the latents to the image, whose sides double on the way."""
    blocks: tuple[int, ...] = (3, 3, 2, 1)
    """Residual blocks on each level."""
    values: float = 1.0
    """Weight of the modality's loss on the maps (`Modality.loss`); 0 for a start that has no modality."""
    absolute: float = 0.1
    """Weight of the mean absolute error of the target images."""
    gradient: float = 0.1
    """Weight of the error of the differences between neighbouring pixels, which keeps edges where they are."""
    elsewhere: float = 0.1
    """Weight of pixels whose target is not known, such as sky: the network predicts something there all the same."""
    blur: float = 0.05
    """The largest standard deviation of the noise on latents of target images; each sample draws its own up to it."""
    predicted: float = 0.0
    """Share of the samples whose latent is predicted from the photo, in one step from noise."""

    def __post_init__(self) -> None:
        weights = dict.fromkeys(("values", "absolute", "gradient", "blur"), (0.0, WEIGHT))
        shares = dict.fromkeys(("elsewhere", "predicted"), (0.0, 1.0))
        require_within("distil_decoder: ", self, **weights, **shares)

    def extend(self, backbone: Backbone) -> None:
        """Adds the small decoder; the backbone's own becomes its teacher. Raises `ConfigError`."""
        backbone.add_decoder(self.widths, self.blocks)

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The small decoder. Raises `ConfigError` for what a network that sees no photo does not have."""
        for name in ("predicted", "values"):
            if getattr(self, name) and not estimator.backbone.conditions:
                raise ConfigError(f"distil_decoder: {name}: the network of `start` sees no photo; use 0")
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
        """`Modality.loss` of the maps, and the weighted mean absolute errors of images and of their slopes."""
        usable = prepared["usable"]
        with torch.no_grad():
            latent = self._latents(estimator, prepared, rng)
            target = self._taught(estimator, latent).float()
        pixels = estimator.decode_pixels(latent).float()
        # Of all targets as images of their own, [B * N, ...].
        error, weight = (pixels - target).flatten(0, 1), usable.flatten(0, 1).float().clamp(min=self.elsewhere)
        total = self.absolute * _mean(error, weight) + self.gradient * _slopes(error, weight)
        if self.values:
            total = total + self.values * estimator.modality.loss(
                estimator.modality.decode(pixels), _truth(target, usable)
            )
        return total

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Each target image beside what the teacher and the small decoder make of its latent."""
        latent = estimator.encode_target(batch.pixels)
        three = [batch.pixels, self._taught(estimator, latent), estimator.decode_pixels(latent)]
        return torch.stack(three, dim=2).flatten(1, 2).clamp(-1, 1)

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

    def _taught(self, estimator: Estimator, latent: Tensor) -> Tensor:
        """What the teacher makes of latents [B, N * C, h, w]: images [B, N, 3, H, W]."""
        autoencoder: Any = estimator.backbone.autoencoder
        each = latent.unflatten(1, (-1, estimator.backbone.latent_channels))
        return autoencoder.teach(each.flatten(0, 1)).unflatten(0, each.shape[:2])


def _truth(pixels: Tensor, valid: Tensor) -> Batch:
    """A batch of which the target images alone are known, which is what a modality's loss reads."""
    image = pixels[:, 0]
    return Batch(image, pixels, valid, Sample("", image, {}, {}))


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of absolute values: error [B, C, H, W], weight [B, 1, H, W]."""
    return (error.abs() * weight).sum() / (weight.sum() * error.shape[1]).clamp(min=1)


def _slopes(error: Tensor, weight: Tensor) -> Tensor:
    """The same of the differences between neighbours, in both directions; a pair counts by its lesser weight."""
    right = error[..., 1:] - error[..., :-1], torch.minimum(weight[..., 1:], weight[..., :-1])
    down = error[..., 1:, :] - error[..., :-1, :], torch.minimum(weight[..., 1:, :], weight[..., :-1, :])
    return _mean(*right) + _mean(*down)
