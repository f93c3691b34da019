"""Filters of photos, each with its own numbers for every photo: colour adjustments, blur, motion blur, grain, JPEG.

Photos and results are [B, 3, H, W] in sRGB, 0 to 1; a filter's numbers are [B], on the CPU. The colour adjustments are
those of torchvision's `ColorJitter`, without rounding to 8 bits.
"""

import io

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.2989, 0.587, 0.114)
"""The weights of red, green and blue in a grey value (ITU-R BT.601)."""
_SHARPEST = 0.1
"""A standard deviation in pixels below which a Gaussian is a single pixel."""


def greyscale(image: Tensor) -> Tensor:
    """The luma of every pixel in all three channels."""
    return _luma(image).expand_as(image)


def adjust_brightness(image: Tensor, factor: Tensor) -> Tensor:
    """`factor` times the photo: 0 is black, 1 the photo."""
    return (_each(factor, image) * image).clamp(0, 1)


def adjust_contrast(image: Tensor, factor: Tensor) -> Tensor:
    """`factor` times the distance from the photo's mean luma: 0 is grey, 1 the photo."""
    return _blend(image, _luma(image).mean(dim=(1, 2, 3), keepdim=True), factor)


def adjust_saturation(image: Tensor, factor: Tensor) -> Tensor:
    """`factor` times the distance from each pixel's luma: 0 is a grey photo, 1 the photo."""
    return _blend(image, _luma(image), factor)


def adjust_hue(image: Tensor, turn: Tensor) -> Tensor:
    """Hues turned by a share of the colour circle, -0.5 to 0.5; value and saturation (HSV) stay."""
    if not turn.any():
        return image
    value, low = image.amax(dim=1), image.amin(dim=1)
    chroma = value - low
    red, green, blue = image.unbind(dim=1)
    # The hue in sixths of the circle, from the largest channel and the difference of the other two; grey has none.
    behind = torch.where(value == green, 2 + (blue - red) / chroma, 4 + (red - green) / chroma)
    hue = torch.where(value == red, (green - blue) / chroma, behind)
    hue = torch.where(chroma > 0, hue, 0) + 6 * turn.to(image).view(-1, 1, 1)
    # Each channel is the value less the chroma, but for how near the hue is to the channel's own third of the circle.
    place = (torch.tensor([5, 3, 1]).to(image).view(1, 3, 1, 1) + hue[:, None]) % 6
    return value[:, None] - chroma[:, None] * torch.minimum(place, 4 - place).clamp(0, 1)


def colour_cast(image: Tensor, factors: Tensor) -> Tensor:
    """Each channel times a factor of its own, [B, 3]."""
    return (image * factors.to(image)[:, :, None, None]).clamp(0, 1)


def gaussian_blur(image: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """A Gaussian of this standard deviation in pixels, cut off at `radius`; the photo is mirrored at its borders."""
    offsets = torch.arange(-radius, radius + 1)
    kernels = torch.softmax(-0.5 * (offsets / sigma.clamp(min=_SHARPEST)[:, None]).square(), dim=1)
    for dim in (-2, -1):
        image = image.index_select(dim, _mirrored(image.shape[dim], radius).to(image.device))
    return _filtered(_filtered(image, kernels[:, None, :]), kernels[:, :, None])


def motion_blur(image: Tensor, length: Tensor, degrees: Tensor) -> Tensor:
    """The mean along a straight line of this odd length in pixels, turned anticlockwise; it is dark outside the photo.

    The published training blurs the photos of its normals so.
    """
    kernels = motion_kernels(length, degrees)
    return _filtered(F.pad(image, (kernels.shape[-1] // 2,) * 4), kernels)


def motion_kernels(length: Tensor, degrees: Tensor) -> Tensor:
    """Kernels [B, K, K] with the sum 1, K the largest `length`: a row of ones, turned, with the nearest pixels lit."""
    half, radians = (length // 2)[:, None, None], torch.deg2rad(degrees)[:, None, None]
    offsets = torch.arange(-int(half.max()), int(half.max()) + 1)
    down, right = torch.meshgrid(offsets, offsets, indexing="ij")
    # Where each pixel lay in the row before it was turned.
    along = (right * radians.cos() - down * radians.sin()).round()
    across = (right * radians.sin() + down * radians.cos()).round()
    inside = torch.maximum(right.abs(), down.abs()) <= half
    lit = (inside & (across == 0) & (along.abs() <= half)).float()
    return lit / lit.sum(dim=(1, 2), keepdim=True)


def grain(image: Tensor, deviation: Tensor, rng: torch.Generator) -> Tensor:
    """White noise of this standard deviation in every channel; `rng` lives on the photo's device."""
    noise = torch.randn(image.shape, generator=rng, device=image.device, dtype=image.dtype)
    return (image + _each(deviation, image) * noise).clamp(0, 1)


def jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """The photo as an 8-bit JPEG of this quality, 1 to 100, shows it; this is computed on the CPU."""
    levels = (image * 255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
    shown = [_jpeg(photo, int(number)) for photo, number in zip(levels, quality.tolist(), strict=True)]
    return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).to(image) / 255


def _jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    with io.BytesIO() as file:
        PIL.Image.fromarray(photo).save(file, "JPEG", quality=quality)
        with PIL.Image.open(file) as decoded:
            return np.array(decoded)


def _each(numbers: Tensor, image: Tensor) -> Tensor:
    """A number for every photo, [B], as [B, 1, 1, 1] beside it."""
    return numbers.to(image).view(-1, 1, 1, 1)


def _luma(image: Tensor) -> Tensor:
    weights = torch.tensor(_LUMA).to(image).view(1, 3, 1, 1)
    return (weights * image).sum(dim=1, keepdim=True)


def _blend(image: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (other + _each(factor, image) * (image - other)).clamp(0, 1)


def _mirrored(side: int, radius: int) -> Tensor:
    """The positions of a side and of `radius` pixels before and after it, mirrored at its first and last pixel."""
    period = max(2 * (side - 1), 1)
    distance = torch.arange(-radius, side + radius).abs() % period
    return torch.minimum(distance, period - distance)


def _filtered(image: Tensor, kernels: Tensor) -> Tensor:
    """Each photo [B, C, H, W] with its own kernel [B, h, w], where that lies inside: [B, C, H - h + 1, W - w + 1]."""
    batch, channels = image.shape[:2]
    weight = kernels.to(image).repeat_interleave(channels, dim=0)[:, None]
    flat = F.conv2d(image.reshape(1, batch * channels, *image.shape[-2:]), weight, groups=batch * channels)
    return flat.view(batch, channels, *flat.shape[-2:])
