"""In which order samples come: a pure function of the seed and the position, so that resuming is an index."""

import torch

from marigold.core import seeds
from marigold.core.errors import ConfigError

BLOCK = 1024
"""Positions whose sources are drawn together."""


class Order:
    """Which source gives the batch of a position, drawn by weight."""

    def __init__(self, weights: list[float], seed: int) -> None:
        self._weights, self._seed = torch.tensor(weights, dtype=torch.float64), seed
        self._before: list[list[int]] = [[0] * len(weights)]  # batches of each source before each block
        self._last = -1, torch.empty(0)  # the block that was drawn last

    def at(self, position: int) -> tuple[int, int]:
        """The source of a position, and how many batches that one has given before. Raises `ConfigError`."""
        block, place = divmod(position, BLOCK)
        drawn = self._drawn(block)
        source = int(drawn[place])
        while len(self._before) <= block:
            counts = torch.bincount(self._drawn(len(self._before) - 1), minlength=len(self._weights)).tolist()
            self._before.append([before + count for before, count in zip(self._before[-1], counts, strict=True)])
        return source, self._before[block][source] + int((drawn[:place] == source).sum())

    def _drawn(self, block: int) -> torch.Tensor:
        if not self._weights.any():
            raise ConfigError("recipe.data: every `weight` is 0; give one source a weight above 0")
        if self._last[0] != block:
            rng = seeds.stream(self._seed, "source", block)
            self._last = block, torch.multinomial(self._weights, BLOCK, replacement=True, generator=rng)
        return self._last[1]


class Epochs:
    """The places of a source's samples in the order in which they are read: another one in every epoch."""

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed = length, seed
        self._permutations: dict[int, torch.Tensor] = {}  # of the epochs that were asked for last

    def place(self, index: int) -> int:
        """The place in the list of keys of the sample that is read as number `index`, from 0."""
        epoch, position = divmod(index, self._length)
        return int(self._permutation(epoch)[position])

    def instead(self, index: int, attempt: int) -> int:
        """The place of the sample that stands in for one that cannot be read."""
        return seeds.number(self._seed, "instead", index, attempt) % self._length

    def _permutation(self, epoch: int) -> torch.Tensor:
        if epoch not in self._permutations:
            while len(self._permutations) > 1:
                self._permutations.pop(min(self._permutations))
            rng = seeds.stream(self._seed, "epoch", epoch)
            self._permutations[epoch] = torch.randperm(self._length, generator=rng)
        return self._permutations[epoch]
