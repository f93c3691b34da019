"""The quantity in which a depth map is a straight line of the truth: depth, its logarithm, or another power of it."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor

from marigold.measure.alignment import DEPTH_FLOOR, DISPARITY_FLOOR, LOG_CEILING

Numbers = TypeVar("Numbers", np.ndarray, Tensor)


@dataclass(frozen=True)
class Curve:
    """`straight(values)` is scale * metres ** power + shift, or of their logarithm where the power is 0."""

    power: float = 1.0
    ratio: float = 2.0
    """How many times as far as depth 0 depth 1 was taken to be when the values were read; of no effect at power 1."""

    def straight(self, values: Numbers) -> Numbers:
        """Depth values in 0 to 1, of any shape, as what is a straight line of the quantity."""
        if self.power == 1:
            return values
        distance = (1 + values * (self.ratio - 1)).clip(min=1)
        return _powered(distance, self.power)

    def of_metres(self, metres: Numbers) -> Numbers:
        """Positive metres as the quantity."""
        return _powered(metres, self.power)

    def metres(self, quantity: Numbers) -> Numbers:
        """The quantity as metres, which are kept positive and finite as `alignment.align` does."""
        if self.power == 0:
            return _exponential(quantity.clip(max=LOG_CEILING))
        if self.power == 1:
            return quantity.clip(min=DEPTH_FLOOR)
        return quantity.clip(min=DISPARITY_FLOOR ** abs(self.power)) ** (1 / self.power)


def _powered(numbers: Numbers, power: float) -> Numbers:
    if power == 0:
        return numbers.log() if isinstance(numbers, Tensor) else np.log(numbers)
    return numbers if power == 1 else numbers**power


def _exponential(numbers: Numbers) -> Numbers:
    return numbers.exp() if isinstance(numbers, Tensor) else np.exp(numbers)
