"""Trains a refiner: beside the photo it sees another model's map of the whole, to which it gives sharper edges.

Zhang et al. 2024 (BetterDepth), sec. 3.2, as Marigold-HR uses it (Ke et al. 2025): the frozen model's map is fitted to
the truth, patches where it is still far from it are left out, and what is minimised is the error of `denoise`. So the
refiner learns to keep the layout that it is shown. It is trained on crops, whose latents are cut from those of the
whole sample, as they are when a photo is refined tile by tile.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.checkpoints.adapters import Adapter
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.core.limits import SAMPLING, SIDE
from marigold.core.sample import Batch
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.objectives import _coarse as coarse_model
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise


@dataclass(frozen=True)
class Refine(Objective):
    """`denoise` with the latents of a coarse map as a second condition, where that map is near the truth."""

    coarse: str = ""
    """The model whose maps are refined: a bundled name, a folder or a hub id. It stays frozen, outside the result."""
    steps: int = 1
    """Steps that its maps are predicted in."""
    crop: tuple[int, ...] = ()
    """Height and width in pixels of what the network is shown of a sample, at a place drawn anew; empty: all of it."""
    patch: int = 8
    """The side in pixels of the patches that are left out as a whole."""
    eta: float = 0.1
    """A patch is left out where the root mean square of the coarse target image's error is above it; -1 to 1."""
    error: Objective = Denoise()
    """What is minimised where the map is near: `denoise`, with its settings."""

    def __post_init__(self) -> None:
        require_within("refine: ", self, steps=(1, SAMPLING), patch=(1, SIDE), eta=(0.0, 2.0))
        usable = len(self.crop) in (0, 2) and all(0 < side <= SIDE for side in self.crop)
        require(usable, "refine: crop", list(self.crop[:9]), f"a height and a width of 1 to {SIDE} pixels")
        require(isinstance(self.error, Denoise), "refine: error", f"`{name_of(self.error)}`", "`denoise`")

    def conditions(self, modality: Modality) -> int:
        """The photo and each target image of the coarse map."""
        return 1 + len(modality.targets)

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser. Raises `ConfigError` for another number of conditions, or a crop without a cell."""
        if estimator.backbone.conditions != self.conditions(estimator.modality):
            raise ConfigError(
                f"refine: the network has {estimator.backbone.conditions} conditions; train it for a modality, from a "
                "generator, from a checkpoint of that modality, or from a refiner of it"
            )
        if self.crop and min(self.crop) < estimator.backbone.stride:
            least = f"at least {estimator.backbone.stride} pixels a side, which is one cell of the latents"
            raise ConfigError(f"refine: crop: {list(self.crop)} cannot be used; it must be {least}")
        return self.error.trainable(estimator)

    def setup(self, estimator: Estimator) -> nn.Module:
        """Opens the coarse model, so that one that cannot be used ends the run here. Nothing is kept with the run."""
        coarse_model.check(self._model(estimator), self.coarse, estimator.modality)
        return nn.Module()

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The latents of whole samples: targets, photo beside coarse map, and which cells may be used."""
        coarse = self._shown(estimator, batch)
        near = coarse_model.near(coarse, batch.pixels, batch.valid, self.patch, self.eta)
        return {
            "clean": estimator.encode_target(batch.pixels),
            "valid": estimator.latent_mask(batch.valid & near),
            "condition": torch.cat([estimator.encode_image(batch.image), estimator.encode_target(coarse)], dim=1),
        }

    def prepared_by(self, estimator: Estimator) -> str:
        """The coarse model's."""
        return self._model(estimator).card.revision

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """That of `denoise` on a crop of each sample."""
        height, width = (side // estimator.backbone.stride for side in self.crop or (0, 0))
        shown = cropped(prepared, height, width, rng) if self.crop else prepared
        return self.error.loss(estimator, shown, kept, rng)

    @torch.no_grad()
    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, coarse map, what the refiner makes of it, and target images, in the middle of each sample."""
        middle = self._middle(estimator.backbone.stride, *batch.image.shape[-2:])
        coarse = self._shown(estimator, batch)[middle]
        image, pixels = batch.image[middle], batch.pixels[middle]
        condition = torch.cat([estimator.encode_image(image), estimator.encode_target(coarse)], dim=1)
        shape = (len(image), estimator.backbone.targets * estimator.backbone.latent_channels, *condition.shape[-2:])
        sampling = estimator.sampling(self._denoise.preview_steps)
        drawn = [noises.gaussian(shape, rng, image.device, condition.dtype) for _ in range(sampling.draws)]
        latent = estimator.sample(condition, drawn[0], sampling, fresh=drawn[1:].__getitem__)
        return torch.cat([image[:, None], coarse, estimator.decode_pixels(latent), pixels], dim=1).clamp(-1, 1)

    def save(self, estimator: Estimator, folder: Path, adapter: Adapter | None = None) -> None:
        """Writes the refiner; its card's note says whose maps it was trained on."""
        card, model = estimator.card, self._model(estimator).card
        note = f"{card.note}, behind the maps of {model.name} {model.revision}".strip()
        super().save(Estimator(estimator.backbone, estimator.modality, replace(card, note=note)), folder, adapter)

    @property
    def _denoise(self) -> Denoise:
        assert isinstance(self.error, Denoise)
        return self.error

    def _model(self, estimator: Estimator) -> Estimator:
        if not self.coarse:
            raise ConfigError("refine: coarse: names no model; give the one whose maps are to be refined")
        return coarse_model.opened(self.coarse, str(next(estimator.backbone.parameters()).device))

    def _shown(self, estimator: Estimator, batch: Batch) -> Tensor:
        """The coarse target images of a batch at its size, [B, N, 3, H, W], as near the truth as they can be."""
        pixels = coarse_model.predicted(self._model(estimator), batch.image, self.steps)
        pixels = coarse_model.enlarged(pixels, *batch.image.shape[-2:])
        open_ = estimator.modality.ambiguity
        return coarse_model.aligned(pixels, batch.pixels, batch.valid) if open_.scale or open_.shift else pixels

    def _middle(self, stride: int, height: int, width: int) -> tuple:
        """The window of the crop's size in the middle of images [..., H, W], whole latent cells."""
        window = []
        for side, most in zip((height, width), self.crop or (height, width), strict=True):
            length = min(side, most) // stride * stride
            window.append(slice((side - length) // 2, (side - length) // 2 + length))
        return (..., *window)


def cropped(latents: dict[str, Tensor], height: int, width: int, rng: torch.Generator) -> dict[str, Tensor]:
    """Latents [B, ..., h, w] cut to a window of this many cells, or fewer where there are fewer; each sample its own.

    All tensors of a sample are cut at the same place, which is drawn on the device.
    """
    first = next(iter(latents.values()))
    count, device = len(first), first.device
    places = []
    for side, asked in zip(first.shape[-2:], (height, width), strict=True):
        length = min(side, asked)
        start = torch.randint(side - length + 1, (count, 1), generator=rng, device=device)
        places.append(start + torch.arange(length, device=device))  # [B, length]
    rows, columns = places
    sample = torch.arange(count, device=device)[:, None, None]
    # Indexing by [B, h, 1] and [B, 1, w] on both sides of the channels puts these last.
    return {
        name: x[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2) for name, x in latents.items()
    }
