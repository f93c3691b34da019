"""The size a network works at: the photo is resized to it, padded to the latent grid, and the result is cropped back.

As in diffusers' pipelines: the longest side becomes `resolution` by integer arithmetic (small photos are enlarged too),
resampling is bilinear, antialiased and in float, and padding repeats the right and bottom edge.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """The working size of one photo, in pixels."""

    height: int
    width: int
    stride: int
    """The side of a latent cell."""

    @classmethod
    def of(cls, photo: Tensor, resolution: int, stride: int) -> "Frame":
        """The frame of a photo [..., H, W] whose longest side is worked at as `resolution`; 0 keeps the size."""
        height, width = photo.shape[-2:]
        longest = max(height, width)
        scaled = resolution or longest
        return cls(max(1, height * scaled // longest), max(1, width * scaled // longest), stride)

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


def resize(values: Tensor, height: int, width: int) -> Tensor:
    """[B, C, H, W] at another size, bilinear and antialiased; untouched if it has that size."""
    if values.shape[-2:] == (height, width):
        return values
    return F.interpolate(values, (height, width), mode="bilinear", antialias=True)
