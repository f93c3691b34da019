"""The size a network works at: the photo is resized to it, padded to the latent grid, and the result is cropped back.

As in diffusers' pipelines: the longest side becomes `resolution` by integer arithmetic (small photos are enlarged too),
resampling is bilinear, antialiased and in float, and padding repeats the right and bottom edge. `UnpaddedFrame` is the
working size of the published code.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from marigold.core.errors import ConfigError, DeviceMemoryError
from marigold.core.images import MAX_PIXELS


@dataclass(frozen=True)
class Frame:
    """The working size of one photo, in pixels."""

    height: int
    width: int
    stride: int
    """The side of a latent cell."""

    @classmethod
    def of(cls, photo: Tensor, resolution: int, stride: int) -> "Frame":
        """The frame of a photo [..., H, W] whose longest side is worked at as `resolution`; 0 keeps the size.

        Raises `DeviceMemoryError` for a size beyond every memory.
        """
        height, width = photo.shape[-2:]
        longest = max(height, width)
        scaled = resolution or longest
        height, width = max(1, height * scaled // longest), max(1, width * scaled // longest)
        _check_size(height, width)
        return cls(height, width, stride)

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width in latent cells, the last ones partly padding."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    def fill(self, image: Tensor) -> Tensor:
        """A photo [B, 3, H, W] of any size in 0 to 1 as network input in -1 to 1, whole latent cells."""
        image = resize(image, self.height, self.width) * 2 - 1
        rows, columns = self.latent_size
        padding = (0, columns * self.stride - self.width, 0, rows * self.stride - self.height)
        return F.pad(image, padding, mode="replicate")

    def crop(self, values: Tensor) -> Tensor:
        """What the network gave, [..., h, w], without the padding."""
        return values[..., : self.height, : self.width]


@dataclass(frozen=True)
class UnpaddedFrame:
    """The working size of one photo as in the published code: nothing is padded, and photos are resized in 8 bits.

    The autoencoder drops the rows and columns that fill no latent cell, so that its pictures are a little smaller.
    """

    height: int
    width: int
    stride: int

    @classmethod
    def of(cls, photo: Tensor, resolution: int, stride: int) -> "UnpaddedFrame":
        """The frame of a photo [..., H, W]: both sides times a factor in floating point, truncated; 0 keeps the size.

        Raises `ConfigError` for photos with a side that fills no latent cell, and `DeviceMemoryError` as above.
        """
        height, width = photo.shape[-2:]
        factor = min(resolution / width, resolution / height) if resolution else 1.0
        frame = cls(int(height * factor), int(width * factor), stride)
        if min(frame.latent_size) < 1:
            raise ConfigError(
                f"compat: {frame.width} x {frame.height} pixels hold no latent cell of {stride} x {stride}, and the "
                "published code does not pad; choose a larger resolution"
            )
        _check_size(frame.height, frame.width)
        return frame

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width in whole latent cells."""
        return self.height // self.stride, self.width // self.stride

    def fill(self, image: Tensor) -> Tensor:
        """A photo [B, 3, H, W] of any size in 0 to 1 as network input in -1 to 1, in steps of 1 / 255."""
        levels = resize((image * 255).round(), self.height, self.width).round()
        return levels / 255 * 2 - 1

    def crop(self, values: Tensor) -> Tensor:
        """What the network gave, [..., h, w]: whole cells, and nothing to take away."""
        return values


AnyFrame = Frame | UnpaddedFrame


def resize(values: Tensor, height: int, width: int) -> Tensor:
    """[B, C, H, W] at another size, bilinear and antialiased; untouched if it has that size."""
    if values.shape[-2:] == (height, width):
        return values
    return F.interpolate(values, (height, width), mode="bilinear", antialias=True)


def _check_size(height: int, width: int) -> None:
    """Raises `DeviceMemoryError` for more pixels than a photo may have: a computer may end who asks for them."""
    if height * width > MAX_PIXELS:
        limit = f"more than the limit of {MAX_PIXELS // 10**6} megapixels"
        raise DeviceMemoryError(f"resolution: {width} x {height} pixels, {limit}; choose less")
