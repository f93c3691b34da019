"""One step at one time that outputs the clean latent, taught beside the reconstruction of the photo (Lotus).

He et al. 2025: predicting the clean latent directly, at the last time alone, is easier to learn than noise at all
times. What fine detail such a network loses, a second task keeps: a switch asks the same network for the photo itself.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints.convention import Convention
from marigold.core.config import require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import WEIGHT
from marigold.core.sample import Batch
from marigold.diffusion import noise as noises
from marigold.diffusion.schedule import Output
from marigold.estimator import Estimator
from marigold.measure.losses import masked_square
from marigold.objectives.base import Objective

ANNOTATE, RECONSTRUCT = (1.0, 0.0), (0.0, 1.0)
"""The switch that asks for the map, and the one that asks for the photo."""


@dataclass(frozen=True)
class Lotus(Objective):
    """|z - z*|^2 over the map's valid latent elements plus `preserver` times |z' - z_I|^2 over all of the photo's.

    z and z' are the network's outputs with the switch to annotate and to reconstruct, for the same photo (He et al.
    2025, sec. 4). Latents are posterior means here; the published training samples them.
    """

    start: Literal["noise", "nothing"] = "nothing"
    """`noise`: the network sees pure noise beside the photo, so that its answers vary (Lotus-G). `nothing`: it sees the
    photo alone, in a first layer that is not widened (Lotus-D)."""
    preserver: float = 1.0
    """Weight of the photo's reconstruction; published: 1. With 0 there is neither a second task nor a switch."""

    def __post_init__(self) -> None:
        require_within("lotus: ", self, preserver=(0.0, WEIGHT))

    def extend(self, backbone: Backbone) -> None:
        """The switch, and no room for noise where the photo is seen alone."""
        if self.preserver:
            backbone.add_switch(ANNOTATE)
        if self.start == "nothing":
            backbone.see_photo_alone()

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser. Raises `ConfigError` for one without a photo, or that outputs anything but clean latents."""
        if not estimator.backbone.conditions:
            raise ConfigError("lotus: the network sees no photo; train a modality that is predicted from one")
        output = estimator.backbone.schedule.output
        if output is not Output.SAMPLE:
            raise ConfigError(
                f"lotus: the schedule says that the network outputs `{output.value}`; set recipe.schedule to "
                "{prediction_type: sample}"
            )
        return estimator.backbone.denoiser

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """One step at the last time, with the switch to annotate."""
        switch = ANNOTATE if self.preserver else before.switch
        return Convention(self.start, backbone.schedule.length - 1, switch, output="sample")

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The latents of photos and targets, and which cells of the latter may be used."""
        return {
            "condition": estimator.encode_image(batch.image),
            "clean": estimator.encode_target(batch.pixels),
            "valid": estimator.latent_mask(batch.valid),
        }

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """Both tasks in one pass, each with noise of its own where there is any."""
        condition, clean = prepared["condition"], prepared["clean"]
        if not self.preserver:
            return masked_square(self._map(estimator, condition, clean, rng), clean.float(), prepared["valid"])
        annotated, reconstructed = self._both(estimator, condition, clean, rng)
        photo = condition.repeat(1, estimator.backbone.targets, 1, 1).float()
        error = masked_square(annotated, clean.float(), prepared["valid"])
        return error + self.preserver * (reconstructed - photo).square().mean()

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, target images and predictions side by side; with a switch the photo as reconstructed, too."""
        condition, clean = estimator.encode_image(batch.image), estimator.encode_target(batch.pixels)
        if self.preserver:
            latents = self._both(estimator, condition, clean, rng)
        else:
            latents = (self._map(estimator, condition, clean, rng),)
        shown = [estimator.decode_pixels(latent) for latent in latents]
        return torch.cat([batch.image[:, None], batch.pixels, *shown], dim=1).clamp(-1, 1)

    def _map(self, estimator: Estimator, condition: Tensor, like: Tensor, rng: torch.Generator) -> Tensor:
        """The clean latents [B, N * C, h, w] as predicted, float32."""
        x, t = self._start(like, rng), self._last(estimator, like)
        return estimator.backbone.network(x, t, condition).float()

    def _both(
        self, estimator: Estimator, condition: Tensor, like: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Those of the map and of the photo."""
        twice, tasks = torch.cat([like, like]), torch.tensor([ANNOTATE, RECONSTRUCT], device=like.device)
        switch = tasks.repeat_interleave(len(like), dim=0)
        x, t = self._start(twice, rng), self._last(estimator, twice)
        output = estimator.backbone.switched(x, t, torch.cat([condition, condition]), switch)
        annotated, reconstructed = output.float().chunk(2)
        return annotated, reconstructed

    def _start(self, like: Tensor, rng: torch.Generator) -> Tensor:
        if self.start == "nothing":
            return torch.zeros_like(like)
        return noises.gaussian(like.shape, rng, like.device, like.dtype)

    def _last(self, estimator: Estimator, like: Tensor) -> Tensor:
        return torch.full((len(like),), estimator.backbone.schedule.length - 1, device=like.device)
