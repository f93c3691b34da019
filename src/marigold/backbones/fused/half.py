"""A half of the KL autoencoder for inference: the whole image at once where memory holds that, else in stripes."""

from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones.fused.activations import Size
from marigold.backbones.fused.blocks import Norm, Picture
from marigold.backbones.fused.ops import Ops
from marigold.backbones.fused.stripes import (
    Attention,
    Convolution,
    Enlargement,
    Reduction,
    Residual,
    Step,
    Turn,
    run,
    turns,
)

_BLOCKS = {"UNetMidBlock2D", "DownEncoderBlock2D", "UpDecoderBlock2D"}
"""The kinds of blocks whose layers follow one another."""
_SIZES = 32
"""Of so many sizes it is kept what they take."""


class FusedHalf(nn.Module):
    """diffusers' encoder or decoder with rebuilt layers."""

    conv_in: Any
    down_blocks: Any
    mid_block: Any
    up_blocks: Any
    conv_norm_out: Any
    conv_out: Any

    def __init__(self, half: Any, ops: Ops) -> None:
        """Takes over the parts of a half whose layers have been rebuilt, but for its last norm."""
        super().__init__()
        self.conv_in, self.mid_block = half.conv_in, half.mid_block
        parts = dict(half.named_children())
        self.down_blocks, self.up_blocks = parts.get("down_blocks"), parts.get("up_blocks")
        self.conv_norm_out, self.ops = Norm(half.conv_norm_out, ops), ops
        self.conv_out = Picture(half.conv_out, ops) if half.conv_out.out_channels == 3 else half.conv_out
        self._steps = _steps(self)
        self._most_bytes: int | None = None
        self._uncut = 0
        self._whole: dict[tuple[int, int, torch.dtype], int] = {}
        """What inputs of the last sizes take."""

    @property
    def blocks(self) -> list[Any]:
        """Between the first convolution and the last norm."""
        return [*(self.down_blocks or ()), self.mid_block, *(self.up_blocks or ())]

    def bound(self, most_bytes: int | None, uncut: int = 0) -> None:
        """From now on activations take so many bytes at most, where this half has stripes; None: all that they take.

        Inputs that take no more than `uncut` are computed as a whole all the same.
        """
        self._most_bytes, self._uncut = most_bytes, uncut

    def is_striped(self, batch: int, height: int, width: int) -> bool:
        """Whether the bound does not hold a batch of inputs of this size."""
        if self._most_bytes is None:
            return False
        return batch * self.whole_bytes(height, width) > max(self._most_bytes, self._uncut)

    def whole_bytes(self, height: int, width: int) -> int:
        """Bytes that one input of this size takes to be computed as a whole; 0 for a half without stripes."""
        key = height, width, self.conv_in.weight.dtype
        if key not in self._whole:
            self._whole = dict(list(self._whole.items())[-_SIZES:])
            self._whole[key] = max((turn.whole_bytes for turn in self._turns(height, width)), default=0)
        return self._whole[key]

    def striped_bytes(self, height: int, width: int) -> tuple[int, int]:
        """Bytes of the device and of the computer's memory beside it that one input takes under the bound."""
        device, beside = 0, 0
        for turn in self._turns(height, width):
            if not turn.is_striped:
                device = max(device, turn.whole_bytes)
            elif turn.on_device:
                device = max(device, turn.held_bytes + turn.stripe_bytes)
            else:
                device, beside = max(device, turn.stripe_bytes), max(beside, turn.held_bytes)
        return device, beside

    def forward(self, x: Tensor, latent_embeds: Tensor | None = None) -> Tensor:
        """Images or latents [B, C, H, W] to what this half makes of them; diffusers passes None beside them."""
        if self._steps is not None and self._most_bytes is not None and self.is_striped(len(x), *x.shape[2:]):
            found = [run(self._steps, image, self._most_bytes, self.ops) for image in x.split(1)]
            return found[0] if len(found) == 1 else torch.cat(found)
        x = self.conv_in(x)
        for block in self.blocks:
            x = block(x)
        return self.conv_out(self.conv_norm_out(x))

    def _turns(self, height: int, width: int) -> list[Turn]:
        size = Size(self.conv_in.in_channels, height, width)
        return list(turns(self._steps or (), size, self.conv_in.weight.dtype, self._most_bytes or 0))


def _steps(half: FusedHalf) -> list[Step] | None:
    """The layers one after another; None where there are blocks or layers of other kinds."""
    if not all(type(block).__name__ in _BLOCKS for block in half.blocks) or not all(map(_halves, _reductions(half))):
        return None
    inner = [step for block in half.blocks for step in _steps_of(block)]
    return [Convolution(half.conv_in), *inner, Convolution(half.conv_out, half.conv_norm_out)]


def _steps_of(block: Any) -> list[Step]:
    """A block's layers in the order that they run in: attention comes behind the first residual block."""
    parts = dict(block.named_children())
    first, *others = map(Residual, parts["resnets"])
    attention = [None if layer is None else Attention(layer) for layer in parts.get("attentions", ())]
    pairs = zip_longest(attention, others)
    ends = [*map(Enlargement, parts.get("upsamplers", ())), *map(Reduction, parts.get("downsamplers", ()))]
    return [first, *(step for pair in pairs for step in pair if step is not None), *ends]


def _reductions(half: FusedHalf) -> list[Any]:
    return [layer for block in half.blocks for layer in dict(block.named_children()).get("downsamplers", ())]


def _halves(layer: Any) -> bool:
    """Whether a layer of diffusers is the convolution that `Reduction` is in stripes."""
    return layer.use_conv and layer.padding == 0 and layer.norm is None and layer.conv.kernel_size == (3, 3)
