"""Encoded samples that are kept on the disk for this run and others: `--cache-latents`."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from marigold.core.config import encode, require
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.data.latents import LatentStore
from marigold.estimator import Estimator
from marigold.train.checks import training_sources
from marigold.train.phase import Phase, phases
from marigold.train.recipe import Recipe

MOST_GIGABYTES = 1e6


@dataclass(frozen=True)
class Latents:
    """Where encoded samples are kept, and how much of them."""

    folder: Path
    gigabytes: float = 100.0
    """Of 10^9 bytes; once they are full, what is encoded is not kept any more."""

    def opened(self, recipe: Recipe, estimator: Estimator) -> LatentStore:
        """The store of a run. Raises `ConfigError` where nothing it encodes would be found again."""
        require(0 < self.gigabytes <= MOST_GIGABYTES, "--cache-size", self.gigabytes, f"above 0, to {MOST_GIGABYTES:g}")
        self._check_sources(recipe)
        for phase in phases(recipe):
            if phase.objective.trainable(estimator) is not estimator.backbone.denoiser:
                name = name_of(phase.objective)
                raise ConfigError(f"--cache-latents: `{name}` trains a part of the autoencoder; leave it out")
        return LatentStore(self.folder, self.gigabytes * 1e9)

    def _check_sources(self, recipe: Recipe) -> None:
        streamed = [source for source in training_sources(recipe) if not source.dataset.pooled]
        if not streamed:
            raise ConfigError(
                "--cache-latents: no source is read from the disk, so that no sample comes back; leave it out"
            )
        for number, source in enumerate(recipe.data):
            if source in streamed and not source.augment.repeats:
                raise ConfigError(
                    f"--cache-latents: recipe.data.{number}.augment changes a sample each time in another way, so that "
                    "none comes back; turn all but `mirror` off, or leave it out"
                )


def encoder_of(recipe: Recipe, phase: Phase, estimator: Estimator) -> str:
    """A text that names all that has a part in what is made of a sample in a phase."""
    content = {
        "autoencoder": _digest(estimator.backbone.autoencoder),
        "objective": encode(phase.objective),
        "model": phase.objective.prepared_by(estimator),
        "modality": encode(recipe.modality),
        "precision": recipe.plan.precision,
        "size": phase.size,
        "latents": [estimator.backbone.conditions, estimator.backbone.targets],
    }
    return json.dumps(content, sort_keys=True)


@torch.no_grad()
def _digest(network: nn.Module) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name, x in network.state_dict().items():
        found.update(f"{name} {x.dtype} {[*x.shape]}".encode())
        found.update(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
