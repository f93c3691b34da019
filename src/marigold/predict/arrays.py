"""Maps and photos as the arrays that a prediction holds."""

import numpy as np
import torch
from torch import Tensor

from marigold.core.device import on_host
from marigold.core.raster import as_pixels
from marigold.core.resampling import resample


def as_array(values: Tensor) -> np.ndarray:
    """[C, H, W] as float32 [H, W], or [H, W, C] when there are several channels."""
    return on_host((values[0] if len(values) == 1 else values.permute(1, 2, 0)).float().contiguous()).numpy()


def as_bytes(photo: Tensor, height: int, width: int) -> np.ndarray:
    """[3, H, W], float32 in 0 to 1 or uint8, at the size of the maps, as [H, W, 3] uint8."""
    if photo.dtype != torch.uint8 or photo.shape[-2:] != (height, width):
        photo = (resample(as_pixels(photo)[None], height, width)[0] * 255).round_().byte()
    return photo.permute(1, 2, 0).contiguous().numpy()
