"""The layers of the KL autoencoder's halves, each for a whole image or in stripes of rows.

Stripes give what the whole gives, to within rounding, and have no seams: a convolution sees its neighbours' rows, zeros
stand outside the image alone, and a group norm has the moments of the whole image, which are gathered while a layer
before it writes its stripes. So nothing is computed twice, and beside a layer's input and output, which may wait in the
computer's memory, the device holds a few stripes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones.fused.activations import Activations, Size, Span
from marigold.backbones.fused.attention import WideAttention
from marigold.backbones.fused.blocks import Norm, Resnet, Upsample
from marigold.backbones.fused.ops import Ops

AT_ONCE = 4
"""Tensors like the larger of its input and output that a layer has at once, where it computes the whole image."""
_PARTS = 8
"""Stripes like the larger of its input's and output's that a layer has at once: windows, products, sums, float32."""
_FOR_STRIPES = 0.25
"""The share of the bound that is for stripes, not for the layer's input and output."""


class Step(ABC):
    """A layer between the activations of one size and those of another."""

    @abstractmethod
    def result(self, size: Size) -> Size:
        """The size of what it gives."""

    @abstractmethod
    def whole(self, x: Tensor) -> Tensor:
        """What it gives for images [B, C, H, W]."""

    @abstractmethod
    def striped(self, x: Activations, out: "Output") -> Activations:
        """What it gives for one image, which may be written over."""


@dataclass(frozen=True)
class Output:
    """Where a layer's result goes, and by how many of its rows at a time."""

    size: Size
    on_device: bool
    stripe: int
    ops: Ops

    def fill(
        self,
        source: Activations,
        into: Activations,
        spans: Sequence[Span],
        compute: Callable[[Span, Tensor], Tensor],
        norm: nn.GroupNorm | None = None,
    ) -> Activations:
        """`into` with what `compute` gives for the source's windows, normalised and activated where there is a norm."""
        found = None
        for span, window in source.windows(spans, self._prepare(source, norm)):
            rows = compute(span, window)
            into.put(span.start, rows)
            moments = self.ops.moments(rows)
            found = moments if found is None else found.joined(moments)
        return replace(into, moments=found)

    def empty(self, like: Activations, dtype: torch.dtype | None = None) -> Activations:
        """Room for the result."""
        return Activations.empty(self.size, dtype or like.values.dtype, like.device, on_device=self.on_device)

    def _prepare(self, source: Activations, norm: nn.GroupNorm | None) -> Callable[[Tensor], Tensor]:
        if norm is None:
            return lambda rows: rows
        moments = source.moments
        if moments is None:
            first, *others = (self.ops.moments(source.rows(*rows)) for rows in _cut(len(source.values), self.stripe))
            moments = first
            for other in others:
                moments = moments.joined(other)
        scale, shift = moments.affine(norm)
        return lambda rows: self.ops.activate(rows, scale, shift)


@dataclass(frozen=True)
class Convolution(Step):
    """A convolution of 3 x 3 that keeps the size, with a norm before it or none."""

    layer: nn.Conv2d
    norm: Norm | None = None

    def result(self, size: Size) -> Size:
        """Of its output's channels."""
        return replace(size, channels=self.layer.out_channels)

    def whole(self, x: Tensor) -> Tensor:
        """By the layers."""
        return self.layer(x if self.norm is None else self.norm(x))

    def striped(self, x: Activations, out: Output) -> Activations:
        """In the number type of the layer, which may be another one."""
        into = out.empty(x, self.layer.weight.dtype)
        return out.fill(x, into, _around(out), lambda span, window: _convolved(window, self.layer), self.norm)


@dataclass(frozen=True)
class Residual(Step):
    """A residual block."""

    layer: Resnet

    def result(self, size: Size) -> Size:
        """Of the second convolution's channels."""
        return replace(size, channels=self.layer.conv2.out_channels)

    def whole(self, x: Tensor) -> Tensor:
        """By the block."""
        return self.layer(x)

    def striped(self, x: Activations, out: Output) -> Activations:
        """The sum is written over the input, or over the first convolution's output where channels differ."""
        block, spans = self.layer, _around(out)
        inner = out.fill(x, out.empty(x), spans, lambda span, window: _convolved(window, block.conv1), block.norm1)

        def added(span: Span, window: Tensor) -> Tensor:
            rows, shortcut = x.rows(span.start, span.stop), block.conv_shortcut
            return _convolved(window, block.conv2).add_(rows if shortcut is None else shortcut(rows))

        return out.fill(inner, x if block.conv_shortcut is None else inner, spans, added, block.norm2)


