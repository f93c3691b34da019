"""Training batches from several sources, drawn by weight from a stream keyed by the step, so resuming is an index."""

from dataclasses import replace

import torch

from marigold.core import find, seeds
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Batch
from marigold.data.augment import augment
from marigold.data.pool import Pools
from marigold.data.source import Source
from marigold.modalities.base import Modality


class Mix:
    """Batches by step. One batch comes from one source, since sources differ in size and fields.

    `size` is the height and width of every batch, in pixels, in place of the sources' own; the sides of others are cut
    to a multiple of `stride`.
    """

    def __init__(
        self,
        sources: tuple[Source, ...],
        modality: Modality,
        pools: Pools,
        *,
        batch: int,
        seed: int,
        size: int = 0,
        stride: int = 1,
    ) -> None:
        self.sources = sources
        self._modality, self._pools, self._seed, self._stride = modality, pools, seed, stride
        self._batch, self._size = batch, size

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        return self.batch_of(self._chosen(step), step)

    def keys(self, step: int) -> list[str]:
        """The keys of the samples in the batch of a step."""
        source = self.sources[self._chosen(step)]
        return self._pools.of(source, self._fields(source), self._seed).drawn(step, self._batch)

    def batch_of(self, position: int, step: int, count: int | None = None) -> Batch:
        """The batch that one source gives at a step; `count` samples instead of the usual number."""
        source = self.sources[position]
        modality = self.modality(source)
        pool = self._pools.of(source, self._fields(source), self._seed)
        sample = pool.draw(step, count or self._batch, modality.needs)
        how = replace(source.augment, size=self._size or source.augment.size)
        sample = augment(sample, how, seeds.stream(self._seed, "augment", step))
        height, width = (side // self._stride * self._stride for side in sample.image.shape[-2:])
        if not height or not width:
            found = f"{sample.image.shape[-1]} x {sample.image.shape[-2]}"
            least = f"{self._stride} x {self._stride}"
            raise DataError(f"{source.name}: {found} pixels are less than the network's {least}; give larger samples")
        sample = sample.cropped(0, 0, height, width)
        pixels, valid = modality.encode(sample)
        return Batch(image=sample.image * 2 - 1, pixels=pixels, valid=valid, truth=sample)

    def check(self) -> None:
        """Reads what the first step needs of every source. Raises the error of a sample that cannot be used."""
        for position in range(len(self.sources)):
            self.batch_of(position, 0, 1)

    def modality(self, source: Source) -> Modality:
        """The modality whose targets a source gives."""
        return find.implementation(Modality, source.modality)() if source.modality else self._modality

    def _chosen(self, step: int) -> int:
        """The source that the batch of a step comes from."""
        weights = torch.tensor([source.weight for source in self.sources])
        if not weights.any():
            raise ConfigError("recipe.data: every `weight` is 0; give one source a weight above 0")
        return int(torch.multinomial(weights, 1, generator=seeds.stream(self._seed, "source", step)))

    def _fields(self, source: Source) -> set[str]:
        """The fields that this source and those with the same data need together."""
        return {name for other in self.sources if other.data() == source.data() for name in self.modality(other).needs}
