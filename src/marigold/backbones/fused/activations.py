"""The activations of one image between two layers, held where there is room, and read and written by rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.backbones.fused.moments import Moments


@dataclass(frozen=True)
class Size:
    """The size of one image's activations."""

    channels: int
    height: int
    width: int

    def bytes(self, dtype: torch.dtype) -> int:
        """Bytes of memory as this number type."""
        return self.channels * self.height * self.width * dtype.itemsize


@dataclass(frozen=True)
class Span:
    """The rows `start` to `stop` of a result; they need `first` to `last` of the source, which may lie outside it."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Activations:
    """One image's, [H, W, C], so that a row's numbers lie together; `device` computes, and holds them or does not."""

    values: Tensor
    device: torch.device
    moments: Moments | None = None

    @classmethod
    def of(cls, x: Tensor) -> "Activations":
        """Of an image [1, C, H, W], on its device, without a copy where channels are last."""
        return cls(x[0].permute(1, 2, 0).contiguous(), x.device)

    @classmethod
    def empty(cls, size: Size, dtype: torch.dtype, device: torch.device, *, on_device: bool) -> "Activations":
        """Of no values yet, on the device or in the computer's memory."""
        return cls(_empty((size.height, size.width, size.channels), dtype, device, on_device=on_device), device)

    def held(self, *, on_device: bool) -> "Activations":
        """The same on the device, or in the computer's memory."""
        if (self.values.device == self.device) == on_device or self.device.type == "cpu":
            return self
        values = _empty(self.values.shape, self.values.dtype, self.device, on_device=on_device)
        return Activations(values.copy_(self.values, non_blocking=True), self.device, self.moments)

    def whole(self) -> Tensor:
        """As an image [1, C, H, W], channels last, on the device."""
        return self.rows(0, len(self.values))

    def rows(self, start: int, stop: int) -> Tensor:
        """[1, C, stop - start, W] on the device; where they are held there, not a copy."""
        return self.values[start:stop].to(self.device, non_blocking=True).permute(2, 0, 1)[None]

    def put(self, start: int, rows: Tensor) -> None:
        """Lets rows [1, C, h, W] take their place."""
        self.values[start : start + rows.shape[2]].copy_(rows[0].permute(1, 2, 0), non_blocking=True)

    def windows(self, spans: Sequence[Span], prepare: Callable[[Tensor], Tensor]) -> Iterator[tuple[Span, Tensor]]:
        """The rows that each span needs, prepared; zeros stand where the image has none.

        Those of the next span are prepared before a span is given, whose own rows may be written over from then on.
        """
        ready = [(spans[0], self._window(spans[0], prepare))]
        for span in spans[1:]:
            ready.append((span, self._window(span, prepare)))
            yield ready.pop(0)
        yield ready.pop()

    def _window(self, span: Span, prepare: Callable[[Tensor], Tensor]) -> Tensor:
        low, high = max(span.first, 0), min(span.last, len(self.values))
        rows = prepare(self.rows(low, high))
        above, below = low - span.first, span.last - high
        return F.pad(rows, (0, 0, above, below)) if above or below else rows


def _empty(shape: Sequence[int], dtype: torch.dtype, device: torch.device, *, on_device: bool) -> Tensor:
    """In pages that a GPU writes to itself, where it is the computer's memory."""
    if on_device:
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")