@dataclass(frozen=True)
class Enlargement(Step):
    """Twice the sides."""

    layer: Upsample

    def result(self, size: Size) -> Size:
        """Of twice the sides."""
        return replace(size, height=2 * size.height, width=2 * size.width)

    def whole(self, x: Tensor) -> Tensor:
        """By the layer."""
        return self.layer(x)

    def striped(self, x: Activations, out: Output) -> Activations:
        """Each row of the input makes two."""
        cuts = _cut(out.size.height // 2, max(1, out.stripe // 2))
        spans = [Span(2 * start, 2 * stop, start - 1, stop + 1) for start, stop in cuts]
        return out.fill(x, out.empty(x), spans, lambda span, window: self.layer.doubled(window, above=0))


@dataclass(frozen=True)
class Reduction(Step):
    """Half of the sides, by a convolution of 3 x 3 that sees zeros below the image and to the right of it."""

    layer: Any

    def result(self, size: Size) -> Size:
        """Of half the sides, an odd one rounded down."""
        return replace(size, height=size.height // 2, width=size.width // 2)

    def whole(self, x: Tensor) -> Tensor:
        """By diffusers' layer."""
        return self.layer(x)

    def striped(self, x: Activations, out: Output) -> Activations:
        """Each row sees three of the input."""
        conv = self.layer.conv
        spans = [Span(start, stop, 2 * start, 2 * stop + 1) for start, stop in _cut(out.size.height, out.stripe)]

        def halved(span: Span, window: Tensor) -> Tensor:
            return F.conv2d(F.pad(window, (0, 1)), conv.weight, conv.bias, stride=2)

        return out.fill(x, out.empty(x), spans, halved)


@dataclass(frozen=True)
class Attention(Step):
    """Attention among all places, which is computed for the whole image always; its scores come in parts."""

    layer: WideAttention

    def result(self, size: Size) -> Size:
        """The same."""
        return size

    def whole(self, x: Tensor) -> Tensor:
        """By the layer."""
        return self.layer(x)

    def striped(self, x: Activations, out: Output) -> Activations:
        """The whole."""
        return Activations.of(self.layer(x.whole()))


@dataclass(frozen=True)
class Turn:
    """A layer's turn at an image, on a device whose activations are bounded."""

    step: Step
    size: Size
    dtype: torch.dtype
    most_bytes: int

    @property
    def whole_bytes(self) -> int:
        """Bytes that it takes to compute the whole."""
        return AT_ONCE * self._largest

    @property
    def is_striped(self) -> bool:
        """Whether that is more than the bound."""
        return self.whole_bytes > self.most_bytes

    @property
    def held_bytes(self) -> int:
        """Bytes of its input and output."""
        return self.size.bytes(self.dtype) + self.step.result(self.size).bytes(self.dtype)

    @property
    def on_device(self) -> bool:
        """Whether the device holds input and output beside the stripes."""
        return not self.is_striped or self.held_bytes <= (1 - _FOR_STRIPES) * self.most_bytes

    @property
    def rows(self) -> int:
        """The result's rows in a stripe."""
        height = self.step.result(self.size).height
        return max(1, min(height, int(_FOR_STRIPES * self.most_bytes * height / (_PARTS * self._largest))))

    @property
    def stripe_bytes(self) -> int:
        """Bytes of the stripes that it has at once."""
        return _PARTS * self._largest * self.rows // self.step.result(self.size).height

    def run(self, x: Activations, ops: Ops) -> Activations:
        """What the layer gives; x may be written over."""
        if not self.is_striped:
            return Activations.of(self.step.whole(x.whole()))
        return self.step.striped(x, Output(self.step.result(self.size), self.on_device, self.rows, ops))

    @property
    def _largest(self) -> int:
        return max(self.size.bytes(self.dtype), self.step.result(self.size).bytes(self.dtype))


def turns(steps: Sequence[Step], size: Size, dtype: torch.dtype, most_bytes: int) -> Iterator[Turn]:
    """The layers' turns at an image of a size."""
    for step in steps:
        yield Turn(step, size, dtype, most_bytes)
        size = step.result(size)


def run(steps: Sequence[Step], image: Tensor, most_bytes: int, ops: Ops) -> Tensor:
    """What the layers give for one image [1, C, H, W], with so many bytes of activations on its device at most.

    One row with its neighbours takes what it takes, and so does attention.
    """
    x = Activations.of(image)
    for turn in turns(steps, Size(*image.shape[1:]), image.dtype, most_bytes):
        x = x.held(on_device=turn.on_device)
        x = turn.run(x, ops)
    return x.whole()


def _cut(height: int, rows: int) -> list[tuple[int, int]]:
    """Rows in parts of so many."""
    return list(pairwise([*range(0, height, rows), height]))


def _around(out: Output) -> list[Span]:
    """Stripes that see a row above and one below."""
    return [Span(start, stop, start - 1, stop + 1) for start, stop in _cut(out.size.height, out.stripe)]


def _convolved(window: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution of 3 x 3 of a window, which has the rows around; zeros are added to its left and right."""
    return F.conv2d(window.to(layer.weight.dtype), layer.weight, layer.bias, padding=(0, 1))
