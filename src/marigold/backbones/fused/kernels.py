"""The operations as Triton kernels, for NVIDIA and AMD GPUs: each is one or two passes over memory.

Triton compiles them in seconds and keeps them on disk. Sizes are arguments, so that one kernel serves all photos.
"""

from typing import Any

import torch
import torch.nn.functional as F
import triton
from torch import Tensor, nn

from marigold.backbones.fused import _triton as _code
from marigold.backbones.fused.moments import Moments
from marigold.backbones.fused.ops import Ops

_triton: Any = _code
"""Without the types of plain functions, which these are not any more."""
_ROWS = 32
"""Places that a program has in registers at once."""
_PROGRAMS = 528
"""About how many programs share the moments of a batch: some for each multiprocessor."""
_BLOCK = 2048
_ACROSS, _LEAST_PRODUCT = 64, 16
"""Pixels of a row that a program makes, and the columns of the smallest product."""
_LONGEST = 16384
"""Scores of a place that a program has in registers at most."""


class Kernels(Ops):
    """The operations by these kernels."""

    defers = True

    def norm(self, x: Tensor, layer: nn.GroupNorm, offset: Tensor | None = None, *, activate: bool = True) -> Tensor:
        """Two passes: moments of each channel, less its first value so that nothing is lost; then the result."""
        x = _channels_last(x)
        batch, channels, count = len(x), x.shape[1], x.shape[2:].numel()
        offset, step = _offset(offset, x)
        sums = _sums(x)
        shares = sums.shape[1]
        scale, shift = torch.empty(2, batch, channels, device=x.device)
        group = channels // layer.num_groups
        _triton.affine[batch, layer.num_groups](
            x, offset, sums, layer.weight, layer.bias, scale, shift, count, channels, shares, step, group, layer.eps,
            WIDE=triton.next_power_of_2(group), SHARES=64,
        )  # fmt: skip
        return _normalised(x, scale, shift, activate=activate)

    def add(self, x: Tensor, y: Tensor, offset: Tensor | None = None) -> Tensor:
        """One pass."""
        x, y, (offset, _) = _channels_last(x), _channels_last(y), _offset(offset, x)
        out, count = torch.empty_like(x), x.numel()
        _triton.added[(triton.cdiv(count, _BLOCK),)](x, y, offset, out, count, x.shape[1], BLOCK=_BLOCK)
        return out

    def add_norm(self, x: Tensor, y: Tensor, offset: Tensor | None, layer: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        """One pass, a place at a time."""
        x, y, channels = x.contiguous(), y.contiguous(), x.shape[-1]
        offset = x.new_zeros(channels) if offset is None else offset
        out, normal = torch.empty_like(x), torch.empty_like(x)
        _triton.added_normalised[(x.numel() // channels,)](
            x, y, offset, layer.weight, layer.bias, out, normal, channels, layer.eps,
            WIDE=triton.next_power_of_2(channels),
        )  # fmt: skip
        return out, normal

    def gate(self, x: Tensor) -> Tensor:
        """One pass."""
        x = x.contiguous()
        out = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
        count, channels = out.numel(), out.shape[-1]
        _triton.gated[(triton.cdiv(count, _BLOCK),)](x, out, count, channels, BLOCK=_BLOCK)
        return out

    def shares(self, scores: Tensor, scale: float) -> Tensor:
        """One pass in place, where the scores of a place fit into registers."""
        count = scores.shape[-1]
        if count > _LONGEST:
            return scores.mul_(scale).softmax(dim=-1)
        wide = triton.next_power_of_2(count)
        rows = scores.contiguous()
        _triton.shared[(rows.numel() // count,)](rows, count, scale, WIDE=wide, num_warps=8 if wide > 2048 else 4)
        return rows

    def interleave(self, phases: list[Tensor], offset: Tensor | None) -> Tensor:
        """One pass."""
        batch, channels, height, width = phases[0].shape
        height, width = height - 1, width - 1
        phases = [_channels_last(phase) for phase in phases]
        offset, _ = _offset(offset, phases[0])
        out = phases[0].new_empty(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
        wide = _width(channels)
        grid = (batch * 2 * height, triton.cdiv(width, _ROWS), triton.cdiv(channels, wide))
        _triton.interleaved[grid](*phases, offset, out, height, width, channels, ROWS=_ROWS, WIDE=wide)
        return out

    def picture(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """One pass, by products of half precision with weights as sums of two halves; otherwise by a convolution."""
        channels = x.shape[1]
        halved = x.element_size() == 2 and layer.weight.dtype == torch.float32
        if not halved or channels != triton.next_power_of_2(channels) or channels < _LEAST_PRODUCT:
            return F.conv2d(x.to(layer.weight.dtype), layer.weight, layer.bias, padding=1)
        x = _channels_last(x)
        batch, _, height, width = x.shape
        # [taps, C, 3], and as many columns as the smallest product has
        weight = F.pad(layer.weight.permute(2, 3, 1, 0).flatten(0, 1), (0, _LEAST_PRODUCT - layer.out_channels))
        high = weight.to(x.dtype)
        low = (weight - high.float()).to(x.dtype)
        bias = x.new_zeros(_LEAST_PRODUCT, dtype=torch.float32)
        if layer.bias is not None:
            bias[: layer.out_channels] = layer.bias
        out = torch.empty(batch, layer.out_channels, height, width, device=x.device)
        grid = (batch * height, triton.cdiv(width, _ACROSS))
        _triton.pictured[grid](
            x, high.contiguous(), low.contiguous(), bias, out, height, width,
            CHANNELS=channels, OUT=layer.out_channels, ACROSS=_ACROSS, COLUMNS=_LEAST_PRODUCT,
        )  # fmt: skip
        return out

    def moments(self, x: Tensor) -> Moments:
        """One pass."""
        x = _channels_last(x)
        count = x.shape[2:].numel()
        less, squares = _sums(x)[0].sum(0) / count
        return Moments(count, x[0, :, 0, 0].float() + less, (squares - less.square()).clamp(min=0) * count)

    def activate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """One pass."""
        return _normalised(_channels_last(x), scale, shift, activate=True)


def _sums(x: Tensor) -> Tensor:
    """Of each share of the places the sums of values less the first one, and of their squares: [B, shares, 2, C]."""
    batch, channels, count = len(x), x.shape[1], x.shape[2:].numel()
    wide = _width(channels)
    parts = triton.cdiv(channels, wide)
    each = triton.cdiv(triton.cdiv(count, max(1, _PROGRAMS // (batch * parts))), _ROWS) * _ROWS
    shares = triton.cdiv(count, each)
    sums = torch.empty(batch, shares, 2, channels, device=x.device)
    _triton.moments[batch, shares, parts](x, sums, count, channels, each, ROWS=_ROWS, WIDE=wide)
    return sums


def _normalised(x: Tensor, scale: Tensor, shift: Tensor, *, activate: bool) -> Tensor:
    """By factors and summands [B, C]."""
    batch, channels, count = len(x), x.shape[1], x.shape[2:].numel()
    wide, out = _width(channels), torch.empty_like(x)
    grid = (batch, triton.cdiv(count, _ROWS), triton.cdiv(channels, wide))
    _triton.normalised[grid](x, scale, shift, out, count, channels, ROWS=_ROWS, WIDE=wide, ACTIVATE=activate)
    return out


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _width(channels: int) -> int:
    """Channels that a program takes together: as many as a power of two that divides them, from 64 to 128."""
    return min(128, max(64, channels & -channels))


def _offset(offset: Tensor | None, x: Tensor) -> tuple[Tensor, int]:
    """An offset, and how far that of the next image is from that of one."""
    if offset is None:
        return x.new_zeros(x.shape[1]), 0
    offset = offset.contiguous()
    return offset, x.shape[1] if offset.ndim == 2 and len(offset) > 1 else 0
