"""The numbers in a map's file, whatever its format, as they are stored."""

from collections.abc import Callable, Sequence

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.datasets import _decode

Choose = Callable[[set[str]], Sequence[str]]
"""Of the names of an OpenEXR file's channels, those to read."""


def stored(content: bytes, where: str, choose: Choose) -> np.ndarray:
    """Numbers [H, W] or [H, W, C]; `where` ends as the file's name does. Raises `DataError`."""
    if not content:
        raise DataError(f"{where}: the file is empty (0 bytes); copy it again, or leave the sample out")
    ending = ending_of(where)
    if ending == ".exr":
        return _channels(_decode.exr_channels(content, where), where, choose)
    found = _READERS[ending](content, where)
    if found.dtype.kind not in "buif" or found.ndim not in (2, 3):
        remedy = "save whole numbers or floats [H, W] or [H, W, C]"
        raise DataError(f"{where}: holds {found.dtype} {list(found.shape)}, which is no map; {remedy}")
    return found


def _channels(found: dict[str, np.ndarray], where: str, choose: Choose) -> np.ndarray:
    """Those of an OpenEXR file's channels that are chosen, [H, W, C]."""
    names = choose({*found})
    if missing := [name for name in names if name not in found]:
        there, wanted = printable(", ".join(sorted(found))), printable(", ".join(missing))
        raise DataError(f"{where}: has no channel {wanted}, only {there}; choose among these, or give them that name")
    return np.stack([found[name] for name in names], axis=-1)


def ending_of(name: str) -> str:
    """What follows a name's last dot, in small letters, with the dot."""
    return name[max(name.rfind("."), 0) :].lower()


def _picture(content: bytes, where: str) -> np.ndarray:
    """The 8 bits of a JPEG or WebP, [H, W, 3]."""
    return (_decode.photo(content, where) * 255).round().byte().permute(1, 2, 0).numpy()


_READERS: dict[str, Callable[[bytes, str], np.ndarray]] = {
    ".png": _decode.integers,
    ".npy": _decode.npy,
    ".tif": _decode.tiff,
    ".tiff": _decode.tiff,
    ".pfm": _decode.pfm,
    ".jpg": _picture,
    ".jpeg": _picture,
    ".webp": _picture,
}
LOSSY = (".jpg", ".jpeg", ".webp")
EXACT = (".exr", *(ending for ending in _READERS if ending not in LOSSY))
"""Endings of files that keep every number."""
