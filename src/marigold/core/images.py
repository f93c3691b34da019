"""Reads photos as upright sRGB tensors, whatever their file holds.

JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF, JPEG 2000 and PPM; 8 and 16 bits; grey, colour, palette, CMYK, alpha. A photo is
turned as its EXIF orientation says, converted to sRGB by its colour profile or what else its file states, and laid on
white where it is transparent. Of an animation or a document of several pages the first picture counts. A file whose
header promises more than `MAX_PIXELS`, or more than there is memory for, is refused before anything is decoded.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from marigold.core import foreign
from marigold.core.console import printable
from marigold.core.decode import KNOWN, decode
from marigold.core.errors import ImageError
from marigold.core.pillow import from_pillow, without_warnings
from marigold.core.raster import MAX_PIXELS, MIN_SIDE, Photo, Raster, check_size, develop, too_large
from marigold.core.reading import open_file

_ENDINGS = "jpg jpeg jpe jfif mpo png apng webp tif tiff avif bmp dib gif jp2 j2k j2c jpc jpf jpx pbm pgm ppm pnm"
SUFFIXES = tuple(f".{ending}" for ending in _ENDINGS.split())
"""Endings of the files that count as photos in a folder."""
MOST_BYTES = 1 << 32
"""Bytes of a photo's file; 178 megapixels in 16 bits with alpha take a third of it."""

_LONGEST = 200
"""Characters of what a library says."""


def read_photo(path: str | PathLike[str]) -> Photo:
    """The photo in a file, and what to know about how it was read. Raises `ImageError`."""
    with _border("", "a path that cannot be used"):
        path = os.fsdecode(path)
        foreign.refuse_address(path)
        path = Path(path)
    with open_photo(path) as file, _border(f"{path}: ", "damaged or cut short", "copy or download it again"):
        return develop(decode(file, path))


def read_image(path: str | PathLike[str]) -> Tensor:
    """The photo in a file, upright: [3, H, W] float32 sRGB, 0 to 1. Raises `ImageError`."""
    return read_photo(path).pixels


def to_photo(image: str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo) -> Photo:
    """A photo in a file or in memory; one that has been read already is returned itself.

    Takes what `read_photo` and `to_image` take. Raises `ImageError`.
    """
    if isinstance(image, Photo):
        return image
    if isinstance(image, str | PathLike):
        return read_photo(image)
    remedy = "give a path, a PIL image, a NumPy array or a tensor in plain memory"
    with _border("", f"a {type(image).__name__} that cannot be used", remedy):
        return _of_memory(image)


def each(images: Iterable[Any]) -> list[Any]:
    """Photos in a list. Raises `ImageError` for a single one, and for what is no series."""
    if isinstance(images, str | PathLike | Photo) or not isinstance(images, Iterable):
        raise ImageError(f"{type(images).__name__}: one photo, or none, where several are taken; give a list of them")
    return list(images)


def to_image(image: Tensor | np.ndarray | PIL.Image.Image) -> Tensor:
    """A photo in memory as [3, H, W] float32 sRGB, 0 to 1.

    Takes a PIL image of any mode, a NumPy array [H, W] or [H, W, C] (uint8, uint16, or float in 0 to 1) or a tensor
    [3, H, W] or [1, H, W] (likewise); a tensor that is the result already is returned itself. Raises `ImageError`.
    """
    return to_photo(image).pixels


def open_photo(path: Path) -> BufferedReader:
    """The file of a photo, which holds something. Raises `ImageError`."""
    try:
        file = open_file(path, ImageError, "check the path and its permissions")
    except ImageError as error:
        raise ImageError(printable(error)) from error
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= MOST_BYTES:
        return file
    file.close()
    if size == 0:
        raise ImageError(printable(f"{path}: the file is empty (0 bytes); copy or download it again"))
    raise ImageError(printable(f"{path}: {size / 1e9:.1f} GB, more than a photo has; save it as PNG or JPEG first"))


@contextmanager
def _border(place: str, trouble: str, remedy: str = "give another") -> Iterator[None]:
    """Whatever goes wrong in the block is an `ImageError` on one line; decoders meet hostile bytes with all types."""
    try:
        with without_warnings():
            yield
    except Exception as error:
        raise ImageError(printable(place + _said(error, trouble, remedy))) from error


def _said(error: Exception, trouble: str, remedy: str) -> str:
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, PIL.Image.DecompressionBombError):
        return too_large()
    if isinstance(error, MemoryError):
        return "it needs more memory than there is; scale it down first"
    if isinstance(error, PIL.UnidentifiedImageError):
        return f"not an image that can be read ({KNOWN}); convert it to PNG or JPEG"
    return f"{trouble} ({' '.join(str(error).split())[:_LONGEST] or type(error).__name__}); {remedy}"


def _of_memory(image: object) -> Photo:
    if isinstance(image, PIL.Image.Image):
        check_size(image.width, image.height)
        return develop(from_pillow(image))
    if isinstance(image, np.ndarray):
        if isinstance(image, np.ma.MaskedArray):
            raise ImageError("a masked array is no photo; fill it first, as with `array.filled(0)`")
        return develop(Raster(np.asarray(image)))
    if not isinstance(image, Tensor):
        raise ImageError(f"a {type(image).__name__} is no photo; give a path, a PIL image, a NumPy array or a tensor")
    if image.is_nested or image.layout != torch.strided or image.is_quantized or image.is_meta or image.is_complex():
        raise ImageError("a nested, sparse, quantized, meta or complex tensor is no photo; give a plain one")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ImageError(f"a tensor of shape {list(image.shape)} is no photo; give [3, H, W]")
    check_size(image.shape[2], image.shape[1])
    if _is_ready(image):
        return Photo(image)
    tensor = image.detach().permute(1, 2, 0).cpu()
    return develop(Raster((tensor.float() if tensor.is_floating_point() else tensor).numpy()))


def _is_ready(image: Tensor) -> bool:
    """Whether a tensor is what `to_image` gives, found without copying it."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not image.requires_grad
    if not plain or len(image) != 3 or min(image.shape[-2:]) < MIN_SIDE or image[0].numel() > MAX_PIXELS:
        return False
    low, high = image.aminmax()
    return bool(low >= 0 and high <= 1)  # neither holds for NaN
