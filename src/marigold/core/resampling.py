"""Ways to bring pictures and maps to another size."""

import torch.nn.functional as F
from torch import Tensor

from marigold.core.choices import Resampling

_ANTIALIASED = ("bilinear", "bicubic")


def resample(
    values: Tensor, height: int, width: int, how: Resampling = "bilinear", *, antialias: bool = True
) -> Tensor:
    """Values [B, C, H, W] at another size [B, C, height, width]; untouched if they have that size.

    `bilinear` and `bicubic` are antialiased when they shrink, unless `antialias` is false.
    `bicubic` overshoots: what must stay in a range is clipped by the caller.
    """
    if values.shape[-2:] == (height, width):
        return values
    return F.interpolate(values, (height, width), mode=how, antialias=antialias and how in _ANTIALIASED)
