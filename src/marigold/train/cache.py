"""Encoded samples that are used more than once: the frozen autoencoder need not run for every sample of every step.

Now and then a whole batch is encoded, which costs a GPU hardly more time than a few samples at every step would, and
takes the place of the oldest. What the cache has is a function of the step, so a resumed run sees the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from marigold.core import seeds

Encode = Callable[[int], dict[str, Tensor]]


class LatentCache:
    """Up to `slots` prepared batches, of which one is replaced every `uses` steps.

    `encode(position)` gives the batch of a position, each tensor [P, ...]; positions are multiples of `uses`. A cache
    that begins at step `first` begins with one batch: the pools behind may have dropped what came before.
    """

    def __init__(self, encode: Encode, slots: int, uses: int, seed: int, *, first: int = 0) -> None:
        self._encode, self._slots, self._uses, self._seed = encode, slots, uses, seed
        self._stored: dict[str, Tensor] = {}
        self._first = self._next = first // uses

    def draw(self, step: int, count: int) -> dict[str, Tensor]:
        """`count` of the samples that are stored at this step, chosen anew at every step."""
        end = step // self._uses + 1
        self._next = max(self._next, end - self._slots)
        while self._next < end:
            self._store(self._encode(self._next * self._uses), (self._next - self._first) % self._slots)
            self._next += 1
        filled = min(end - self._first, self._slots)
        stored = len(next(iter(self._stored.values()))) * filled // self._slots
        chosen = torch.randint(stored, (count,), generator=seeds.stream(self._seed, "cache", step))
        return {name: x[chosen.to(x.device)] for name, x in self._stored.items()}

    def _store(self, fresh: dict[str, Tensor], slot: int) -> None:
        for name, x in fresh.items():
            if name not in self._stored:
                self._stored[name] = x.new_empty(self._slots * len(x), *x.shape[1:])
            self._stored[name][slot * len(x) : (slot + 1) * len(x)] = x
