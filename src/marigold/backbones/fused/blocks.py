"""Residual blocks, and enlargement by two."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones.fused.ops import Ops


class Resnet(nn.Module):
    """diffusers' ResnetBlock2D: twice norm, SiLU and convolution, added to the input."""

    def __init__(self, block: Any, ops: Ops, at: slice | None = None) -> None:
        """Takes over the block's layers; `at` are its numbers in what the time adds to all blocks."""
        super().__init__()
        self.norm1, self.conv1, self.norm2, self.conv2 = block.norm1, block.conv1, block.norm2, block.conv2
        self.time_emb_proj, self.conv_shortcut = block.time_emb_proj, block.conv_shortcut
        self.ops, self.at = ops, at

    def added(self, embedding: Tensor) -> Tensor:
        """What the embedding of a time [B, D] adds between the convolutions [B, C'], with the first one's bias."""
        return F.linear(F.silu(embedding), self.time_emb_proj.weight, self.time_emb_proj.bias + self.conv1.bias)

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        """x [B, C, H, W], and what the time adds to all blocks [B or 1, D] where it adds something.

        diffusers' blocks pass it on by this name.
        """
        ops = self.ops
        if temb is None or self.at is None:
            found, offset = conv(ops.norm(x, self.norm1), self.conv1, ops)
        else:
            found, offset = F.conv2d(ops.norm(x, self.norm1), self.conv1.weight, padding=1), temb[:, self.at]
        found, offset = conv(ops.norm(found, self.norm2, offset), self.conv2, ops)
        if self.conv_shortcut is not None:
            x, also = conv(x, self.conv_shortcut, ops)
            offset = offset if also is None or offset is None else offset + also
        return ops.add(x, found, offset)


class Upsample(nn.Module):
    """diffusers' Upsample2D: pixels doubled, then a convolution of 3 x 3.

    Each pixel of the result sees four pixels of the input, by weights that are sums of the convolution's: four
    convolutions of 2 x 2 at the input's size, one for each place in a doubled pixel, take 4/9 of the products.
    """

    phases: Tensor

    def __init__(self, layer: Any, ops: Ops) -> None:
        """Takes over the layer's convolution."""
        super().__init__()
        self.conv, self.ops = layer.conv, ops
        self.register_buffer("phases", None, persistent=False)
        self.renew()

    def renew(self) -> None:
        """Computes the four convolutions by the weights as they are."""
        self.phases = phases(self.conv.weight)

    def forward(self, x: Tensor, output_size: Any = None) -> Tensor:
        """[B, C, h, w] to [B, C, 2 h, 2 w], or to an `output_size` of an odd side by the layer as it is written."""
        if output_size is not None and tuple(output_size) != (2 * x.shape[-2], 2 * x.shape[-1]):
            return self.conv(F.interpolate(x, size=output_size, mode="nearest"))
        return self.doubled(x)

    def doubled(self, x: Tensor, above: int = 1) -> Tensor:
        """With no row of zeros `above` and below, the outer rows of x [B, C, h + 2, w] are neighbours of what is."""
        found = [F.conv2d(x, weight, padding=(above, 1)) for weight in self.phases.chunk(4)]
        return self.ops.interleave(found, self.conv.bias)


class Norm(nn.GroupNorm):
    """A group norm with the SiLU that follows it."""

    def __init__(self, layer: nn.GroupNorm, ops: Ops) -> None:
        """Takes over the layer's parameters."""
        super().__init__(layer.num_groups, layer.num_channels, layer.eps, device="meta")
        self.weight, self.bias, self.ops = layer.weight, layer.bias, ops

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return self.ops.norm(x, self)


class Picture(nn.Conv2d):
    """The decoder's last convolution, whose weights are float32 whatever the image is."""

    def __init__(self, layer: nn.Conv2d, ops: Ops) -> None:
        """Takes over the layer's parameters."""
        super().__init__(layer.in_channels, layer.out_channels, 3, padding=1, device="meta")
        self.weight, self.bias, self.ops = layer.weight, layer.bias, ops

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the picture [B, 3, H, W]."""
        return self.ops.picture(x, self)


def conv(x: Tensor, layer: nn.Conv2d, ops: Ops) -> tuple[Tensor, Tensor | None]:
    """What a convolution gives, and its bias where that is still to be added."""
    now, later = (None, layer.bias) if ops.defers else (layer.bias, None)
    return F.conv2d(x, layer.weight, now, layer.stride, layer.padding), later  # type: ignore[arg-type]


@torch.no_grad()
def phases(weight: Tensor) -> Tensor:
    """A kernel [O, I, 3, 3] as the kernels [4 O, I, 2, 2] of the four places in a doubled pixel, channels last."""
    rows = torch.stack([_paired(weight.float(), 2, odd) for odd in (False, True)])
    both = torch.stack([_paired(rows, 4, odd) for odd in (False, True)], dim=1)
    return both.flatten(0, 2).to(weight.dtype).contiguous(memory_format=torch.channels_last)


def _paired(weight: Tensor, axis: int, odd: bool) -> Tensor:
    """Three taps along an axis as two: an even pixel sees the input once before itself, an odd one once after."""
    first, middle, last = weight.unbind(axis)
    return torch.stack([first + middle, last] if odd else [first, middle + last], dim=axis)
