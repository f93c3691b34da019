"""Training batches from several sources, drawn by weight from a stream keyed by the step, so resuming is an index."""

import torch

from marigold.core import find, seeds
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.data.augment import augment
from marigold.data.pool import Pools
from marigold.data.source import Source
from marigold.modalities.base import Modality


class Mix:
    """Batches by step. One batch comes from one source, since sources differ in size and fields."""

    def __init__(self, sources: tuple[Source, ...], modality: Modality, pools: Pools, *, batch: int, seed: int) -> None:
        self.sources = [source for source in sources if not (source.optional and not source.root.is_dir())]
        if not self.sources:
            raise ConfigError("data: no source is left; give at least one whose folder exists")
        self._modality, self._pools, self._batch, self._seed = modality, pools, batch, seed

    def batch(self, step: int, count: int | None = None) -> Batch:
        """The batch of a step, on the device; `count` samples instead of the usual number."""
        weights = torch.tensor([source.weight for source in self.sources])
        position = int(torch.multinomial(weights, 1, generator=seeds.stream(self._seed, "source", step)))
        return self.batch_of(position, step, count)

    def batch_of(self, position: int, step: int, count: int | None = None) -> Batch:
        """The batch that one source gives at a step."""
        source = self.sources[position]
        modality = self.modality(source)
        pool = self._pools.of(source, self._needs(source), self._seed)
        sample = pool.draw(step, count or self._batch, modality.needs)
        sample = augment(sample, source.augment, seeds.stream(self._seed, "augment", step))
        pixels, valid = modality.encode(sample)
        return Batch(image=sample.image * 2 - 1, pixels=pixels, valid=valid, truth=sample)

    def modality(self, source: Source) -> Modality:
        """What the batches of a source paint."""
        return find.implementation(Modality, source.paint)() if source.paint else self._modality

    def _needs(self, source: Source) -> set[str]:
        """The fields that this source and those with the same data need together."""
        return {name for other in self.sources if other.data() == source.data() for name in self.modality(other).needs}
