"""A picture as a file holds it, and what turns it into a photo: range, colour profile, alpha, orientation."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np
import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.errors import ImageError
from marigold.core.memory import require_memory
from marigold.core.profiles import WHITE, Stated, conversion

MAX_PIXELS = 178_000_000
"""A little less than where Pillow itself takes a file for a decompression bomb."""
MIN_SIDE = 8
RESULT = 12
"""Bytes of a pixel that has been read."""

_STRIP = 1 << 18
"""Pixels that one thread works on at a time."""
_LARGE, _MOST_PER_BYTE = 1 << 25, 2048
"""Pixels that any file may have, and those for each byte of a larger one; a grey PNG of one colour has 1000."""
_SMALL = 1 << 22
"""Pixels of a photo whose memory is not worth a question."""

_CAMERA_BITS = (8, 10, 12, 14)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo that has been read."""

    levels: Tensor
    """[3, H, W] sRGB, upright: uint8 where that holds all that the file says, else float32 in 0 to 1."""
    notes: tuple[str, ...] = ()
    """What a person should know about how it was read."""

    @property
    def pixels(self) -> Tensor:
        """[3, H, W] float32 sRGB, 0 to 1."""
        return as_pixels(self.levels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.levels.shape[-2], self.levels.shape[-1]


def as_pixels(levels: Tensor) -> Tensor:
    """Levels of uint8 as float32 in 0 to 1, each channel in one piece; float32 as it is."""
    if levels.is_floating_point():
        return levels
    # A divisor on the device: by a plain number a GPU multiplies with its inverse, which rounds otherwise.
    return levels.contiguous().float().div_(torch.full((), 255.0, device=levels.device))


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

    Samples are uint8, uint16, bool, or float in 0 to 1. Raises `ImageError` for others. Beside the result, of 3 bytes a
    pixel or 12, only strips of it are in memory at a time.
    """
    samples = raster.samples[..., None] if raster.samples.ndim == 2 else raster.samples
    if samples.ndim != 3 or samples.shape[-1] not in ((4, 5) if raster.inks else (1, 2, 3, 4)):
        raise ImageError(f"an array of shape {list(samples.shape)} is no photo; give [H, W] or [H, W, 3]")
    height, width = samples.shape[:2]
    check_size(width, height)
    check_memory(width, height, 0)
    _check_range(samples)
    count = 4 if raster.inks else 1 if samples.shape[-1] < 3 else 3
    convert, notes = _conversion(_native(samples[:1, :1, :count]), raster)
    notes = (*raster.notes, *(() if raster.inks else _dim(samples[..., :count])), *notes)
    turned = raster.orientation in (5, 6, 7, 8)
    sides = (width, height) if turned else (height, width)
    opaque = samples.shape[-1] == count
    in_bytes = opaque and convert(_native(samples[:1, :1, :count])).dtype == np.uint8
    # Bytes are kept as files have them, colours together, which takes no time to write and to show.
    pixels = np.empty((*sides, 3), np.uint8).transpose(2, 0, 1) if in_bytes else np.empty((3, *sides), np.float32)
    stored = _as_stored(pixels, raster.orientation)

    def fill(rows: slice) -> None:
        strip = _native(samples[rows])
        colours = convert(strip[..., :count])
        if in_bytes:
            stored[:, rows] = colours.transpose(2, 0, 1)
            return
        if not opaque:
            alpha = as_float(strip[..., count:])
            colours = as_float(colours) * alpha + (1 - alpha)
        white = WHITE.get(colours.dtype, np.float32(1))
        for channel in range(3):
            np.divide(colours[..., min(channel, colours.shape[-1] - 1)], white, out=stored[channel, rows])

    in_strips(fill, height, width)
    return Photo(torch.from_numpy(pixels), notes)


def as_float(samples: np.ndarray) -> np.ndarray:
    """Samples of any range as float32 in 0 to 1."""
    return samples.astype(np.float32) / WHITE.get(samples.dtype, np.float32(1))


def _check_range(array: np.ndarray) -> None:
    """Raises `ImageError` for samples whose white is not known: other than uint8, uint16, bool, or float in 0 to 1."""
    if array.dtype == bool or (array.dtype.kind == "u" and array.dtype.itemsize <= 2):
        return
    if array.dtype.kind != "f":
        raise ImageError(f"samples of type {array.dtype} have no known range; use uint8, uint16, or float in 0 to 1")
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("float samples that are NaN or infinite; replace them with numbers in 0 to 1, such as 0")
    if low < 0 or high > 1:
        raise ImageError("float samples outside 0 to 1; scale them first (8-bit values: divide by 255)")


def _native(array: np.ndarray) -> np.ndarray:
    """Samples of known range as uint8, uint16 or float32 of this machine."""
    integers = array.dtype.kind == "u"
    return array.astype(array.dtype.newbyteorder("=") if integers else np.float32, copy=False)


def in_bits(samples: np.ndarray, bits: int) -> np.ndarray:
    """Integers in 0 to 2^bits - 1 as samples of known range."""
    full = (1 << bits) - 1
    return samples if full == WHITE.get(samples.dtype) else samples.astype(np.float32) / np.float32(full)


def in_strips(fill: Callable[[slice], object], height: int, width: int) -> None:
    """Calls `fill` for the rows of one strip after another, in several threads where there are several."""
    rows = max(1, _STRIP // width)
    strips = [slice(start, start + rows) for start in range(0, height, rows)]
    if len(strips) == 1:
        fill(strips[0])
        return
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(fill, strips))


def check_memory(width: int, height: int, stored: int) -> None:
    """Raises `ImageError` when there is not the memory to decode a photo whose samples have `stored` bytes a pixel.

    That takes up to three copies of the samples, and the result beside one of them.
    """
    if (pixels := width * height) > _SMALL:
        needed = pixels * max(3 * stored, stored + RESULT)
        require_memory(needed, f"a photo of {width} x {height} pixels", ImageError, "scale it down first")


def check_size(width: int, height: int) -> None:
    """Raises `ImageError` for more than `MAX_PIXELS`, or less than `MIN_SIDE` on a side."""
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels, {too_large()}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{width} x {height} pixels, less than the minimum of {MIN_SIDE} x {MIN_SIDE}; use a larger image"
        )


def check_content(width: int, height: int, file: BinaryIO) -> None:
    """Raises `ImageError` for a large photo in a file that is much too small for it, as only an empty picture is."""
    size = os.fstat(file.fileno()).st_size
    if width * height > max(_LARGE, size * _MOST_PER_BYTE):
        raise ImageError(f"{width} x {height} pixels in {size} bytes, which no photo has; copy or download it again")


def too_large() -> str:
    """What is wrong with a photo of too many pixels."""
    return f"more than the limit of {MAX_PIXELS // 10**6} megapixels; scale it down first"


def _conversion(sample: np.ndarray, raster: Raster) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[str, ...]]:
    """What makes sRGB of colours like the sample; those without a usable profile count as sRGB, inks as ideal ones."""
    notes = ()
    if raster.profile is not None:
        try:
            return conversion(raster.profile, sample.shape[-1], sample.dtype), ()
        except (ValueError, imagecodecs.CmsError) as error:
            why = printable(" ".join(str(error).split()))
            notes = (f"its colour profile cannot be used ({why}), so that its colours are taken for sRGB",)
    return (_of_ideal_inks if raster.inks else lambda colours: colours), notes


def _of_ideal_inks(colours: np.ndarray) -> np.ndarray:
    light = 1 - as_float(colours)
    return light[..., :3] * light[..., 3:]


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


def _as_stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Upright pixels [3, H, W] seen as they are stored with an EXIF orientation of 1 to 8, without a copy.

    To stand upright, pictures of 5 to 8 exchange rows and columns, then rows or columns flip.
    """
    rows = orientation in (3, 4, 7, 8)
    columns = orientation in (2, 3, 6, 7)
    flipped = pixels[:, :: -1 if rows else 1, :: -1 if columns else 1]
    return flipped.swapaxes(1, 2) if orientation in (5, 6, 7, 8) else flipped
