"""Blocks of samples, read or rendered ahead in other processes; without those, when they are asked for."""

import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch

from marigold.core import seeds
from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.device import require_room
from marigold.core.errors import DataError, MarigoldError, RefusedSampleError
from marigold.core.sample import Sample, stack
from marigold.data import border
from marigold.data._workers import end_with_parent
from marigold.data.skipped import Skipped
from marigold.data.source import Source
from marigold.datasets.base import Dataset

HALF_MAX = 65504.0
MOST_WORKERS = 256
_PROCESS = 400 << 20
"""Bytes that a process takes before it reads anything."""
_AHEAD = 1 << 30
"""Bytes of blocks that are read ahead, apart from one for each process."""


@dataclass(frozen=True)
class Reading:
    """Where samples are made and kept; nothing here changes what they are."""

    device: str = "cpu"
    workers: int = 0
    """Processes that read or lay out samples ahead of need."""
    renderer: str = ""
    """The device on which those processes, at least one, also render; empty renders on `device` when there is need."""
    compiled: bool = False
    """Compile the rendering."""

    def __post_init__(self) -> None:
        require(0 <= self.workers <= MOST_WORKERS, "--workers", self.workers, f"0 to {MOST_WORKERS}")
        require_room(self.workers * _PROCESS, "cpu", f"--workers {self.workers}", "use fewer")


