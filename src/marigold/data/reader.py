"""Blocks of samples, read or built ahead in worker processes; without workers, when they are asked for."""

import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from marigold.core.sample import Sample
from marigold.datasets.base import Dataset


class Reader:
    """The numbered blocks of a data set; `keys(number)` names what is in each, `last` is the end, if there is one."""

    def __init__(
        self, dataset: Dataset, root: Path, keys: Callable[[int], list[str]], workers: int, last: int | None
    ) -> None:
        self._dataset, self._root, self._keys = dataset, root, keys
        self._pool = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
        self._ahead = 3 * workers
        self._last = last
        self._pending: dict[int, Future[bytes]] = {}

    def block(self, number: int, device: str) -> Sample:
        """The samples of a block, stacked, on the device; what comes after it is started in the background."""
        if self._pool is None:
            return self._dataset.finish(self._dataset.prepare(self._root, self._keys(number)), device)
        end = number + self._ahead + 1
        for later in range(number, end if self._last is None else min(end, self._last)):
            if later not in self._pending:
                job = (_prepare, self._dataset, self._root, self._keys(later))
                self._pending[later] = self._pool.submit(*job)
        prepared = pickle.loads(self._pending.pop(number).result())
        return self._dataset.finish(prepared, device)

    def close(self) -> None:
        """Ends the workers; what they were doing is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _prepare(dataset: Dataset, root: Path, keys: list[str]) -> bytes:
    """What a worker sends back. Pickled here, so that tensors travel as bytes and hold no open files."""
    import torch

    torch.set_num_threads(1)
    prepared: Any = dataset.prepare(root, keys)
    return pickle.dumps(prepared, protocol=pickle.HIGHEST_PROTOCOL)
