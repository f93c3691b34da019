"""One-step prediction trained by any sum of losses on its result: what `end_to_end` does with one, composed freely.

With the losses `affine` or `angle` and a start from zeros it is the training of Garcia et al. 2025.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints.convention import Convention
from marigold.core.config import beside, require, require_within
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.core.limits import PARTS, WEIGHT
from marigold.core.sample import Batch, Sample
from marigold.estimator import Estimator
from marigold.objectives import _single
from marigold.objectives._single import Start
from marigold.objectives.base import Objective
from marigold.objectives.losses.base import MapLoss, Outcome
from marigold.objectives.losses.value import Value


@dataclass(frozen=True)
class Term:
    """A loss with its weight in the sum: `{loss: sink, block: 5, weight: 0.5}`."""

    loss: MapLoss = beside()
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_within("one_step: losses: ", self, weight=(0.0, WEIGHT))


@dataclass(frozen=True)
class OneStep(Objective):
    """sum_i weight_i * loss_i of the answer of a single step at the last time, decoded with gradients."""

    losses: tuple[Term, ...] = (Term(Value()),)
    """What is summed: files in `objectives/losses/`, with their settings and a weight."""
    start: Start = "zeros"
    """What the step starts from: zeros as published, which the checkpoint's card then states, or noise, which leaves it
    an ordinary diffusion model. A network that sees the photo alone has neither."""
    decoded: float = 1.0
    """Share of a batch that is decoded: the decoder costs several times what the denoiser does."""

    def __post_init__(self) -> None:
        require_within("one_step: ", self, decoded=(0.0, 1.0))
        require(self.decoded > 0, "one_step: decoded", self.decoded, "above 0")
        count = len(self.losses)
        require(0 < count <= PARTS, "one_step: losses", f"a list of {count}", f"1 to {PARTS} long")
        weights = [term.weight for term in self.losses]
        require(sum(weights) > 0, "one_step: losses", f"weights {weights}", "above 0 for at least one loss")

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser; gradients pass through the decoder, which stays as it is.

        Raises `ConfigError` for a network without a photo, and for a loss of maps that the modality does not predict.
        """
        if not estimator.backbone.conditions:
            raise ConfigError("one_step: the network sees no photo; train a modality that is predicted from one")
        for number, loss in enumerate(self._losses):
            missing = [name for name in loss.outputs if name not in estimator.modality.outputs]
            missing += [name for name in loss.fields if name not in estimator.modality.needs]
            if missing:
                raise ConfigError(
                    f"one_step: losses.{number}: `{name_of(loss)}` compares {missing[0]}, which "
                    f"{name_of(estimator.modality)} does not predict; choose another loss"
                )
        return estimator.backbone.denoiser

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """One step from zeros, or that of an ordinary diffusion model."""
        return _single.convention(backbone, before, self.start)

    def setup(self, estimator: Estimator) -> nn.Module:
        """What the losses compare by, in their order."""
        return nn.ModuleList(loss.setup(estimator).requires_grad_(False) for loss in self._losses)

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The condition, the photo and the target images; true latents and physical maps where losses ask for them."""
        prepared = {
            "condition": estimator.encode_image(batch.image),
            "image": batch.image,
            "pixels": batch.pixels,
            "usable": batch.valid,
        }
        if not all(loss.decodes for loss in self._losses):
            prepared |= {"clean": estimator.encode_target(batch.pixels), "cells": estimator.latent_mask(batch.valid)}
        for name in self._fields:
            prepared |= {f"map {name}": batch.truth.maps[name], f"valid {name}": batch.truth.valid[name]}
        return prepared

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The weighted sum; those of decoded maps are means over the samples that are decoded."""
        latent = _single.predicted(estimator, prepared["condition"], self.start, rng)
        outcome = self._outcome(estimator, prepared, latent)
        assert isinstance(kept, nn.ModuleList)
        parts = zip(self.losses, kept, strict=True)
        return torch.stack([term.weight * term.loss.loss(estimator, outcome, own) for term, own in parts]).sum()

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, target images and predictions side by side."""
        latent = _single.predicted(estimator, estimator.encode_image(batch.image), self.start, rng)
        shown = [batch.image[:, None], batch.pixels, estimator.decode_pixels(latent)]
        return torch.cat(shown, dim=1).clamp(-1, 1)

    def _outcome(self, estimator: Estimator, prepared: dict[str, Tensor], latent: Tensor) -> Outcome:
        decodes = any(loss.decodes for loss in self._losses)
        count = max(1, round(self.decoded * len(latent))) if decodes else 0
        first = {name: x[:count] for name, x in prepared.items()}
        maps, valid = ({name: first[f"{kind} {name}"] for name in self._fields} for kind in ("map", "valid"))
        pixels = estimator.decode_pixels(latent[:count]).float() if count else first["pixels"]
        clean = prepared["clean"].float() if "clean" in prepared else None
        truth = Batch(first["image"], first["pixels"], first["usable"], Sample("", first["image"], maps, valid))
        return Outcome(latent.float(), pixels, truth, clean, prepared.get("cells"))

    @property
    def _losses(self) -> list[MapLoss]:
        return [term.loss for term in self.losses]

    @property
    def _fields(self) -> list[str]:
        """Physical maps that losses read, each once."""
        return list(dict.fromkeys(name for loss in self._losses for name in loss.fields))
