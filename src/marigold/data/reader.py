"""Blocks of samples, read or rendered ahead in other processes; without those, when they are asked for."""

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

import torch

from marigold.core import seeds
from marigold.core.errors import DataError
from marigold.core.sample import Sample, stack
from marigold.data.source import Source
from marigold.datasets.base import Dataset

HALF_MAX = 65504.0


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


class Reader:
    """The numbered blocks of a source; `keys(number)` names what is in each, `last` is the end, if there is one."""

    def __init__(
        self, source: Source, fields: tuple[str, ...], keys: Callable[[int], list[str]], how: Reading, last: int | None
    ) -> None:
        self._source, self._fields, self._keys, self._how, self._last = source, fields, keys, how, last
        processes = max(how.workers, 1) if how.renderer else how.workers
        compiled = source.dataset if how.compiled and how.renderer else None
        spawn = get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, spawn, _begin, (compiled,)) if processes else None
        self._ahead = 3 * processes
        self._pending: dict[int, Future[bytes]] = {}
        if how.compiled and not how.renderer:
            source.dataset.compile()

    def block(self, number: int) -> Sample:
        """The samples of a block, stacked, in half precision; what comes after it is started in the background."""
        source, fields, how = self._source, self._fields, self._how
        if self._pool is None:
            return finish(source, fields, prepare(source, fields, self._keys(number)), how.device)
        try:
            found = pickle.loads(self._received(number))
        except BrokenProcessPool as error:
            raise DataError(
                f"{source.root}: a process that reads {source.name} was ended from outside, perhaps for want of "
                "memory; give the same command again, with fewer --workers"
            ) from error
        return found if how.renderer else finish(source, fields, found, how.device)

    def _received(self, number: int) -> bytes:
        """What a process sends of a block; those after it are asked for."""
        assert self._pool is not None
        end = number + self._ahead + 1
        for later in range(number, end if self._last is None else min(end, self._last)):
            if later not in self._pending:
                asked = self._source, self._fields, self._keys(later), self._how.renderer
                self._pending[later] = self._pool.submit(_work, *asked)
        return self._pending.pop(number).result()

    def close(self) -> None:
        """Ends the processes; what they were doing is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def prepare(source: Source, fields: tuple[str, ...], keys: list[str]) -> Any:
    """The part of reading samples that needs no device. Raises `DataError` where they differ in size."""
    dataset = source.dataset
    if type(dataset).prepare is not Dataset.prepare:
        return dataset.prepare(source.root, keys)
    samples = [_fitted(_only(dataset.read(source.root, key), fields), source.side) for key in keys]
    check_size(source, *samples)
    return stack(samples)


def finish(source: Source, fields: tuple[str, ...], prepared: Any, device: str) -> Sample:
    """The rest: samples that are rendered come to be here, on the device; all of them then have half precision."""
    sample = _fitted(_only(source.dataset.finish(prepared, device), fields), source.side)
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


def _only(sample: Sample, fields: tuple[str, ...]) -> Sample:
    """The photo with these fields alone."""
    if missing := ", ".join(name for name in fields if name not in sample.maps):
        there = ", ".join(sample.maps) or "the photo alone"
        raise DataError(f"{sample.key}: has no {missing}, only {there}; add it or choose another modality")
    return sample.only(fields)


def _fitted(sample: Sample, side: int) -> Sample:
    """The largest square window, at a place drawn by the key, brought to `side` pixels; 0 changes nothing."""
    height, width = sample.image.shape[-2:]
    if side == 0 or height == width == side:
        return sample
    short, place = min(height, width), torch.rand(2, generator=seeds.stream(0, "window", sample.key)).tolist()
    window = sample.cropped(int((height - short) * place[0]), int((width - short) * place[1]), short, short)
    return window.resized(side, side)


def _begin(compiled: Dataset | None) -> None:
    """What a process does first; `compiled` is a data set whose rendering is to be compiled there."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    if compiled is not None:
        compiled.compile()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone: after a kill nobody else would."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _work(source: Source, fields: tuple[str, ...], keys: list[str], renderer: str) -> bytes:
    """What a process sends back. Pickled here, so that tensors travel as bytes and hold no open files."""
    found = prepare(source, fields, keys)
    found = finish(source, fields, found, renderer).to("cpu") if renderer else found
    return pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)
