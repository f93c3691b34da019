"""What lies between the products of a network: norms, activations and sums.

`Plain` has them as torch's own kernels; `kernels.py` as kernels that pass over memory once. Both give the same to
within rounding. Images are [B, C, H, W], channels last; places are the same as [B, N, C], without a copy.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones.fused.moments import Moments, moments


class Ops(ABC):
    """The operations. An offset [C] or [B, C] is a bias or an embedding of the time that nothing has added yet."""

    defers: bool
    """Whether the bias of a convolution is left to the operation that follows."""

    @abstractmethod
    def norm(self, x: Tensor, layer: nn.GroupNorm, offset: Tensor | None = None, *, activate: bool = True) -> Tensor:
        """Group normalisation (Wu and He 2018) of an image plus offset, and SiLU if it is to `activate`."""

    @abstractmethod
    def add(self, x: Tensor, y: Tensor, offset: Tensor | None = None) -> Tensor:
        """The sum of two images and an offset [C]; `y` may be overwritten."""

    @abstractmethod
    def add_norm(self, x: Tensor, y: Tensor, offset: Tensor | None, layer: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        """The sum of two sequences [B, N, C] and an offset [C], and its layer normalisation (Ba et al. 2016)."""

    @abstractmethod
    def gate(self, x: Tensor) -> Tensor:
        """GEGLU (Shazeer 2020) of [B, N, 2 C]: the first half times GELU of the second."""

    @abstractmethod
    def shares(self, scores: Tensor, scale: float) -> Tensor:
        """The softmax of scores [B, N, M] times `scale` along the last axis."""

    @abstractmethod
    def interleave(self, phases: list[Tensor], offset: Tensor | None) -> Tensor:
        """An image [B, C, 2 h, 2 w] from its pixels of even and odd rows and columns, plus an offset [C].

        `phases` are [B, C, h + 1, w + 1]: even rows and columns, even and odd, odd and even, odd and odd; those of odd
        rows begin with the second row, those of odd columns with the second column.
        """

    @abstractmethod
    def picture(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """The picture [B, 3, H, W] that a convolution of 3 x 3 makes of an image, as exact as its float32 weights."""

    @abstractmethod
    def moments(self, x: Tensor) -> Moments:
        """The moments of the channels of one image [1, C, H, W]."""

    @abstractmethod
    def activate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """SiLU of an image times `scale` [C] plus `shift` [C], which are float32."""


class Plain(Ops):
    """The operations by torch's own kernels, one after the other."""

    defers = False

    def norm(self, x: Tensor, layer: nn.GroupNorm, offset: Tensor | None = None, *, activate: bool = True) -> Tensor:
        """By `group_norm` and `silu`."""
        x = x if offset is None else x + offset.view(-1, x.shape[1], 1, 1)
        x = F.group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps)
        return F.silu(x, inplace=True) if activate else x

    def add(self, x: Tensor, y: Tensor, offset: Tensor | None = None) -> Tensor:
        """In the memory of `y`."""
        return (y if offset is None else y + offset[:, None, None]).add_(x)

    def add_norm(self, x: Tensor, y: Tensor, offset: Tensor | None, layer: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        """By `layer_norm`."""
        x = x + (y if offset is None else y + offset)
        return x, layer(x)

    def gate(self, x: Tensor) -> Tensor:
        """By `gelu`."""
        value, gate = x.chunk(2, dim=-1)
        return F.gelu(gate).mul_(value)

    def shares(self, scores: Tensor, scale: float) -> Tensor:
        """By `softmax`."""
        return scores.mul_(scale).softmax(dim=-1)

    def interleave(self, phases: list[Tensor], offset: Tensor | None) -> Tensor:
        """By four copies."""
        batch, channels, height, width = phases[0].shape
        height, width = height - 1, width - 1
        out = phases[0].new_empty(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
        for number, phase in enumerate(phases):
            down, right = divmod(number, 2)
            out[:, :, down::2, right::2] = phase[:, :, down : down + height, right : right + width]
        return out if offset is None else out.add_(offset[:, None, None])

    def picture(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """By a convolution in float32."""
        return F.conv2d(x.to(layer.weight.dtype), layer.weight, layer.bias, padding=1)

    def moments(self, x: Tensor) -> Moments:
        """By sums in float32."""
        return moments(x)

    def activate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """By a batch norm, which takes float32 beside half precision, where there is one that does."""
        if x.device.type == "mps":
            found = torch.addcmul(shift[:, None, None], x.float(), scale[:, None, None])
            return F.silu(found, inplace=True).to(x.dtype)
        mean, variance = torch.zeros_like(scale), torch.ones_like(scale)
        # Some versions of torch refuse an eps of 0; beside 1 this one is lost in single precision.
        return F.silu(F.batch_norm(x, mean, variance, scale, shift, eps=1e-12), inplace=True)


_HERE: ContextVar[Ops | None] = ContextVar("operations", default=None)


@contextmanager
def using(ops: Ops) -> Iterator[None]:
    """Inside the block, in this thread alone, rebuilt networks compute by these operations."""
    token = _HERE.set(ops)
    try:
        yield
    finally:
        _HERE.reset(token)


def is_replaced() -> bool:
    """Whether this code runs inside `using`."""
    return _HERE.get() is not None


class Switched(Ops):
    """Operations that may be exchanged while networks hold this object."""

    def __init__(self, ops: Ops) -> None:
        self.usual = ops

    @property
    def use(self) -> Ops:
        """Those that compute now."""
        return _HERE.get() or self.usual

    @property
    def defers(self) -> bool:  # type: ignore[override]
        """As those in use."""
        return self.use.defers

    def norm(self, x: Tensor, layer: nn.GroupNorm, offset: Tensor | None = None, *, activate: bool = True) -> Tensor:
        """By those in use."""
        return self.use.norm(x, layer, offset, activate=activate)

    def add(self, x: Tensor, y: Tensor, offset: Tensor | None = None) -> Tensor:
        """By those in use."""
        return self.use.add(x, y, offset)

    def add_norm(self, x: Tensor, y: Tensor, offset: Tensor | None, layer: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        """By those in use."""
        return self.use.add_norm(x, y, offset, layer)

    def gate(self, x: Tensor) -> Tensor:
        """By those in use."""
        return self.use.gate(x)

    def shares(self, scores: Tensor, scale: float) -> Tensor:
        """By those in use."""
        return self.use.shares(scores, scale)

    def interleave(self, phases: list[Tensor], offset: Tensor | None) -> Tensor:
        """By those in use."""
        return self.use.interleave(phases, offset)

    def picture(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        """By those in use."""
        return self.use.picture(x, layer)

    def moments(self, x: Tensor) -> Moments:
        """By those in use."""
        return self.use.moments(x)

    def activate(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """By those in use."""
        return self.use.activate(x, scale, shift)


def places(x: Tensor) -> Tensor:
    """An image [B, C, H, W], channels last, as [B, N, C]."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def images(x: Tensor, like: Tensor) -> Tensor:
    """[B, N, C] as images [B, C, H, W] of the size of `like`."""
    return x.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
