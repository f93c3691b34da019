"""An endless supply of samples on the training device, slowly renewed: reading or rendering never holds up a step.

The pool keeps `capacity` samples stacked. Every step replaces the oldest `renewal` of them by the next ones of the
data set, so the content at a step is a function of the step alone and a resumed run sees the same samples.
"""

import math
import sys
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.core import seeds
from marigold.core.device import require_room
from marigold.core.sample import Sample
from marigold.data import border
from marigold.data.reader import Reader, Reading, check_size
from marigold.data.skipped import Skipped, SkippedSamples
from marigold.data.source import Source

WORTH_A_BAR = 4
"""Blocks that take long enough to show a progress bar."""
SELDOM = 10.0
"""Seconds between two lines of it where no terminal shows them."""


class Pool:
    """Samples of one source, all of one size, in half precision, masks as bool."""

    def __init__(
        self, source: Source, fields: tuple[str, ...], seed: int, how: Reading, skipped: SkippedSamples | None = None
    ) -> None:
        self.fields, self._skipped = fields, skipped or SkippedSamples()
        self._source, self._seed, self._device = source, seed, how.device
        self._keys: Sequence[str] = border.keys(source.dataset, source.root, source.split)
        self._slots = math.ceil(source.capacity / source.block)
        last = None if source.renewal else self._slots
        self._reader = Reader(source, fields, self._keys_of_block, how, last, self._skip)
        self._stored: Sample | None = None
        self._read = 0  # blocks that have been read since the run began

    def draw(self, step: int, count: int, fields: tuple[str, ...]) -> Sample:
        """`count` samples at this step as one stacked sample, in float32, with these fields."""
        stored = self._renewed(step)
        chosen = self._chosen(step, count).to(stored.image.device)
        return stored.only(fields).each(lambda x: x[chosen] if x.dtype == torch.bool else x[chosen].float())

    def close(self) -> None:
        """Ends the processes that read."""
        self._reader.close()

    def keys(self, first: int, count: int) -> list[str]:
        """The keys of the samples that are read as number `first` and the following."""
        return [self._keys[self._place(index)] for index in range(first, first + count)]

    def drawn(self, step: int, count: int) -> list[str]:
        """The keys of the samples that `draw` gives."""
        size, last = self._source.block, self._wanted(step) - 1
        found = (divmod(index, size) for index in self._chosen(step, count).tolist())
        # The newest block in the slot
        return [self.keys((last - (last - slot) % self._slots) * size + place, 1)[0] for slot, place in found]

    def _chosen(self, step: int, count: int) -> Tensor:
        """The places in the pool that are drawn at this step."""
        rng = seeds.stream(self._seed, "draw", step)
        return torch.randint(self._source.capacity, (count,), generator=rng)

    def _wanted(self, step: int) -> int:
        """Blocks that have been read by this step."""
        return self._slots + math.floor(step * self._source.renewal / self._source.block)

    def _renewed(self, step: int) -> Sample:
        """What the pool holds at this step: whole blocks are read, each in place of the oldest once it is full."""
        wanted = self._wanted(step)
        self._read = max(self._read, wanted - self._slots)
        quiet = wanted - self._read < WORTH_A_BAR
        blocks = range(self._read, wanted)
        pause = 0.1 if sys.stderr.isatty() else SELDOM
        for number in tqdm(blocks, "filling the pool", unit="block", leave=False, disable=quiet, mininterval=pause):
            self._store(self._reader.block(number), number % self._slots)
            self._read = number + 1
        if not self._source.renewal:
            self.close()
        assert self._stored is not None
        return self._stored

    def _keys_of_block(self, number: int) -> list[str]:
        return self.keys(number * self._source.block, self._source.block)

    def _skip(self, skipped: list[Skipped]) -> None:
        self._skipped.add(self._source, len(self._keys), skipped)

    def _place(self, index: int) -> int:
        """A different order in every epoch: multiplication by a unit modulo the length, plus an offset."""
        length = len(self._keys)
        epoch, position = divmod(index, length)
        factor, offset = (seeds.number(self._seed, name, epoch) % length for name in ("factor", "offset"))
        while math.gcd(factor, length) != 1:
            factor += 1
        return (position * factor + offset) % length

    def _store(self, fresh: Sample, slot: int) -> None:
        if self._stored is None:
            self._check_room(fresh)
            self._stored = fresh.each(self._room)
        check_size(self._source, self._stored, fresh)
        first = slot * self._source.block
        for stored, x in zip(_tensors(self._stored), _tensors(fresh), strict=True):
            stored[first : first + self._source.block] = x

    def _check_room(self, block: Sample) -> None:
        needed, capacity = self._slots * sum(x.nbytes for x in _tensors(block)), self._source.capacity
        what = f"{self._source.name}: `capacity` {capacity} samples of this size"
        require_room(needed, self._device, what, "set a smaller one")

    def _room(self, x: Tensor) -> Tensor:
        """Memory for as many tensors like those of a block as the pool holds."""
        return x.new_empty(self._slots * self._source.block, *x.shape[1:], device=self._device)


class Pools:
    """The pools of a process: sources, and whole runs, that read the same data share one."""

    def __init__(self, how: Reading) -> None:
        self.how = how
        self.skipped = SkippedSamples()
        self._pools: dict[str, Pool] = {}

    def of(self, source: Source, fields: set[str], seed: int) -> Pool:
        """The pool of a source, with at least these fields."""
        key = f"{seed} {source.data()}"
        if key not in self._pools or not fields <= set(self._pools[key].fields):
            how = self.how if source.split == "train" else Reading(self.how.device)
            self._pools[key] = Pool(source, tuple(sorted(fields)), seed, how, self.skipped)
        return self._pools[key]

    def close(self) -> None:
        """Ends all processes that read."""
        for pool in self._pools.values():
            pool.close()


def _tensors(sample: Sample) -> list[Tensor]:
    return [sample.image, *sample.maps.values(), *sample.valid.values()]
