"""Maps in 0 to 1 as images: targets of a generator (-1 to 1), another size, eight bits, the light behind a photo."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.colour import luminance

BLUR = 0.1
"""The blur of `divided_by_blurred_luminance` spreads over this share of the shorter side."""


def to_pixels(values: Tensor, valid: Tensor) -> Tensor:
    """Values in 0 to 1 as pixels in -1 to 1, any shape; clipped, and black where not `valid` (bool, broadcast)."""
    return torch.where(valid, values.clamp(0, 1) * 2 - 1, -1.0)


def to_values(pixels: Tensor) -> Tensor:
    """Pixels as a generator gives them (about -1 to 1, any shape and precision) as values in 0 to 1, float32."""
    return ((pixels.float() + 1) / 2).clamp(0, 1)


def resize(values: Tensor, height: int, width: int) -> Tensor:
    """Values [B, C, H, W] in 0 to 1 at another size: bilinear, antialiased when it shrinks."""
    return F.interpolate(values, (height, width), mode="bilinear", antialias=True).clamp(0, 1)


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] or a grey map [H, W] in 0 to 1 as [H, W, 3] uint8, rounded; what is beyond is clipped."""
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=-1)


def divided_by_blurred_luminance(linear: Tensor) -> tuple[Tensor, Tensor]:
    """A linear photo [3, H, W] split into (quotient [3, H, W], blurred luminance [1, H, W]).

    The oldest guess at reflectance and light: light changes slowly over a picture, reflectance in steps (Land and
    McCann 1971). The blur is three box filters in a row, close to a Gaussian, over what lies inside the picture.
    """
    light = luminance(linear)[None]
    reach = max(1, round(BLUR * min(linear.shape[-2:]) / 2))
    for _ in range(3):
        light = F.avg_pool2d(light, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
    return linear / light[0].clamp(min=1e-4), light[0]
