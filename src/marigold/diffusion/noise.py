"""Noise to start from and to train with: white, multi-resolution, and multi-resolution that fades with time."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core import seeds

UnitVariance = Literal["sample", "batch"]
"""Over what multi-resolution noise has unit variance."""
Kind = Literal["gaussian", "multi_resolution", "annealed"]
"""What training mixes into clean latents."""

_LEVELS = 10


def gaussian(
    shape: tuple[int, ...],
    generator: torch.Generator,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """White noise of unit variance, drawn on the generator's device; `device` defaults to that."""
    drawn = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float32)
    return drawn.to(device or generator.device, dtype)


def multi_resolution(
    shape: tuple[int, ...],
    generator: torch.Generator,
    strength: float | Tensor = 0.9,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    unit_variance: UnitVariance = "sample",
) -> Tensor:
    """White noise plus ever coarser noise, each level `strength` times the one before (Ke et al. 2024, sec. 3.2).

    `shape` is [B, C, h, w]; `strength` is a number or [B, 1, 1, 1], 0 to 1. Every level shrinks the one before by a
    random factor of 2 to 4, and the coarsest has a side of 1. The sum is divided by each sample's own standard
    deviation, or by that of the whole batch, as in the published training.

    A CPU generator draws in the published order: the white noise; then for each level its factor and its values.
    """
    device = device or generator.device
    height, width = shape[-2:]
    total = gaussian(shape, generator, device)
    ratios = _ratio_stream(generator)
    for level in range(_LEVELS):
        ratio = 2 + 2 * float(torch.rand(1, generator=ratios, device=ratios.device))
        height, width = (max(1, int(side / ratio**level)) for side in (height, width))
        coarse = gaussian((*shape[:2], height, width), generator, device)
        total = total + strength**level * F.interpolate(coarse, shape[-2:], mode="bilinear")
        if min(height, width) == 1:
            break
    deviation = total.std() if unit_variance == "batch" else total.std(dim=(1, 2, 3), keepdim=True)
    return (total / deviation).to(dtype)


def annealed(
    shape: tuple[int, ...],
    t: Tensor,
    length: int,
    generator: torch.Generator,
    strength: float = 0.9,
    dtype: torch.dtype = torch.float32,
    unit_variance: UnitVariance = "sample",
) -> Tensor:
    """Multi-resolution noise whose coarse levels fade as the time t, long [B], goes from `length` to 0.

    At t = 0 it is white. The result is on t's device.
    """
    faded = (strength * t / length).view(-1, 1, 1, 1)
    return multi_resolution(shape, generator, faded, t.device, dtype, unit_variance)


def of_kind(
    kind: Kind,
    like: Tensor,
    t: Tensor,
    length: int,
    generator: torch.Generator,
    *,
    strength: float,
    unit_variance: UnitVariance,
) -> Tensor:
    """Noise of this kind, of the shape and type of `like` [B, C, h, w], for the times t, long [B], of `length`."""
    if kind == "gaussian":
        return gaussian(like.shape, generator, like.device, like.dtype)
    if kind == "multi_resolution":
        return multi_resolution(like.shape, generator, strength, like.device, like.dtype, unit_variance)
    return annealed(like.shape, t, length, generator, strength, like.dtype, unit_variance)


def _ratio_stream(generator: torch.Generator) -> torch.Generator:
    """What the factors between levels are drawn from: on the CPU, since sizes must be known there without waiting."""
    if generator.device.type == "cuda":
        return seeds.stream(generator.initial_seed(), "ratios", generator.get_offset())
    return generator
