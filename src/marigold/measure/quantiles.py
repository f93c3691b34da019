"""Order statistics that stay on the device: quantiles under a mask, and the true median of a few maps."""

import torch
from torch import Tensor

_UNIT = 1 << 32
"""Parts that the way from one place to the next is counted in."""


def masked_quantiles(values: Tensor, valid: Tensor, fractions: tuple[float, ...]) -> tuple[Tensor, ...]:
    """Quantiles of the valid elements of each row, linearly interpolated like `numpy.quantile`.

    `values` and `valid` (bool) are [..., P]; every result is [...]. A row without a valid element gives 0. One sort, no
    host synchronisation.
    """
    ordered = torch.where(valid, values, torch.inf).sort(dim=-1).values
    last = (valid.sum(dim=-1, keepdim=True) - 1).clamp(min=0)
    ordered = torch.where(valid.any(dim=-1, keepdim=True), ordered, 0.0)
    return tuple(_at(ordered, last, fraction) for fraction in fractions)


def _at(ordered: Tensor, last: Tensor, fraction: float) -> Tensor:
    """The value `fraction` of the way to place `last` [..., 1], in whole numbers: single precision cannot tell the
    places of a large photo apart, and not every device has double."""
    position = last * round(fraction * _UNIT)
    below = position // _UNIT
    above = torch.minimum(below + 1, last)
    weight = (position % _UNIT).to(ordered.dtype) / _UNIT
    return torch.lerp(ordered.gather(-1, below), ordered.gather(-1, above), weight)[..., 0]


def median(stack: Tensor) -> Tensor:
    """The median over the first dimension of [E, ...]; for an even E the mean of the two middle values.

    `torch.median` gives the lower of the two.
    """
    middle = len(stack) // 2
    ordered = _sorted(stack)
    return ordered[middle] if len(stack) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def deviation(stack: Tensor) -> Tensor:
    """The standard deviation over the first dimension, by one less than their number; 0 of a single one."""
    return stack.std(dim=0) if len(stack) > 1 else torch.zeros_like(stack[0])


def _sorted(stack: Tensor) -> Tensor:
    """Odd-even transposition sort over the first dimension: whole maps trade places, so few long maps sort fast."""
    ordered = stack.clone()
    for turn in range(len(stack)):
        first, second = ordered[turn % 2 : -1 : 2], ordered[turn % 2 + 1 :: 2]
        lower, upper = torch.minimum(first, second), torch.maximum(first, second)
        first.copy_(lower)
        second.copy_(upper)
    return ordered
