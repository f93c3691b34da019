"""Encoded samples that are used more than once: the frozen autoencoder need not run for every sample of every step.

The ring holds the samples of a number of consecutive positions. Each step adds those of one position and, once the ring
is full, drops the oldest, so what it holds is a function of the step, and a resumed run sees the same.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from marigold.core import seeds

Make = Callable[[int], dict[str, Tensor]]


class Ring:
    """Prepared samples of up to `slots` positions; `make(position)` gives those of one, each tensor [P, ...].

    At step `first` it holds `begin` positions, which is enough for a batch. They come after those that `before` earlier
    rings of the run have asked for, so that the pools behind are never asked for what they have dropped.
    """

    def __init__(self, make: Make, slots: int, begin: int, seed: int, *, first: int = 0, before: int = 0) -> None:
        self._make, self._slots, self._begin, self._seed = make, max(slots, begin), begin, seed
        self._held: dict[str, Tensor] = {}
        self._lead = begin * before
        self._first = self._next = first + self._lead

    def draw(self, step: int, count: int) -> dict[str, Tensor]:
        """`count` of the samples that are held at this step, chosen anew at every step."""
        end = step + self._lead + self._begin
        self._next = max(self._next, end - self._slots)
        while self._next < end:
            self._store(self._make(self._next), (self._next - self._first) % self._slots)
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
