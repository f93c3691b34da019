"""A phase as it runs: its objective with the network that this keeps, and where its batches come from."""

from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor

from marigold.accel.training import autocast
from marigold.core import seeds
from marigold.core.sample import Batch
from marigold.data.latents import LatentStore
from marigold.data.mix import Mix
from marigold.data.pool import Pools
from marigold.data.skipped import Skipped
from marigold.data.source import Source
from marigold.estimator import Estimator
from marigold.train.cache import LatentCache
from marigold.train.checks import training_sources, validation_sources
from marigold.train.latents import encoder_of
from marigold.train.lora import dropout_stream
from marigold.train.phase import Phase
from marigold.train.recipe import Recipe


class Stage:
    """What the steps and the validation of one phase compute; positions count batches from the run's first one.

    `first` is the position at which the phase begins, and `every` the distance between those that are asked for.
    `latents` keeps encoded samples.
    """

    def __init__(
        self,
        phase: Phase,
        recipe: Recipe,
        estimator: Estimator,
        pools: Pools,
        device: str,
        *,
        first: int = 0,
        every: int = 1,
        latents: LatentStore | None = None,
    ) -> None:
        self.recipe, self.estimator, self._skipped = recipe, estimator, pools.skipped
        self.kept = phase.objective.setup(estimator).to(device)
        self._objective, self._batch, self._device = phase.objective, phase.batch, device
        sides = {"size": phase.size, "stride": estimator.backbone.stride}
        mix = partial(Mix, modality=recipe.modality, pools=pools, batch=phase.batch, seed=recipe.seed, **sides)
        encoder = encoder_of(recipe, phase, estimator) if latents else ""
        apart = recipe.reuse if recipe.reuse > 1 else every
        self._mix = mix(training_sources(recipe), every=apart, latents=latents, encoder=encoder)
        self.held_out = mix(validation_sources(recipe, phase.batch)[0])
        slots = max(1, recipe.cache // phase.batch)
        self._cache = LatentCache(self._encoded, slots, recipe.reuse, recipe.seed, first=first)

    def check(self) -> None:
        """Reads what the first step and the validation need. Raises the error of a sample that cannot be used."""
        self._mix.check()
        self.held_out.check(self.recipe.scored)

    @property
    def pixels(self) -> int:
        """Of the samples of the last batch."""
        return self._mix.pixels

    @property
    def refused(self) -> int:
        """How many different samples the data sets' own rules have refused until now."""
        return sum(self._skipped.refused().values())

    def close(self) -> None:
        """Ends the processes that read."""
        self._mix.close()

    def prepared(self, position: int) -> dict[str, Tensor]:
        """What the loss at a position needs of its batch; positions are asked for in order."""
        return self._cache.draw(position, self._batch) if self.recipe.reuse > 1 else self._encoded(position)

    def loss(self, prepared: dict[str, Tensor], position: int) -> Tensor:
        """The scalar to minimise at a position."""
        return self._loss(prepared, "step", position)

    def seed(self, position: int) -> int:
        """The seed of the random draws of the loss at a position."""
        return seeds.number(self.recipe.seed, "step", position)

    def keys(self, position: int) -> list[str]:
        """The samples of the batch at a position; none where encoded samples of several batches are mixed."""
        return [] if self.recipe.reuse > 1 else self._mix.keys(position)

    def after_step(self) -> None:
        """What the objective does after an optimizer step."""
        self._objective.after_step(self.estimator, self.kept)

    def finish(self, position: int) -> None:
        """What the objective does when training ends at a position."""
        self._objective.finish(self.estimator, lambda number: self._mix.batch(position + number))

    def held_out_loss(self, batch: Batch, number: int) -> Tensor:
        """The loss of a held-out batch."""
        return self._loss(self._prepared(batch), "validate", number)

    def leave_out(self, source: Source, key: str, why: str) -> None:
        """Notes a held-out sample that cannot be read. Raises `DataError` once a source has too many."""
        self.held_out.leave_out(source, Skipped(key, why))

    def preview(self, batch: Batch) -> Tensor:
        """What a person looks at, [rows, columns, 3, H, W] in -1 to 1."""
        with self._precision():
            return self._objective.preview(self.estimator, batch, self._rng("preview", 0))

    def _encoded(self, position: int) -> dict[str, Tensor]:
        return self._mix.encoded(position, self._prepared)

    def _prepared(self, batch: Batch) -> dict[str, Tensor]:
        with self._precision():
            return self._objective.prepare(self.estimator, batch)

    def _loss(self, prepared: dict[str, Tensor], purpose: str, number: int) -> Tensor:
        seed = seeds.number(self.recipe.seed, f"{purpose} dropout", number)
        with self._precision(), dropout_stream(self.recipe.lora, seed, self._device):
            return self._objective.loss(self.estimator, prepared, self.kept, self._rng(purpose, number))

    def _rng(self, purpose: str, number: int) -> torch.Generator:
        return torch.Generator(self._device).manual_seed(seeds.number(self.recipe.seed, purpose, number))

    def _precision(self) -> AbstractContextManager:
        return autocast(self.recipe.plan, self._device)
