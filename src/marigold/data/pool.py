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
from tqdm import tqdm

from marigold.core import seeds
from marigold.core.sample import Sample
from marigold.data.reader import Reader
from marigold.data.source import Source, open_dataset
from marigold.datasets.base import Dataset

HALF_MAX = 65504.0
WORTH_A_BAR = 4
"""Blocks that take long enough to show a progress bar."""


@dataclass
class Pool:
    """Samples of one data set, all of one size.

    `capacity` is the number kept; `renewal` how many are replaced at each step (a fraction means one every few steps);
    `block` how many are read at a time, by `workers` processes ahead of need, on `device`. Tensors are stored in half
    precision, masks as bool, there or on the device `kept_on`.
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
    workers: int = 0
    kept_on: str = ""

    def __post_init__(self) -> None:
        self._keys: Sequence[str] = self.dataset.scan(self.root, self.split)
        self._slots = math.ceil(self.capacity / self.block)
        last = None if self.renewal else self._slots
        self._reader = Reader(self.dataset, self.root, self._keys_of_block, self.workers, last)
        self._stored: Sample | None = None
        self._read = 0  # blocks that have been read since the run began

    def draw(self, step: int, count: int, needs: tuple[str, ...] | None = None) -> Sample:
        """`count` samples at this step as one stacked sample, in float32, with the fields in `needs` (default: all)."""
        self._renew(step)
        rng = seeds.stream(self.seed, "draw", step)
        return draw(self.stored, self.capacity, count, self.needs if needs is None else needs, rng)

    @property
    def stored(self) -> Sample:
        """All samples as they are kept, stacked; at least one block has been read."""
        assert self._stored is not None
        return self._stored

    def close(self) -> None:
        """Ends the worker processes."""
        self._reader.close()

    def fill(self, blocks: int | None = None) -> None:
        """Reads what the first step needs, or its first few blocks."""
        self.read_on(self._slots if blocks is None else min(blocks, self._slots))

    def _renew(self, step: int) -> None:
        """Reads on, in whole blocks, until the pool holds what it must hold at this step."""
        wanted = self._slots + math.floor(step * self.renewal / self.block)
        self._read = max(self._read, wanted - self._slots)
        self.read_on(wanted)

    def read_on(self, wanted: int) -> None:
        """Reads until this many blocks have been read in all; once the pool is full each replaces the oldest."""
        missing = wanted - self._read
        quiet = missing < WORTH_A_BAR
        for _ in tqdm(range(missing), desc="filling the pool", unit="block", leave=False, disable=quiet or None):
            self._store(self._reader.block(self._read, self.device), self._read % self._slots)
            self._read += 1
        if not self.renewal and self._read == self._slots:
            self.close()

    def keys(self, first: int, count: int) -> list[str]:
        """The keys of the samples that are read as number `first` and the following."""
        return [self._keys[self._place(index)] for index in range(first, first + count)]

    def _keys_of_block(self, number: int) -> list[str]:
        return self.keys(number * self.block, self.block)

    def _place(self, index: int) -> int:
        """A different order in every epoch: multiplication by a unit modulo the length, plus an offset."""
        length = len(self._keys)
        epoch, position = divmod(index, length)
        factor, offset = (seeds.number(self.seed, name, epoch) % length for name in ("factor", "offset"))
        while math.gcd(factor, length) != 1:
            factor += 1
        return (position * factor + offset) % length

    def _store(self, read: Sample, slot: int) -> None:
        fresh = _only(read, self.needs)
        if self._stored is None:
            self._stored = _each(fresh, self._room)
        for stored, new in zip(_tensors(self._stored), _tensors(fresh), strict=True):
            stored[slot * self.block : (slot + 1) * self.block] = _small(new)

    def _room(self, x: Tensor) -> Tensor:
        """Memory for as many tensors like those of a block as the pool holds."""
        return _small(x).new_empty(self._slots * self.block, *x.shape[1:], device=self.kept_on or None)


class Pools:
    """The pools of a process: sources, and whole runs, that read the same data share one.

    `fields` are kept besides those that the first run needs, for the runs that follow.
    """

    def __init__(self, device: str, workers: int = 0, fields: tuple[str, ...] = ()) -> None:
        self._device, self._workers, self._fields = device, workers, set(fields)
        self._pools: dict[str, Pool] = {}

    def of(self, source: Source, needs: set[str], seed: int) -> Pool:
        """The pool of a source, with at least the fields in `needs`."""
        key = f"{seed} {source.data()}"
        if key not in self._pools or not needs <= set(self._pools[key].needs):
            self._pools[key] = self._new(source, needs, seed)
        return self._pools[key]

    def close(self) -> None:
        """Ends all worker processes."""
        for pool in self._pools.values():
            pool.close()

    def _new(self, source: Source, needs: set[str], seed: int) -> Pool:
        dataset = open_dataset(source)
        kept = needs | (self._fields & set(dataset.card.fields))
        return Pool(
            dataset=dataset,
            root=source.root,
            split=source.split,
            needs=tuple(sorted(kept)),
            capacity=source.capacity,
            renewal=source.renewal,
            seed=seed,
            device=self._device,
            block=source.block,
            workers=self._workers if source.split == "train" else 0,
        )


def draw(stored: Sample, among: int, count: int, needs: tuple[str, ...], rng: torch.Generator) -> Sample:
    """`count` of the first `among` stacked samples, in float32, with the fields in `needs`."""
    chosen = torch.randint(among, (count,), generator=rng).to(stored.image.device)
    return _each(_only(stored, needs), lambda x: x[chosen] if x.dtype == torch.bool else x[chosen].float())


def _only(sample: Sample, names: tuple[str, ...]) -> Sample:
    """The photo with these fields alone."""
    maps, valid = ({name: x[name] for name in names} for x in (sample.maps, sample.valid))
    return Sample(sample.key, sample.image, maps, valid)


def _small(x: Tensor) -> Tensor:
    """Half precision; what it cannot hold, such as the brightest lights, becomes its largest number."""
    return x if x.dtype == torch.bool else x.clamp(-HALF_MAX, HALF_MAX).half()


def _tensors(sample: Sample) -> list[Tensor]:
    return [sample.image, *sample.maps.values(), *sample.valid.values()]


def _each(sample: Sample, change) -> Sample:
    return Sample(
        sample.key,
        change(sample.image),
        {name: change(x) for name, x in sample.maps.items()},
        {name: change(x) for name, x in sample.valid.items()},
    )
