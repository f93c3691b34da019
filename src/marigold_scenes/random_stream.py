"""Random numbers as plain floats: the same seed gives the same stream on every machine."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")

_BLOCK = 64


class RandomStream:
    """Fast scalar draws, and the NumPy generator that whole arrays are drawn from."""

    def __init__(self, draw: Callable[[], float], generator: np.random.Generator) -> None:
        self.random = draw
        """The next number in [0, 1)."""
        self.generator = generator

    @classmethod
    def of_seed(cls, seed: int) -> "RandomStream":
        """The stream of one scene."""
        return cls(random.Random(seed ^ 0x5EED).random, np.random.default_rng(seed))

    @classmethod
    def of_generator(cls, generator: np.random.Generator) -> "RandomStream":
        """A stream that draws from a generator in blocks, because single draws are slow."""
        ready: list[float] = []

        def draw() -> float:
            if not ready:
                ready.extend(generator.random(_BLOCK).tolist())
            return ready.pop()

        return cls(draw, generator)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.random()

    def log_uniform(self, low: float, high: float) -> float:
        """A positive number in [low, high) whose logarithm is uniform."""
        return low * (high / low) ** self.random()

    def normal(self, deviation: float) -> float:
        """A bell-shaped number around 0, never beyond three times `deviation`: the sum of three uniform numbers."""
        return deviation * 2 * (self.random() + self.random() + self.random() - 1.5)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, options: Sequence[Choice]) -> Choice:
        """One of the options, each as likely as the others."""
        return options[int(self.random() * len(options))]

    def weighted(self, options: Sequence[tuple[float, Choice]]) -> Choice:
        """The second part of one of the pairs, as likely as its first part says."""
        at = self.random() * sum(weight for weight, _ in options)
        for weight, value in options:
            at -= weight
            if at < 0:
                return value
        return options[-1][1]
