"""Lengths and products of three-component vectors, written out so that they cost a few elementwise kernels."""

import torch
from torch import Tensor


def dot(a: Tensor, b: Tensor, axis: int) -> Tensor:
    """The scalar product along an axis of length 3, which keeps length 1."""
    ax, ay, az = (part.unsqueeze(axis) for part in a.unbind(axis))
    bx, by, bz = (part.unsqueeze(axis) for part in b.unbind(axis))
    return torch.addcmul(torch.addcmul(ax * bx, ay, by), az, bz)


def length(x: Tensor, axis: int) -> Tensor:
    """The Euclidean length along an axis of length 3, which keeps length 1."""
    return dot(x, x, axis).sqrt()


def unit(x: Tensor, axis: int) -> Tensor:
    """The same direction with length 1; zero stays finite."""
    return x * dot(x, x, axis).clamp_min(1e-18).rsqrt()
