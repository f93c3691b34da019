"""One-step prediction trained by its result: sample in a single step, decode, compare what the user would get.

Garcia et al. 2025, sec. 3.2: with the time fixed to the last one, the whole way from photo to map is one differentiable
function, and the modality's own loss on the map replaces the error in latent space.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints.convention import Convention
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import WEIGHT
from marigold.core.sample import Batch, Sample
from marigold.estimator import Estimator
from marigold.objectives import _single
from marigold.objectives._single import Start
from marigold.objectives.base import Objective


@dataclass(frozen=True)
class EndToEnd(Objective):
    """The modality's loss on the decoded prediction, and a share of the error of its latent."""

    start: Start = "noise"
    """What the single step starts from. Zeros make the checkpoint deterministic, as its card then states; noise
    leaves it an ordinary diffusion model, whose ensembles differ in their members."""
    decoded: float = 1.0
    """Share of a batch that is decoded: the decoder costs several times what the denoiser does."""
    latent: float = 0.0
    """Weight of the mean squared error of the clean latent, over the whole batch."""

    def __post_init__(self) -> None:
        require_within("end_to_end: ", self, decoded=(0.0, 1.0), latent=(0.0, WEIGHT))
        require(self.decoded > 0, "end_to_end: decoded", self.decoded, "above 0")

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser; gradients pass through the decoder, which stays as it is. Raises `ConfigError`."""
        if not estimator.backbone.conditions:
            raise ConfigError("end_to_end: the network sees no photo; train a modality that is predicted from one")
        return estimator.backbone.denoiser

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """One step from zeros, or that of an ordinary diffusion model."""
        return _single.convention(backbone, before, self.start)

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The condition and the target images; where latents are compared, the true ones with their mask too."""
        prepared = {
            "condition": estimator.encode_image(batch.image),
            "pixels": batch.pixels,
            "usable": batch.valid,
        }
        if self.latent:
            prepared["clean"] = estimator.encode_target(batch.pixels)
            prepared["valid"] = estimator.latent_mask(batch.valid)
        return prepared

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """`Modality.loss` of the predictions that are decoded, plus `latent` times the error of all latents."""
        predicted = _single.predicted(estimator, prepared["condition"], self.start, rng)
        count = max(1, round(self.decoded * len(predicted)))
        truth = _truth(prepared["pixels"][:count], prepared["usable"][:count])
        total = estimator.modality.loss(estimator.decode(predicted[:count]).float(), truth)
        if self.latent:
            clean, valid = prepared["clean"], prepared["valid"]
            error = (predicted.float() - clean.float()).square()
            total = total + self.latent * (error * valid).sum() / valid.sum().clamp(min=1)
        return total

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, target images and predictions side by side."""
        latent = _single.predicted(estimator, estimator.encode_image(batch.image), self.start, rng)
        predicted = estimator.decode_pixels(latent)
        return torch.cat([batch.image[:, None], batch.pixels, predicted], dim=1).clamp(-1, 1)


def _truth(pixels: Tensor, valid: Tensor) -> Batch:
    """A batch of which only the target images are known, which is what a modality's loss reads."""
    image = pixels[:, 0]
    return Batch(image, pixels, valid, Sample("", image, {}, {}))
