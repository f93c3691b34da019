"""TIFF: which of a file's pictures is the photo, and its samples (TIFF 6.0 and its supplements)."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tifffile

from marigold.core.errors import ImageError
from marigold.core.profiles import lab_to_srgb
from marigold.core.raster import Raster, as_float, in_bits

_WHITE_IS_ZERO, _PALETTE, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 3, 5, 6, 8, 9
_SENSOR = (32803, 34892)
_DNG_VERSION, _CFA_PATTERN = 50706, 33421
_FAX_AND_JPEG = (2, 3, 4, 6, 7)
_REDUCED_OR_MASK = 0b101
_PREMULTIPLIED, _STRAIGHT = 1, 2
_ORIENTATION, _MAX_SAMPLE, _PROFILE = 274, 281, 34675


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
