"""A picture as a file holds it, and what turns it into a photo: range, colour profile, alpha, orientation."""

from dataclasses import dataclass

import imagecodecs
import numpy as np
import torch
from torch import Tensor

from marigold.core.errors import ImageError
from marigold.core.profiles import WHITE, Stated, to_srgb

MAX_PIXELS = 178_000_000
"""A little less than where Pillow itself takes a file for a decompression bomb."""
MIN_SIDE = 8

_CAMERA_BITS = (8, 10, 12, 14)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo that has been read."""

    pixels: Tensor
    """[3, H, W] float32 sRGB, 0 to 1, upright."""
    notes: tuple[str, ...] = ()
    """What a person should know about how it was read."""


@dataclass(frozen=True, eq=False)
class Raster:
    """Samples and what they mean."""

    samples: np.ndarray
    """[H, W] or [H, W, C]: grey or RGB, or four inks, each with or without alpha that is not multiplied in yet."""
    profile: bytes | Stated | None = None
    inks: bool = False
    """Whether the samples are CMYK, more meaning more ink."""
    orientation: int = 1
    """The EXIF orientation, 1 to 8."""
    notes: tuple[str, ...] = ()


def develop(raster: Raster) -> Photo:
    """The photo: converted to sRGB by its profile, laid on white where it is transparent, upright.

    Samples are uint8, uint16, bool, or float in 0 to 1. Raises `ImageError` for others.
    """
    samples = raster.samples[..., None] if raster.samples.ndim == 2 else raster.samples
    if samples.ndim != 3 or samples.shape[-1] not in ((4, 5) if raster.inks else (1, 2, 3, 4)):
        raise ImageError(f"an array of shape {list(samples.shape)} is no photo; give [H, W] or [H, W, 3]")
    check_size(samples.shape[1], samples.shape[0])
    samples = _of_known_range(samples)
    count = 4 if raster.inks else 1 if samples.shape[-1] < 3 else 3
    colours, notes = _in_srgb(samples[..., :count], raster)
    notes = (*raster.notes, *(() if raster.inks else _dim(samples[..., :count])), *notes)
    if samples.shape[-1] > count:
        alpha = as_float(samples[..., count:])
        colours = as_float(colours) * alpha + (1 - alpha)
    colours = colours if colours.shape[-1] == 3 else np.repeat(colours, 3, axis=2)
    return Photo(_as_tensor(_upright(colours, raster.orientation)), notes)


def as_float(samples: np.ndarray) -> np.ndarray:
    """Samples of any range as float32 in 0 to 1."""
    return samples.astype(np.float32) / WHITE.get(samples.dtype, np.float32(1))


def _of_known_range(array: np.ndarray) -> np.ndarray:
    """Samples whose white is known: uint8, uint16, or float32 in 0 to 1. Raises `ImageError` for others."""
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == bool:
        return array.astype(np.float32)
    if array.dtype.kind != "f":
        raise ImageError(f"samples of type {array.dtype} have no known range; use uint8, uint16, or float in 0 to 1")
    if not np.isfinite(array).all():
        raise ImageError("float samples that are NaN or infinite; replace them with numbers in 0 to 1, such as 0")
    if array.min() < 0 or array.max() > 1:
        raise ImageError("float samples outside 0 to 1; scale them first (8-bit values: divide by 255)")
    return array.astype(np.float32)


def in_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """Integers in 0 to 2^bits - 1 as samples of known range."""
    full = (1 << bits) - 1
    return samples if full == WHITE.get(samples.dtype) else samples.astype(np.float32) / np.float32(full)


def check_size(width: int, height: int) -> None:
    """Raises `ImageError` for more than `MAX_PIXELS`, or less than `MIN_SIDE` on a side."""
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels, {too_large()}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{width} x {height} pixels, less than the minimum of {MIN_SIDE} x {MIN_SIDE}; use a larger image"
        )


def too_large() -> str:
    """What is wrong with a photo of too many pixels."""
    return f"more than the limit of {MAX_PIXELS // 10**6} megapixels; scale it down first"


def _in_srgb(colours: np.ndarray, raster: Raster) -> tuple[np.ndarray, tuple[str, ...]]:
    """Colours without a usable profile count as sRGB, and inks as ideal ones."""
    notes = ()
    if raster.profile is not None:
        try:
            return to_srgb(colours, raster.profile), ()
        except (ValueError, imagecodecs.CmsError) as error:
            notes = (f"its colour profile cannot be used ({error}), so that its colours are taken for sRGB",)
    if raster.inks:
        light = 1 - as_float(colours)
        colours = light[..., :3] * light[..., 3:]
    return colours, notes


def _dim(colours: np.ndarray) -> tuple[str, ...]:
    """A note when 16-bit samples end where those of a camera with fewer bits would."""
    top = int(colours.max()) if colours.dtype == np.uint16 else 0
    bits = next((bits for bits in _CAMERA_BITS if 0 < top < 1 << bits), None)
    if bits is None:
        return ()
    return (
        f"its 16-bit samples end at {top} of 65535 and look almost black; if they have {bits} bits, multiply them by "
        f"{65536 >> bits} and save them again",
    )


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes the EXIF orientation 1 to 8 of [H, W, 3]: 5 to 8 exchange rows and columns, then rows or columns flip."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    rows = orientation in (3, 4, 7, 8)
    columns = orientation in (2, 3, 6, 7)
    return array[:: -1 if rows else 1, :: -1 if columns else 1]


def _as_tensor(array: np.ndarray) -> Tensor:
    """[H, W, 3] uint8, uint16 or float32 as a tensor [3, H, W] float32, 0 to 1, with memory of its own."""
    channels_first = torch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))
    return channels_first.float().div_(float(WHITE.get(array.dtype, 1)))
