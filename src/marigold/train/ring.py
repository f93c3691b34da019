"""Encoded samples that are used more than once: the frozen autoencoder need not run for every sample of every step.

Now and then a whole batch is encoded, which costs a GPU hardly more time than a few samples at every step would, and
takes the place of the oldest. What the ring holds is a function of the step, so a resumed run sees the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from marigold.core import seeds

Make = Callable[[int], dict[str, Tensor]]


class Ring:
    """Up to `slots` prepared batches, of which one is new `every` so many steps.

    `make(position)` gives the batch of a position, each tensor [P, ...]; positions are multiples of `every`. A ring
    that begins at step `first` begins with one batch: the pools behind may have dropped what came before.
    """

    def __init__(self, make: Make, slots: int, every: int, seed: int, *, first: int = 0) -> None:
        self._make, self._slots, self._every, self._seed = make, slots, every, seed
        self._held: dict[str, Tensor] = {}
        self._first = self._next = first // every

    def draw(self, step: int, count: int) -> dict[str, Tensor]:
        """`count` of the samples that are held at this step, chosen anew at every step."""
        end = step // self._every + 1
        self._next = max(self._next, end - self._slots)
        while self._next < end:
            self._store(self._make(self._next * self._every), (self._next - self._first) % self._slots)
            self._next += 1
        filled = min(end - self._first, self._slots)
        held = len(next(iter(self._held.values()))) * filled // self._slots
        chosen = torch.randint(held, (count,), generator=seeds.stream(self._seed, "ring", step))
        return {name: x[chosen.to(x.device)] for name, x in self._held.items()}

    def _store(self, fresh: dict[str, Tensor], slot: int) -> None:
        for name, x in fresh.items():
            if name not in self._held:
                self._held[name] = x.new_empty(self._slots * len(x), *x.shape[1:])
            self._held[name][slot * len(x) : (slot + 1) * len(x)] = x
