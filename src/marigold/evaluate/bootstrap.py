"""How sure a mean over images is: percentile bootstrap intervals (Efron and Tibshirani 1993, sec. 13.3)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.seeds import stream

ROUNDS = 2000
"""How often images are drawn anew."""
_DRAWN = 1 << 22
"""Images drawn at a time, which bounds the memory."""


@dataclass(frozen=True)
class Paired:
    """What separates two models that answered the same images, by one metric."""

    difference: float
    """The mean over images of the first model's value less the second's."""
    low: float
    high: float
    share: float
    """The share of images on which the first model's value is the larger one, 0 to 1; equal ones count half."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def interval(values: Sequence[float], seed: int = 0, level: float = 0.95, rounds: int = ROUNDS) -> tuple[float, float]:
    """The interval that holds a mean over images: the images are drawn anew, with replacement, `rounds` times.

    `values` has a number for each image; NaN, for an image on which nothing counted, is left out. The ends are the
    quantiles (1 - level) / 2 and (1 + level) / 2 of the means, the same for the same seed on every machine. Raises
    `DataError` where no number is left, and for infinite ones.
    """
    known = torch.tensor([value for value in values if not math.isnan(value)], dtype=torch.float64)
    _check(known)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(_means(known, seed, rounds), ends).tolist()
    return low, high


def paired(
    first: Sequence[float], second: Sequence[float], seed: int = 0, level: float = 0.95, rounds: int = ROUNDS
) -> Paired:
    """What separates two models on the same images, which stand in the same order in both.

    An image on which either has NaN is left out. Images are drawn as pairs, so that how hard an image is cancels.
    Raises `DataError` for lists of different lengths, and what `interval` raises.
    """
    if len(first) != len(second):
        raise DataError(f"{len(first)} and {len(second)} images cannot be paired; give both models the same images")
    pairs = [(one, other) for one, other in zip(first, second, strict=True) if not math.isnan(one + other)]
    differences = [one - other for one, other in pairs]
    low, high = interval(differences, seed, level, rounds)
    wins = sum(1.0 if one > other else 0.5 * (one == other) for one, other in pairs)
    return Paired(math.fsum(differences) / len(pairs), low, high, wins / len(pairs))


def _check(known: Tensor) -> None:
    if not len(known):
        raise DataError("a mean over no image has no interval; give the values of at least one")
    if not known.isfinite().all():
        raise DataError("a mean with an infinite value has no interval; leave that image out, or correct its metric")


def _means(known: Tensor, seed: int, rounds: int) -> Tensor:
    """The means of `rounds` draws of as many images as there are."""
    generator, count = stream(seed, "bootstrap", len(known)), len(known)
    sizes = [min(_part(count), rounds - start) for start in range(0, rounds, _part(count))]
    # [size, count] numbers of images, then their mean
    return torch.cat([known[torch.randint(count, (size, count), generator=generator)].mean(dim=1) for size in sizes])


def _part(count: int) -> int:
    return max(1, _DRAWN // count)
