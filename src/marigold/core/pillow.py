"""What Pillow has decoded, as samples that keep their depth, and what it says of colours and orientation."""

import ctypes
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

import numpy as np
import PIL.Image

from marigold.core import profiles
from marigold.core.errors import ImageError
from marigold.core.raster import Raster, check_memory

_ORIENTATION = 0x0112
_EXIF, _INTEROPERABILITY = 0x8769, 0xA005
_LAB_STEPS = np.array([100 / 255, 1, 1])
_STORED = {"LAB": 18}
"""A third of the bytes a pixel that a picture takes, with what its decoder needs; 6 for every other mode."""
_LOCK = threading.Lock()
_QUIET = [0, ExitStack()]
"""How many threads want no warnings, and what gives them back."""


@contextmanager
def without_warnings() -> Iterator[None]:
    """No warnings of the libraries that decode; in several threads at a time, and theirs alone.

    What they warn of is of no use to a person: sizes that are checked here, and damaged labels.
    """
    with _LOCK:
        if _QUIET[0] == 0:
            _QUIET[1].enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.|tifffile|imagecodecs")
        _QUIET[0] += 1
    try:
        yield
    finally:
        with _LOCK:
            _QUIET[0] -= 1
            if _QUIET[0] == 0:
                _QUIET[1].close()


@cache
def silence_libtiff() -> None:
    """Keeps Pillow's own copy of libtiff from writing to the standard error what Pillow raises in any case."""
    with suppress(OSError, AttributeError):  # a copy that is built in cannot be reached
        library = ctypes.CDLL(PIL.Image.core.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


def from_pillow(image: PIL.Image.Image) -> Raster:
    """Any mode of Pillow."""
    check_memory(image.width, image.height, _STORED.get(image.mode, 6))
    profile = stated_profile(image)
    inks = image.mode == "CMYK"
    if image.mode.startswith("I;16") or image.mode == "F":
        samples = np.asarray(image)
    elif image.mode == "I":
        samples = _sixteen_bits(np.asarray(image))
    elif image.mode == "LAB":
        samples, profile = profiles.lab_to_srgb(np.asarray(image) * _LAB_STEPS - (0, 128, 128)), None
    else:
        plain = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        mode = plain + "A" if image.has_transparency_data else "CMYK" if inks else plain
        samples = np.asarray(image if image.mode == mode else image.convert(mode))
    return Raster(samples, profile, inks, label(image)[0])


def stated_profile(image: PIL.Image.Image) -> bytes | profiles.Stated | None:
    """What an image says of its colours; None means sRGB."""
    found = image.info
    if profile := found.get("icc_profile"):
        return profile
    if "srgb" in found:
        return None
    if found.keys() & {"gamma", "chromaticity"}:
        return profiles.Stated(found.get("chromaticity", profiles.BT709), found.get("gamma"))
    return profiles.ADOBE_RGB if label(image)[1] else None


def label(image: PIL.Image.Image) -> tuple[int, bool]:
    """The orientation, and whether a camera says that its colours are Adobe RGB (DCF 2.0: index R03)."""
    try:
        exif = image.getexif()
        space, index = exif.get_ifd(_EXIF).get(0xA001), exif.get_ifd(_INTEROPERABILITY).get(1)
        return exif.get(_ORIENTATION, 1), (space, index) == (0xFFFF, "R03")
    except Exception:  # a damaged label is no reason to refuse a photo whose pixels are whole
        return 1, False


def _sixteen_bits(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 65535:
        raise ImageError("32-bit integer values outside 0 to 65535; save it with 8 or 16 bits")
    return array.astype(np.uint16)
