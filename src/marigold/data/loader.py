"""Batches of samples from the disk, read ahead in other processes by torch's own loader, in the order of positions."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from marigold.core import seeds
from marigold.core.errors import DataError, MarigoldError
from marigold.core.sample import Sample, stack
from marigold.data._workers import end_with_parent
from marigold.data.augment import mirrors
from marigold.data.latents import LatentFiles
from marigold.data.order import Order
from marigold.data.reader import Reading
from marigold.data.streamed import Item, Skipped, Streamed

SHARED = 2 << 30
"""Bytes of shared memory with which processes hand over tensors; with less they send them through pipes."""
AHEAD = 2
"""Batches that every process reads ahead."""


class Wish(NamedTuple):
    """A sample that is asked for."""

    position: int
    source: int
    index: int
    mirrored: bool


@dataclass(frozen=True)
class Fetched:
    """The samples of a batch: those that were read, stacked, and the latents of the others."""

    position: int
    source: int
    keys: tuple[str, ...]
    names: tuple[str, ...]
    """What the latents of each are kept under."""
    rows: tuple[int, ...]
    """The places in the batch of those that were read."""
    sample: Sample | None
    latents: dict[str, Tensor]
    """Of the others, in the order of their places, [rest, ...]."""
    skipped: tuple[Skipped, ...]
    refused: tuple[str, ...]
    """The keys of those that the data set's rules leave out."""

    def pin_memory(self) -> "Fetched":
        """The same in memory that a GPU reads while the processor goes on."""
        pinned = {name: x.pin_memory() for name, x in self.latents.items()}
        return replace(self, sample=self.sample and self.sample.each(Tensor.pin_memory), latents=pinned)


class Loader:
    """The batches of the streamed sources among `sources`, which have a number each; None stands for another kind.

    `every` is the distance between the positions that are asked for. Nothing here but `order`, `seed` and `batch`
    decides what a batch holds.
    """

    def __init__(
        self,
        sources: Sequence[Streamed | None],
        order: Order,
        *,
        batch: int,
        seed: int,
        how: Reading,
        every: int = 1,
        latents: LatentFiles | None = None,
    ) -> None:
        self._fetcher = Fetcher(sources, latents, how.workers > 0 and _shared_memory() < SHARED)
        self._order, self._batch, self._seed, self._how, self._every = order, batch, seed, how, every
        self._batches: Iterator[Fetched | MarigoldError] | None = None
        self._next = -1

    def fetch(self, position: int) -> Fetched:
        """The samples of a position, on the CPU. Raises `DataError`, also where a process that reads has died."""
        if self._batches is None or position != self._next:
            self.close()
            self._batches = iter(self._loader(position))
        try:
            found = next(self._batches)
        except RuntimeError as error:
            raise DataError(
                f"a process that reads samples has ended ({' '.join(str(error).split())[:200]}); give the same command "
                "again, with fewer --workers"
            ) from error
        if isinstance(found, MarigoldError):
            self.close()
            raise found
        assert found.position == position
        self._next = self._following(position)
        return _restored(found)

    def close(self) -> None:
        """Ends the processes."""
        self._batches = None

    def _loader(self, first: int) -> DataLoader:
        workers, how = self._how.workers, self._how
        begin = {"multiprocessing_context": "spawn", "worker_init_fn": _begin}
        ahead = {"prefetch_factor": AHEAD, **begin} if workers else {}
        return DataLoader(
            self._fetcher,
            batch_sampler=_Wishes(self, count(first, self._every)),  # pyright: ignore[reportArgumentType]
            collate_fn=self._fetcher.collate,
            num_workers=workers,
            pin_memory=torch.device(how.device).type == "cuda",
            generator=torch.Generator(),
            **ahead,
        )

    def wishes(self, position: int) -> list[Wish]:
        """What the batch of a position is made of; empty where its source is of another kind."""
        number, turn = self._order.at(position)
        if (streamed := self._fetcher.sources[number]) is None:
            return []
        flags = mirrors(streamed.source.augment, self._batch, seeds.stream(self._seed, "augment", position)).tolist()
        return [Wish(position, number, turn * self._batch + row, flag) for row, flag in enumerate(flags)]

    def _following(self, position: int) -> int:
        """The next position with a streamed source."""
        later = count(position + self._every, self._every)
        return next(number for number in later if self._fetcher.sources[self._order.at(number)[0]])


class Fetcher(Dataset[tuple[Wish, Item | MarigoldError]]):
    """What a process that reads does: samples as they are wished for, and batches of them."""

    def __init__(self, sources: Sequence[Streamed | None], latents: LatentFiles | None, through_pipes: bool) -> None:
        self.sources, self._latents, self._through_pipes = list(sources), latents, through_pipes

    def __getitem__(self, wish: Wish) -> tuple[Wish, Item | MarigoldError]:
        streamed = self.sources[wish.source]
        assert streamed is not None
        try:
            return wish, streamed.item(wish.index, self._latents, wish.mirrored)
        except (
            MarigoldError
        ) as error:  # raised where it is asked for: on the way it would get a traceback into its words
            return wish, error

    def collate(self, wished: list[tuple[Wish, Item | MarigoldError]]) -> Fetched | MarigoldError:
        """The items of one batch together, or what is wrong with it."""
        try:
            return self._together(wished)
        except MarigoldError as error:
            return error

    def _together(self, wished: list[tuple[Wish, Item | MarigoldError]]) -> Fetched:
        if errors := [item for _, item in wished if isinstance(item, MarigoldError)]:
            raise errors[0]
        first, items = wished[0][0], [item for _, item in wished if isinstance(item, Item)]
        read = [item.sample for item in items if item.sample]
        kept = [item.latents for item in items if item.latents]
        return _packed(
            Fetched(
                position=first.position,
                source=first.source,
                keys=tuple(item.key for item in items),
                names=tuple(item.name for item in items),
                rows=tuple(row for row, item in enumerate(items) if item.sample),
                sample=stack(read) if read else None,
                latents={name: torch.stack([one[name] for one in kept]) for name in kept[0]} if kept else {},
                skipped=tuple(skipped for item in items for skipped in item.skipped),
                refused=tuple(key for item in items for key in item.refused),
            ),
            self._through_pipes,
        )


class _Wishes:
    """The batches from a position on, without end."""

    def __init__(self, loader: Loader, positions: Iterator[int]) -> None:
        self._loader, self._positions = loader, positions

    def __iter__(self) -> Iterator[list[Wish]]:
        return filter(None, map(self._loader.wishes, self._positions))


def _begin(number: int) -> None:
    """What a process that reads does first: torch's own watch over the parent ends where a full pipe is waited for."""
    end_with_parent()


def _packed(fetched: Fetched, through_pipes: bool) -> Fetched:
    """The same without shared memory, of which containers have little: arrays are sent as bytes."""
    return _with(fetched, Tensor.numpy) if through_pipes else fetched  # pyright: ignore[reportArgumentType]


def _restored(fetched: Fetched) -> Fetched:
    return _with(fetched, torch.as_tensor)


def _with(fetched: Fetched, change: Callable[[Tensor], Tensor]) -> Fetched:
    latents = {name: change(x) for name, x in fetched.latents.items()}
    return replace(fetched, sample=fetched.sample and fetched.sample.each(change), latents=latents)


def _shared_memory() -> int:
    """Bytes that processes can share; 0 where that is not known."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 0
