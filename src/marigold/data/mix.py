"""Training batches from several sources, drawn by weight: each a function of its position, so resuming is an index."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from torch import Tensor

from marigold.core import find, seeds
from marigold.core.errors import DataError
from marigold.core.sample import Batch, Sample, stack
from marigold.data import border
from marigold.data.augment import augment, mirrored, mirrors
from marigold.data.latents import LatentStore
from marigold.data.loader import Fetched, Loader
from marigold.data.order import Order
from marigold.data.pool import Pools
from marigold.data.skipped import Skipped
from marigold.data.source import Source
from marigold.data.streamed import Streamed
from marigold.modalities.base import Modality

Encode = Callable[[Batch], dict[str, Tensor]]


class Mix:
    """Batches by position. One batch comes from one source, since sources differ in size and fields.

    `size` is the height and width of every batch, in pixels, in place of the sources' own; the sides of others are cut
    to a multiple of `stride`. Batches are asked for at every `every`-th position. `latents` keeps what
    `encoder`, a name for all that has a part in it, makes of samples. `pixels` are those of the last batch's samples.
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
        every: int = 1,
        latents: LatentStore | None = None,
        encoder: str = "",
    ) -> None:
        self.sources, self.pixels = sources, 0
        self._modality, self._pools, self._seed, self._stride = modality, pools, seed, stride
        self._batch, self._size, self._latents = batch, size, latents
        self._order = Order([source.weight for source in sources], seed)
        self._streams = [None if source.dataset.pooled else self._streamed(source) for source in sources]
        files = latents.files(encoder) if latents else None
        ordered = {"batch": batch, "seed": seed, "every": every}
        self._loader = Loader(self._streams, self._order, how=pools.how, latents=files, **ordered)

    def batch(self, position: int) -> Batch:
        """The batch of a position, on the device."""
        number, turn = self._order.at(position)
        if (streamed := self._streams[number]) is None:
            return self.batch_of(number, position)
        if self._latents is not None:  # of which the loader would give some in place of samples
            return self._changed(number, position, self._read(streamed, turn * self._batch, self._batch))
        sample = self._fetch(position).sample
        assert sample is not None
        return self._changed(number, position, sample)

    def keys(self, position: int) -> list[str]:
        """The keys of the samples in the batch of a position, damaged ones in place of those that stand in for them."""
        number, turn = self._order.at(position)
        if (streamed := self._streams[number]) is not None:
            return [streamed.key(turn * self._batch + row) for row in range(self._batch)]
        source = self.sources[number]
        return self._pools.of(source, self._fields(source), self._seed).drawn(position, self._batch)

    def encoded(self, position: int, encode: Encode) -> dict[str, Tensor]:
        """What `encode` makes of the batch of a position; of samples whose latents are kept, those."""
        number, _ = self._order.at(position)
        if self._latents is None or (streamed := self._streams[number]) is None:
            return encode(self.batch(position))
        fetched, side = self._fetch(position), self._size or self.sources[number].augment.size
        self.pixels = math.prod((side, side) if side else streamed.shape)
        return self._merged(fetched, self._latents, encode)

    def batch_of(self, number: int, position: int, count: int | None = None) -> Batch:
        """The batch that one source gives at a position, read here; `count` samples instead of the usual number."""
        count, modality = count or self._batch, self.modality(self.sources[number])
        if (streamed := self._streams[number]) is not None:
            return self._changed(number, position, self._read(streamed, position * count, count))
        pool = self._pools.of(self.sources[number], self._fields(self.sources[number]), self._seed)
        return self._changed(number, position, pool.draw(position, count, modality.needs))

    def leave_out(self, source: Source, skipped: Skipped) -> None:
        """Notes a sample of a source that cannot be read. Raises `DataError` once there are too many."""
        count = len(border.keys(source.dataset, source.root, source.split))
        self._pools.skipped.add(source, count, [skipped])

    def check(self, first: int = 0) -> None:
        """Reads what the first step needs of every source, and some samples of those that are read from the disk.

        Of the latter the `first` so many are read, too. Raises the error of a sample that cannot be used, or of a
        source of which too many cannot be.
        """
        for number, streamed in enumerate(self._streams):
            if streamed is not None:
                self._note(streamed, streamed.broken(first))
            self.batch_of(number, 0, 1)

    def close(self) -> None:
        """Ends the processes that read."""
        self._loader.close()

    def modality(self, source: Source) -> Modality:
        """The modality whose targets a source gives."""
        return find.implementation(Modality, source.modality)() if source.modality else self._modality

    def _streamed(self, source: Source) -> Streamed:
        keys = border.keys(source.dataset, source.root, source.split)
        return Streamed(source, self.modality(source).needs, keys, self._seed).sized()

    def _fields(self, source: Source) -> set[str]:
        """The fields that this source and those with the same data need together."""
        return {name for other in self.sources if other.data() == source.data() for name in self.modality(other).needs}

    def _read(self, streamed: Streamed, first: int, count: int) -> Sample:
        """So many samples from this number on, read in this process."""
        items = [streamed.item(index) for index in range(first, first + count)]
        refused = [key for item in items for key in item.refused]
        self._note(streamed, [skipped for item in items for skipped in item.skipped], refused)
        return stack([item.sample for item in items if item.sample])

    def _fetch(self, position: int) -> Fetched:
        fetched = self._loader.fetch(position)
        streamed = self._streams[fetched.source]
        assert streamed is not None
        self._note(streamed, fetched.skipped, fetched.refused)
        return fetched

    def _note(self, streamed: Streamed, skipped: Iterable[Skipped], refused: Iterable[str] = ()) -> None:
        self._pools.skipped.refuse(streamed.source, refused)
        self._pools.skipped.add(streamed.source, len(streamed.keys), skipped)

    def _changed(self, number: int, position: int, sample: Sample) -> Batch:
        """The batch of the samples that were read, augmented."""
        source = self.sources[number]
        how = replace(source.augment, size=self._size or source.augment.size)
        sample = sample.each(lambda x: x.to(self._pools.how.device, non_blocking=True))
        return self._batch_from(source, augment(sample, how, seeds.stream(self._seed, "augment", position)))

    def _merged(self, fetched: Fetched, latents: LatentStore, encode: Encode) -> dict[str, Tensor]:
        """What was kept of a batch, on the device, with what is encoded of the rest, which is kept from now on."""
        device, rows, count = self._pools.how.device, list(fetched.rows), len(fetched.keys)
        others = [row for row in range(count) if row not in fetched.rows]
        parts = [(others, {name: x.to(device, non_blocking=True) for name, x in fetched.latents.items()})]
        if fetched.sample is not None:
            fresh = encode(self._only_mirrored(fetched))
            parts.append((rows, fresh))
            latents.keep([fetched.names[row] for row in rows], fresh)
        merged: dict[str, Tensor] = {}
        for chosen, part in parts:
            for name, x in part.items():
                merged.setdefault(name, x.new_empty(count, *x.shape[1:]))[chosen] = x
        return merged

    def _only_mirrored(self, fetched: Fetched) -> Batch:
        """The batch of the samples that were read, mirrored as those of the whole one would be."""
        source, rows = self.sources[fetched.source], list(fetched.rows)
        assert fetched.sample is not None
        sample = fetched.sample.each(lambda x: x.to(self._pools.how.device, non_blocking=True))
        flags = mirrors(source.augment, len(fetched.keys), seeds.stream(self._seed, "augment", fetched.position))
        sample = mirrored(sample, flags[rows])
        if side := self._size or source.augment.size:
            sample = sample.resized(side, side)
        return self._batch_from(source, replace(sample, image=sample.image.clamp(0, 1)))

    def _batch_from(self, source: Source, sample: Sample) -> Batch:
        """Samples at sides that the network takes, with the modality's target images."""
        height, width = (side // self._stride * self._stride for side in sample.image.shape[-2:])
        if not height or not width:
            found = f"{sample.image.shape[-1]} x {sample.image.shape[-2]}"
            least = f"{self._stride} x {self._stride}"
            raise DataError(f"{source.name}: {found} pixels are less than the network's {least}; give larger samples")
        sample, self.pixels = sample.cropped(0, 0, height, width), height * width
        pixels, valid = self.modality(source).encode(sample)
        return Batch(image=sample.image * 2 - 1, pixels=pixels, valid=valid, truth=sample)
