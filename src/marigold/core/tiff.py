"""TIFF: which of a file's pictures is the photo, and its samples (TIFF 6.0 and its supplements)."""

import io
import logging
import math
import os
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import PIL.Image
import tifffile

from marigold.core.directories import MOST_PARTS
from marigold.core.errors import ImageError
from marigold.core.headers import check_scans
from marigold.core.profiles import lab_to_srgb
from marigold.core.raster import MAX_PIXELS, Raster, as_float, check_memory, in_bits, too_large

MOST_CHANNELS = 16

_WHITE_IS_ZERO, _PALETTE, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 3, 5, 6, 8, 9
_SENSOR = (32803, 34892)
_DNG_VERSION, _CFA_PATTERN = 50706, 33421
_FAX_AND_JPEG = (2, 3, 4, 6, 7)
_REDUCED_OR_MASK = 0b101
_PREMULTIPLIED, _STRAIGHT = 1, 2
_ORIENTATION, _MAX_SAMPLE, _SAMPLE_FORMAT, _PROFILE = 274, 281, 339, 34675
_SIGNED_OR_COMPLEX = (2, 5, 6)
_PLAIN = (1, 2, 3, 4, 5, 8, 32771, 32773, 32946, 34925, 34926, 50000)
"""Compressions of which no more is unpacked than a part has: none, fax, LZW, Deflate, PackBits, LZMA, Zstandard."""
_PICTURES = (6, 7, 33003, 33004, 33005, 33007, 34712, 34892, 34927, 34933, 34934, 50001)
"""Compressions whose parts are pictures of their own: JPEG, JPEG 2000, WebP and PNG."""
_MOST_STORED = 8
"""Bytes a pixel of the largest picture: 16 bits with alpha."""
_AS_FLOATS = 18
"""A third of the bytes a pixel that it takes to undo alpha, or to convert L*a*b*."""
_LARGE_PART = 1 << 22
"""Pixels of a tile that may be larger than a small picture."""
_SLACK = 1 << 12
"""Bytes that a part may take beyond twice its samples."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())


def opened(file: BinaryIO) -> tifffile.TiffFile:
    """The file without the special rules for those of microscopes and slide scanners, which follow other numbers."""
    return tifffile.TiffFile(file, name="photo", is_ndpi=False, is_lsm=False, is_scanimage=False, _multifile=False)


def full_picture(tiff: tifffile.TiffFile) -> tuple[tifffile.TiffPage, tuple[str, ...]]:
    """The first picture of full resolution, in the pages or below them, and a note if there are more.

    A picture at most half as high and as wide as another, or a smaller one of its shape, counts as its thumbnail,
    whether it is marked as that or not. Raises `ImageError` for the raw data of a camera, and without any picture.
    """
    pages = list(_all_pages(tiff.pages))
    if not pages:
        raise ImageError("a TIFF without a picture; save it again")
    if any(page.photometric in _SENSOR or _DNG_VERSION in page.tags or _CFA_PATTERN in page.tags for page in pages):
        raise ImageError("raw data of a camera's sensor; develop it with a raw converter and give the TIFF or JPEG")
    whole = [page for page in pages if not page.subfiletype & _REDUCED_OR_MASK] or pages
    largest = max(whole, key=lambda page: page.imagewidth * page.imagelength)
    whole = [page for page in whole if not _is_thumbnail(page, largest)]
    more = "the file holds several pictures, of which the first is taken; save another as a file of its own"
    return whole[0], (more,) if len(whole) > 1 else ()


def _is_thumbnail(page: tifffile.TiffPage, of: tifffile.TiffPage) -> bool:
    """Whether a page is a smaller copy of the largest one, as far as sizes tell."""
    (width, height), (full_width, full_height) = ((one.imagewidth, one.imagelength) for one in (page, of))
    if width >= full_width or height >= full_height:
        return False
    # Sides in the same ratio, to within a pixel of rounding.
    alike = abs(width * full_height - height * full_width) <= max(full_width, full_height)
    return alike or (2 * width <= full_width and 2 * height <= full_height)


def is_for_pillow(page: tifffile.TiffPage) -> bool:
    """Whether Pillow decodes a page better: JPEG, fax, and colour differences, 8 bits, not below another page."""
    coded = page.compression in _FAX_AND_JPEG or page.photometric == _YCBCR
    return coded and len(page.treeindex) == 1 and page.bitspersample <= 8


def check(page: tifffile.TiffPage) -> None:
    """Raises `ImageError` for a page that states more than a photo has, or what is not read; cuts what is too long."""
    formats = np.atleast_1d(page.tags.valueof(_SAMPLE_FORMAT, 1))
    if np.isin(formats, _SIGNED_OR_COMPLEX).any():
        raise ImageError("signed or complex samples; save it with unsigned 8 or 16 bits")
    bits = int(np.max(page.bitspersample))
    if page.samplesperpixel > MOST_CHANNELS or page.imagedepth != 1 or bits > 64:
        stated = f"{page.samplesperpixel} channels of {bits} bits, {page.imagedepth} deep"
        raise ImageError(f"{stated}, are no photo; save the channels that are red, green and blue as RGB")
    pixels, stored = page.imagewidth * page.imagelength, page.samplesperpixel * math.ceil(bits / 8)
    if pixels * stored > MAX_PIXELS * _MOST_STORED:
        raise ImageError(f"{stored} bytes a pixel and {too_large()}")
    in_floats = page.samplesperpixel in (2, 4) or page.photometric in (_WHITE_IS_ZERO, _CIELAB, _ICCLAB)
    check_memory(page.imagewidth, page.imagelength, max(stored, _AS_FLOATS) if in_floats else stored)
    part = _pixels_of_part(page)
    if part > max(pixels, _LARGE_PART):
        raise ImageError(f"tiles of {part} pixels, more than the picture has; save it again")
    if (parts := math.prod(page.chunked)) > MOST_PARTS:
        raise ImageError(f"{parts} strips or tiles, more than {MOST_PARTS}; save it again")
    size = os.fstat(page.parent.filehandle._fh.fileno()).st_size  # type: ignore[union-attr]
    most = 2 * part * stored + _SLACK
    counts = zip(page.dataoffsets, page.databytecounts, strict=False)
    page.databytecounts = tuple(max(0, min(count, most, size - place)) for place, count in counts)
    if page.compression not in _PLAIN:
        _check_pictures_within(page, part)


def _pixels_of_part(page: tifffile.TiffPage) -> int:
    if page.is_tiled:
        return page.tilewidth * page.tilelength * page.tiledepth
    return page.imagewidth * page.rowsperstrip


def _check_pictures_within(page: tifffile.TiffPage, most: int) -> None:
    """Raises `ImageError` where a strip or tile is a picture that is larger than the part, or cannot be told."""
    if page.compression not in _PICTURES:
        name = getattr(page.compression, "name", page.compression)
        raise ImageError(f"its compression {name} is not read here; save it with LZW or Deflate")
    file = page.parent.filehandle
    for place, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        file.seek(place)
        content = io.BytesIO(file.read(count))
        if content.getbuffer()[:3] == b"\xff\xd8\xff":
            check_scans(content)
            content.seek(0)
        if count:
            with PIL.Image.open(content, formats=("JPEG", "JPEG2000", "WEBP", "PNG")) as picture:
                if picture.width * picture.height > most:
                    raise ImageError(f"a tile of {most} pixels holds {picture.width} x {picture.height}; save it again")


def raster(page: tifffile.TiffPage) -> Raster:
    """The samples of a page. Raises `ImageError` for those of no photo, `ValueError` where some are missing."""
    if len(page.dataoffsets) < (parts := math.prod(page.chunked)):
        raise ValueError(f"{len(page.dataoffsets)} of {parts} strips or tiles")
    samples = page.asarray()
    if samples.dtype.kind in "ic":
        raise ImageError(f"signed or complex samples ({samples.dtype}); save it with unsigned 8 or 16 bits")
    samples = np.moveaxis(samples, 0, -1) if page.axes.startswith("S") else samples
    samples = samples[..., None] if samples.ndim == 2 else samples
    colours, alpha = _parted(samples, page)
    if page.photometric == _PALETTE and page.colormap is not None:
        # The table [3, N] has 16 bits, of which the high ones count, as everywhere.
        colours = np.moveaxis(page.colormap[:, colours[..., 0]] >> 8, 0, -1).astype(np.uint8)
    elif page.photometric in (_CIELAB, _ICCLAB):
        colours = lab_to_srgb(_lab(colours, page.photometric == _CIELAB))
    else:
        colours, alpha = _of_stated_range(colours, page), alpha if alpha is None else _of_stated_range(alpha, page)
        if page.photometric == _WHITE_IS_ZERO:
            colours = 1 - as_float(colours)
    if alpha is not None:
        colours, alpha = as_float(colours), as_float(alpha)
        if _PREMULTIPLIED in page.extrasamples:
            colours = np.minimum(colours / np.maximum(alpha, 1e-6), 1)
        colours = np.concatenate([colours, alpha], axis=-1)
    profile = None if page.photometric in (_CIELAB, _ICCLAB) else _tag(page, _PROFILE)
    return Raster(colours, profile, page.photometric == _CMYK, _tag(page, _ORIENTATION) or 1)


def _tag(page: tifffile.TiffPage, code: int) -> Any:
    """What a page says, or else the page above it; None when neither says anything."""
    above = page.parent.pages[page.treeindex[0]].aspage()
    return page.tags.valueof(code, above.tags.valueof(code))


def _all_pages(pages: Iterable[tifffile.TiffPage | tifffile.TiffFrame]) -> Iterator[tifffile.TiffPage]:
    for any_page in pages:
        yield (page := any_page.aspage())
        yield from _all_pages(page.pages or ())


def _parted(samples: np.ndarray, page: tifffile.TiffPage) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours and alpha [H, W, 1], or None; extra channels of other or unknown meaning are left out."""
    count, extra = samples.shape[-1], page.extrasamples
    colours = {_CMYK: 4, _PALETTE: 1}.get(page.photometric, 1 if count < 3 and page.photometric <= 1 else 3)
    if page.photometric <= 1 and count > 4:
        raise ImageError(f"{count} channels of unknown meaning; save the three that are red, green and blue as RGB")
    extra = extra or (_STRAIGHT,) * (count > colours)
    found = [place for place, kind in enumerate(extra, count - len(extra)) if kind in (_PREMULTIPLIED, _STRAIGHT)]
    return samples[..., :colours], samples[..., found[0], None] if found else None


def _of_stated_range(samples: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Scaled by the bits of a sample, or by a largest sample that is one of fewer bits."""
    if samples.dtype.kind not in "ub" or samples.dtype.itemsize > 2:
        return samples
    stated = int(np.max(page.tags.valueof(_MAX_SAMPLE, 0)))
    if page.bitspersample == 16 and stated >= samples.max() and stated in (1023, 4095, 16383):
        return in_bits(samples, stated.bit_length())
    return in_bits(samples, page.bitspersample)


def _lab(samples: np.ndarray, signed: bool) -> np.ndarray:
    """L*, a* and b* of integers: a and b signed (CIELAB), or from 128 steps below zero on (ICCLAB)."""
    deep = samples.dtype.itemsize > 1
    step = 256 if deep else 1
    full = 65535 if deep and signed else 255 * step
    ab = samples[..., 1:].view(samples.dtype.str.replace("u", "i")) / step if signed else samples[..., 1:] / step - 128
    return np.concatenate([samples[..., :1] * (100 / full), ab], axis=-1)
