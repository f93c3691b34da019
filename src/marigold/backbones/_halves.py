"""The halves of an autoencoder that have been rebuilt for inference, and what they take at an image of some size."""

from collections.abc import Sequence

from torch import Tensor, nn

from marigold.backbones.fused.half import FusedHalf


class Halves:
    """Encoder and decoder, as far as they have been rebuilt."""

    def __init__(self, rebuilt: Sequence[FusedHalf] = (), decoder: nn.Module | None = None, stride: int = 1) -> None:
        """`decoder` is the half that is given latents, whose sides are those of the image divided by `stride`."""
        self.rebuilt, self._decoder, self._stride = rebuilt, decoder, stride

    def bound(self, most_bytes: int | None, uncut: int) -> None:
        """What activations take (see `Backbone.bound`)."""
        for half in self.rebuilt:
            half.bound(most_bytes, uncut)

    def cuts(self, half: nn.Module, x: Tensor) -> bool:
        """Whether a half computes inputs [B, C, H, W] in stripes."""
        return any(half is one and one.is_striped(len(x), *x.shape[2:]) for one in self.rebuilt)

    def is_striped(self, height: int, width: int, targets: int) -> bool:
        """Whether one half or both compute images of this size in stripes; so many are decoded together."""
        return any(
            half.is_striped(targets if half is self._decoder else 1, *size)
            for half, size in self._inputs(height, width)
        )

    def whole_bytes(self, height: int, width: int) -> int:
        """Bytes that the half which takes more takes for one image as a whole; 0 without stripes."""
        return max((half.whole_bytes(*size) for half, size in self._inputs(height, width)), default=0)

    def striped_bytes(self, height: int, width: int) -> tuple[int, int]:
        """Bytes of the device, and of the computer's memory beside it, that one image takes under the bound."""
        taken = [half.striped_bytes(*size) for half, size in self._inputs(height, width)]
        return max(device for device, _ in taken), max(beside for _, beside in taken)

    def _inputs(self, height: int, width: int) -> list[tuple[FusedHalf, tuple[int, int]]]:
        """The halves, and the sides of what they are given for an image of this size, which is padded."""
        cells = -(-height // self._stride), -(-width // self._stride)
        image = cells[0] * self._stride, cells[1] * self._stride
        return [(half, cells if half is self._decoder else image) for half in self.rebuilt]
