"""CUDA graphs: a function's kernels recorded once for a size, and asked for together from then on."""

import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from marigold.backbones.fused.ops import is_replaced
from marigold.core.device import free_bytes

MOST = 12
"""Recordings that are kept; each holds the memory of what it computes on the way, which all share."""
LARGEST = 3_000_000
"""Numbers in an input or the output, above which kernels run longer than it takes to ask for them: two photos of
576 x 768 pixels for an autoencoder, dozens for a U-Net. Threads that read and write keep Python busy, however, so that
more is recorded too where memory is ample: a recording keeps the memory of what it computes."""
_BYTES, _AMPLE = 700, 4
"""Bytes that an autoencoder takes for each of those numbers, and how many times as many have to be free."""
_TWICE = 2
"""The call that records, so that a size which comes once costs nothing more."""
_RARER = 4
"""How many times as many calls record again what had to go: sizes that take turns must not be recorded in turns."""
_WARM = 2
"""Runs before recording, in which libraries choose their kernels."""


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    output: Tensor

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for kept, given in zip(self.inputs, inputs, strict=True):
            kept.copy_(given)
        self.graph.replay()
        return self.output.clone()


class Graphs:
    """A `Run` (see `backbones/base.py`) that records a function when it comes with the same shapes again.

    What runs inside `fused.ops.using`, for one thread alone, is neither recorded nor played. Threads take turns, as a
    recording has one place for its inputs; all of them use one stream. A copy has recorded nothing.
    """

    def __init__(self) -> None:
        self._seen: Counter[Hashable] = Counter()
        self._largest: dict[Hashable, int] = {}
        """The numbers of the largest input or output, by what was called."""
        self._calls: defaultdict[Hashable, int] = defaultdict(lambda: _TWICE)
        """How many calls record, by what is called."""
        self._kept: OrderedDict[Hashable, _Recording] = OrderedDict()
        self._pool: Any = None
        self._turn = threading.Lock()

    def __deepcopy__(self, memo: object) -> "Graphs":
        return Graphs()

    def __call__(self, function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """What `function` gives for tensors of one device."""
        if is_replaced():
            return function(*inputs)
        with self._turn:
            return self._called(function, inputs)

    def _called(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        key = (function, *((x.shape, x.dtype, x.stride(), x.device) for x in inputs))
        if (recording := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return recording.replay(inputs)
        if self._is_too_large(self._largest.get(key, 0), inputs[0].device):
            return function(*inputs)
        self._seen[key] += 1
        if self._seen[key] < self._calls[key]:
            output = function(*inputs)
            self._largest[key] = max(x.numel() for x in (*inputs, output))
            return output
        while len(self._kept) >= MOST:
            self._drop_oldest()
        self._kept[key] = self._recorded(function, inputs)
        return self._kept[key].replay(inputs)

    def forget(self) -> None:
        """Drops the recordings, which hold for the weights and operations that they were made with."""
        self._kept.clear()
        self._seen.clear()
        self._largest.clear()
        self._calls.clear()
        self._pool = None

    @property
    def count(self) -> int:
        """How many recordings there are."""
        return len(self._kept)

    def _is_too_large(self, numbers: int, device: torch.device) -> bool:
        return numbers > LARGEST and _AMPLE * _BYTES * numbers > (free_bytes(device) or 0)

    def _drop_oldest(self) -> None:
        key, _ = self._kept.popitem(last=False)
        self._calls[key] *= _RARER
        del self._seen[key]

    def _recorded(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> _Recording:
        kept = tuple(x.clone() for x in inputs)
        device = inputs[0].device
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                function(*kept)
        torch.cuda.current_stream(device).wait_stream(aside)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with _ONE_AT_A_TIME, torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = function(*kept)
        return _Recording(graph, kept, output)


_ONE_AT_A_TIME = threading.Lock()
"""Threads of several devices record one after the other."""
