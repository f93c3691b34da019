"""Photos with more than 8 bits per channel, which Pillow alone would cut to 8.

A 16-bit PNG is decoded twice: Pillow can keep the high or the low byte of every sample. A TIFF is read by tifffile;
when that lacks the codec (LZW, for one), Pillow decodes it twice as well.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageFile

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_GREY = (0, 3)
"""PNG colour types whose samples Pillow keeps whole: 16-bit grey, and the palette, which has 8 bits at most."""
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274
_WHITE_IS_ZERO, _CMYK = 0, 5
_OTHER_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B"}
"""The raw mode that keeps the low byte, for each that keeps the high byte (N is the order of this machine)."""


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF promises about its first page."""

    width: int
    height: int
    deep: bool


def is_deep_png(file: BinaryIO) -> bool:
    """Whether a file is a PNG with 16-bit colour or alpha."""
    file.seek(0)
    head = file.read(26)
    return head.startswith(_PNG_START) and head[24] == 16 and head[25] not in _PNG_GREY


def read_png(file: BinaryIO) -> np.ndarray:
    """A PNG with 16-bit colour or alpha: [H, W, C] uint16, C = 2 (grey and alpha), 3 or 4."""
    image = _open(file)
    if image.mode == "RGBA" and image.tile[0].args == "LA;16B":
        image.tile = [image.tile[0]._replace(args="RGBA")]  # four bytes a pixel, as they lie in the file
        high_low = np.asarray(image).astype(np.uint16)
        return high_low[..., 0::2] * 256 + high_low[..., 1::2]
    return _read_twice(file)


def tiff_header(file: BinaryIO) -> TiffHeader | None:
    """The size and depth of a TIFF's first page; None when the file is no TIFF."""
    file.seek(0)
    if file.read(4) not in _TIFF_STARTS:
        return None
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        return TiffHeader(page.imagewidth, page.imagelength, page.dtype is not None and page.dtype.itemsize > 1)


def read_tiff(file: BinaryIO) -> tuple[np.ndarray, int]:
    """The first page of a TIFF, [H, W, C] uint16 or float, and its EXIF orientation (1 when already upright)."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        try:
            array = page.asarray()
        except (ValueError, KeyError, ImportError):
            return _read_twice(file), 1  # Pillow turns a TIFF upright itself
        orientation = page.tags.valueof(_ORIENTATION, 1)
        channels_first = page.axes.startswith("S")
        photometric = page.photometric
    array = np.moveaxis(array, 0, -1) if channels_first else array
    array = array if array.ndim == 3 else array[..., None]
    return _additive(array, photometric), orientation


def _additive(array: np.ndarray, photometric: int) -> np.ndarray:
    """Samples where more means brighter."""
    if array.dtype.kind != "u" or photometric not in (_WHITE_IS_ZERO, _CMYK):
        return array
    inverted = np.iinfo(array.dtype).max - array
    if photometric == _WHITE_IS_ZERO:
        return inverted
    light = inverted.astype(np.float32) / np.iinfo(array.dtype).max
    return light[..., :3] * light[..., 3:4]


def _read_twice(file: BinaryIO) -> np.ndarray:
    high, low = _open(file), _open(file)
    if high.mode.startswith("I;16"):
        return np.asarray(high)[..., None]
    (tile,) = low.tile
    raw_mode, *others = [tile.args] if isinstance(tile.args, str) else list(tile.args or [""])
    low_mode = raw_mode[:-4] + _OTHER_BYTE[raw_mode[-4:]]
    low.tile = [tile._replace(args=(low_mode, *others) if others else low_mode)]
    return np.asarray(high).astype(np.uint16) * 256 + np.asarray(low)


def _open(file: BinaryIO) -> PIL.ImageFile.ImageFile:
    """A picture of its own on the same bytes."""
    file.seek(0)
    return PIL.Image.open(io.BytesIO(file.read()), formats=("PNG", "TIFF"))
