"""JPEG's losses without its files: block DCT, quantisation and halved chroma (ITU-T T.81) as matrix products."""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

# Annex K of the standard: the quantisation tables of quality 50, for luma and chroma.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


def compress(picture: Tensor, quality: Tensor) -> Tensor:
    """The picture [B, 3, H, W] in 0 to 1 as it comes back from a JPEG file, in steps of 1/255.

    `quality` [B, 1, 1, 1] is that of libjpeg, 1 to 100, with chroma at half size; above 100 only rounding is left.
    """
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (0, -width % 16, 0, -height % 16), mode="replicate") * 255
    # RGB => YCbCr of ITU-R BT.601, with chroma [B, 2, H, W] around 0
    red, green, blue = padded.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = torch.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1)
    luma = _quantise((luma - 128)[:, None], _table(_LUMA, quality)) + 128
    chroma = F.interpolate(
        _quantise(F.avg_pool2d(chroma, 2), _table(_CHROMA, quality)), scale_factor=2, mode="bilinear"
    )
    # ... and back
    luma, to_blue, to_red = luma[:, 0], chroma[:, 0], chroma[:, 1]
    green = luma - 0.344136 * to_blue - 0.714136 * to_red
    decoded = torch.stack([luma + 1.402 * to_red, green, luma + 1.772 * to_blue], 1)[..., :height, :width]
    return torch.where(quality > 100, picture * 255, decoded).round().clamp(0, 255) / 255


def dct_matrix() -> Tensor:
    """The orthonormal 8 x 8 DCT-II: row k holds the k-th cosine."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)
    matrix = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


@cache
def _steps(base: tuple[tuple[int, ...], ...], device: torch.device) -> Tensor:
    return torch.tensor(base, dtype=torch.float32, device=device).flatten()


@cache
def _basis(device: torch.device) -> Tensor:
    """The transform of a flattened 8 x 8 block, [64, 64]."""
    return torch.kron(dct_matrix(), dct_matrix()).to(device)


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Quantisation steps [B, 1, 64] at this quality, by libjpeg's rule."""
    quality = quality.clamp(1, 100).view(-1, 1, 1)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return ((_steps(base, quality.device) * scale + 50) / 100).floor().clamp(1, 255)


def _quantise(plane: Tensor, steps: Tensor) -> Tensor:
    """Planes [B, C, H, W] after their DCT coefficients were rounded to multiples of `steps` [B, 1, 64]."""
    batch, channels, height, width = plane.shape
    # [B, C, H, W] => [B, blocks, 64], each block's rows one after the other
    blocks = plane.reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4).reshape(batch, -1, 64)
    basis = _basis(plane.device)
    # The DCT is orthonormal: its transpose is its inverse.
    coefficients = (blocks @ basis.T / steps).round() * steps
    blocks = (coefficients @ basis).view(batch, channels, height // 8, width // 8, 8, 8)
    return blocks.transpose(3, 4).reshape(batch, channels, height, width)
