"""An endless supply of samples on the training device, slowly renewed: reading or rendering never holds up a step.

The pool keeps `capacity` samples stacked. Every step replaces the oldest `renewal` of them by the next ones of the
data set, so the content at a step is a function of the step alone and a resumed run sees the same samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from marigold.core import seeds
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset


@dataclass
class Pool:
    """Samples of one data set, all of one size.

    `capacity` is the number kept; `renewal` how many are replaced at each step (a fraction means one every few steps);
    `block` how many are read at a time while filling. Tensors are stored in half precision, masks as bool.
    """

    dataset: Dataset
    root: Path
    split: str
    needs: tuple[str, ...]
    capacity: int
    renewal: float
    seed: int
    device: str
    block: int = 16

    def __post_init__(self) -> None:
        self._keys: Sequence[str] = self.dataset.scan(self.root, self.split)
        self._stored: Sample | None = None
        self._next = 0  # how many samples have been read since the run began

    def draw(self, step: int, count: int) -> Sample:
        """`count` samples at this step as one stacked sample, in float32."""
        self._renew(step)
        assert self._stored is not None
        rng = seeds.stream(self.seed, "draw", step)
        chosen = torch.randint(min(self.capacity, self._next), (count,), generator=rng).to(self.device)
        return _each(self._stored, lambda x: x[chosen] if x.dtype == torch.bool else x[chosen].float())

    def _renew(self, step: int) -> None:
        """Reads on, in whole blocks, until the pool holds what it must hold at this step."""
        wanted = self._blocks(step) * self.block
        if self._stored is None or wanted - self._next > self.capacity:
            self._next = max(0, wanted - math.ceil(self.capacity / self.block) * self.block)
        while self._next < wanted:
            self._store(self._read(self._next))
            self._next += self.block

    def _blocks(self, step: int) -> int:
        filling = math.ceil(self.capacity / self.block)
        return filling + math.floor(step * self.renewal / self.block)

    def _read(self, first: int) -> Sample:
        keys = [self._keys[self._place(index)] for index in range(first, first + self.block)]
        sample = self.dataset.read_many(self.root, keys, self.device)
        kept = {name: sample.maps[name] for name in self.needs}
        masks = {name: sample.valid[name] for name in self.needs}
        return _each(Sample("", sample.image, kept, masks), lambda x: x if x.dtype == torch.bool else x.half())

    def _place(self, index: int) -> int:
        """A different order in every epoch: multiplication by a unit modulo the length, plus an offset."""
        length = len(self._keys)
        epoch, position = divmod(index, length)
        factor, offset = (seeds.number(self.seed, name, epoch) % length for name in ("factor", "offset"))
        while math.gcd(factor, length) != 1:
            factor += 1
        return (position * factor + offset) % length

    def _store(self, fresh: Sample) -> None:
        size = math.ceil(self.capacity / self.block) * self.block
        if self._stored is None:
            self._stored = _each(fresh, lambda x: x.new_empty(size, *x.shape[1:]))
        slot = self._next % size
        pairs = zip(_tensors(self._stored), _tensors(fresh), strict=True)
        for stored, new in pairs:
            stored[slot : slot + self.block] = new


def _tensors(sample: Sample) -> list[Tensor]:
    return [sample.image, *sample.maps.values(), *sample.valid.values()]


def _each(sample: Sample, change) -> Sample:
    return Sample(
        sample.key,
        change(sample.image),
        {name: change(x) for name, x in sample.maps.items()},
        {name: change(x) for name, x in sample.valid.items()},
    )