class Reader:
    """The numbered blocks of a source; `keys(number)` names what is in each, `last` is the end, if there is one."""

    def __init__(
        self,
        source: Source,
        fields: tuple[str, ...],
        keys: Callable[[int], list[str]],
        how: Reading,
        last: int | None,
        skip: Callable[[list[Skipped]], object] = lambda skipped: None,
    ) -> None:
        self._source, self._fields, self._keys, self._how, self._last = source, fields, keys, how, last
        self._skip = skip
        processes = max(how.workers, 1) if how.renderer else how.workers
        compiled = source.dataset if how.compiled and how.renderer else None
        spawn = get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, spawn, _begin, (compiled,)) if processes else None
        self._processes = self._ahead = processes
        self._pending: dict[int, Future[bytes]] = {}
        if how.compiled and not how.renderer:
            source.dataset.compile()

    def block(self, number: int) -> Sample:
        """The samples of a block, stacked, in half precision; what comes after it is started in the background.

        Raises `DataError` for what cannot be read, and where a process that reads has died.
        """
        source, fields, how = self._source, self._fields, self._how
        if self._pool is None:
            found, skipped = prepare(source, fields, self._keys(number))
        else:
            content = self._content(number, self._pool)
            # By count at first, then by size
            self._ahead = max(self._processes, min(3 * self._processes, _AHEAD // len(content)))
            found, skipped = pickle.loads(content)
        self._skip(skipped)
        finished = self._pool is not None and how.renderer
        return found if finished else finish(source, fields, found, how.device, self._keys(number))

    def close(self) -> None:
        """Ends the processes; what they were doing is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _content(self, number: int, pool: ProcessPoolExecutor) -> bytes:
        """What a process sends for a block, once those after it have been ordered too."""
        end = number + self._ahead + 1
        try:
            for later in range(number, end if self._last is None else min(end, self._last)):
                if later not in self._pending:
                    keys = self._keys(later)
                    self._pending[later] = pool.submit(_work, self._source, self._fields, keys, self._how.renderer)
            return self._pending.pop(number).result()
        except MarigoldError:
            raise
        except BrokenProcessPool as error:
            raise DataError(
                f"{self._source.root}: a process that reads {self._source.name} was ended from outside, perhaps for "
                "want of memory; give the same command again, with fewer --workers or a smaller `block`"
            ) from error
        except Exception as error:  # of what cannot be sent to another process, or back
            words = printable(" ".join(f"{type(error).__name__}: {error}".split())[:300])
            raise DataError(
                f"{self._source.name}: cannot be read in another process ({words}); use --workers 0 or correct its code"
            ) from error


def made(source: Source, fields: tuple[str, ...], keys: list[str], device: str) -> Sample:
    """The samples of these keys, stacked, on the device, in half precision. Raises `DataError` as `prepare` does."""
    return finish(source, fields, prepare(source, fields, keys)[0], device, keys)


def prepare(source: Source, fields: tuple[str, ...], keys: list[str]) -> tuple[Any, list[Skipped]]:
    """The part of reading samples that needs no device, and the samples that gave their places to the next good ones.

    Raises `DataError` where they differ in size, and where none can be used.
    """
    if not border.is_plain(source.dataset):
        return border.prepare(source.dataset, source.root, keys), []
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    refused = ""
    for key in keys:
        try:
            samples.append(fitted(only(border.read(source.dataset, source.root, key), fields), source))
        except RefusedSampleError as error:
            refused = str(error)
            continue
        except DataError as error:
            skipped.append(Skipped(key, str(error)))
            continue
        if len(samples) == 1:
            needed = 2 * _size(samples[0]) * len(keys)
            require_room(needed, "cpu", f"{key}: {len(keys)} samples of its size", "set a smaller `block`")
    if not samples:
        raise DataError(skipped[0].why if skipped else refused)
    check_size(source, *samples)
    return stack([samples[number % len(samples)] for number in range(len(keys))]), skipped


def finish(source: Source, fields: tuple[str, ...], prepared: Any, device: str, keys: list[str]) -> Sample:
    """The rest: samples that are rendered come to be here, on the device; all of them then have half precision."""
    sample = fitted(only(border.finish(source.dataset, prepared, device, keys), fields), source)
    return sample.each(lambda x: x if x.dtype == torch.bool else x.clamp(-HALF_MAX, HALF_MAX).half())


def check_size(source: Source, *samples: Sample) -> None:
    """Raises `DataError` unless the samples have one size."""
    sizes = {sample.image.shape[-2:]: sample.key.split()[0] for sample in samples}
    if len(sizes) > 1:
        one, other = (f"{key} is {width} x {height} pixels" for (height, width), key in list(sizes.items())[:2])
        raise DataError(
            f"{source.root}: {one}, {other}; a source needs samples of one size: set its `augment.size`, such as "
            "--data.0.augment.size 256, to which the largest square windows of all are resized"
        )


def only(sample: Sample, fields: tuple[str, ...]) -> Sample:
    """The photo with these fields alone."""
    if missing := ", ".join(name for name in fields if name not in sample.maps):
        there = ", ".join(sample.maps) or "the photo alone"
        raise DataError(f"{sample.key}: has no {missing}, only {there}; add it or choose another modality")
    return sample.only(fields)


def fitted(sample: Sample, source: Source) -> Sample:
    """A sample at its source's size: whole at `resize`, or its largest square window at `augment.size`, or as it is.

    The window, brought to `side` pixels, lies at a place drawn by the key.
    """
    height, width = sample.image.shape[-2:]
    if source.resize:
        return sample if (height, width) == source.resize else sample.resized(*source.resize)
    side = source.side
    if side == 0 or height == width == side:
        return sample
    short, place = min(height, width), torch.rand(2, generator=seeds.stream(0, "window", sample.key)).tolist()
    window = sample.cropped(int((height - short) * place[0]), int((width - short) * place[1]), short, short)
    return window.resized(side, side)


def _begin(compiled: Dataset | None) -> None:
    """What a process does first; `compiled` is a data set whose rendering is to be compiled there."""
    end_with_parent()
    torch.set_num_threads(1)
    if compiled is not None:
        compiled.compile()


def _work(source: Source, fields: tuple[str, ...], keys: list[str], renderer: str) -> bytes:
    """What a process sends back. Pickled here, so that tensors travel as bytes and hold no open files."""
    found, skipped = prepare(source, fields, keys)
    if renderer:
        found = finish(source, fields, found, renderer, keys).to("cpu")
    return pickle.dumps((found, skipped), protocol=pickle.HIGHEST_PROTOCOL)


def _size(sample: Sample) -> int:
    """Bytes of a sample's tensors."""
    return sum(x.nbytes for x in (sample.image, *sample.maps.values(), *sample.valid.values()))
