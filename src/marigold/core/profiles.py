"""Colours of other spaces as sRGB: ICC profiles, and the primaries and curves that files state without one.

A profile counts for what it does, never for its name. Little CMS converts, with perceptual intent.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import imagecodecs
import numpy as np

from marigold.core.colour import srgb_to_linear

WHITE = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}
"""The sample that stands for full light; 1 in every other type."""
BT709 = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""
ADOBE_RGB = imagecodecs.cms_profile("adobergb")

_SRGB = imagecodecs.cms_profile("srgb")
_SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}
_INVISIBLE = 0.5 / 255
_STRIP = 1 << 18
"""Pixels that one thread converts at a time."""
_BT2020 = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
_DISPLAY_P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_CODED_PRIMARIES = {1: BT709, 2: BT709, 9: _BT2020, 12: _DISPLAY_P3}
_CODED_GAMMAS = {1: None, 2: None, 4: 1 / 2.2, 5: 1 / 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


@dataclass(frozen=True)
class Stated:
    """Colours that a file states in numbers."""

    chromaticities: tuple[float, ...] | None = BT709
    """x and y of white, red, green and blue; None when they are unknown."""
    gamma: float | None = None
    """The samples are light to this power, as in a PNG's `gAMA`; None, and nearly 1 / 2.2, mean the curve of sRGB."""

    def profile(self) -> bytes:
        """The ICC profile of these colours. Raises `ValueError` when there is none."""
        if self.chromaticities is None or not 0.1 <= (self.gamma or 1) <= 10:
            raise ValueError("no profile has its primaries and its curve, as is so with HDR")
        if self.gamma is None or abs(2.2 * self.gamma - 1) < 0.05:
            curve = {"transferfunction": srgb_to_linear(np.linspace(0, 1, 4096, dtype=np.float32))}
        else:
            curve = {"gamma": 1 / self.gamma}
        white, primaries = self.chromaticities[:2], self.chromaticities[2:]
        return imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, **curve)


def coded(primaries: int, transfer: int) -> Stated:
    """What the code points of ITU-T H.273 state, which PNG's `cICP` and AVIF hold."""
    return Stated(_CODED_PRIMARIES.get(primaries), _CODED_GAMMAS.get(transfer, math.nan))


def to_srgb(colours: np.ndarray, profile: bytes | Stated) -> np.ndarray:
    """Colours [H, W, C] of a profile, grey, RGB or CMYK (full ink as white), as sRGB: [H, W, 3] uint16 or float32.

    RGB and grey come back as they are when the profile changes nothing that can be seen. Raises `ValueError` or
    `imagecodecs.CmsError` for a profile that cannot be used for them.
    """
    icc = profile.profile() if isinstance(profile, Stated) else profile
    space, channels = _SPACES.get(icc[16:20], ("unknown colours", 0))
    given = colours.shape[-1]
    if given != channels and (given, channels) != (1, 3):
        raise ValueError(f"it is for {space}, not for {given} channels")
    if given == 1:
        return _grey_to_srgb(colours, icc, space)
    if given == 3 and _changes_nothing(_grid(), icc, space):
        return colours
    if given == 4 and colours.dtype == np.float32:
        colours = np.rint(colours * 65535).astype(np.uint16)
    result = np.empty((*colours.shape[:2], 3), np.uint16 if colours.dtype == np.uint8 else np.float32)
    rows = max(1, _STRIP // colours.shape[1])
    strips = [slice(start, start + rows) for start in range(0, len(colours), rows)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(lambda strip: _convert(colours[strip], icc, space, result[strip]), strips))
    return result


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of white D50, [H, W, 3] with L* in 0 to 100, as sRGB, float32."""
    result = np.empty(lab.shape, np.float32)
    return _convert(lab.astype(np.float32), imagecodecs.cms_profile("lab4"), "lab", result)


def _grey_to_srgb(grey: np.ndarray, icc: bytes, space: str) -> np.ndarray:
    """By a table with an entry for each level, where levels can be counted."""
    white = WHITE.get(grey.dtype)
    levels = grey[..., 0] if white is None else np.arange(int(white) + 1, dtype=np.float32)[None] / white
    if _changes_nothing(np.linspace(0, 1, 256, dtype=np.float32)[None], icc, space):
        return grey
    table = _converted(levels, icc, space)
    return table if white is None else table[0][grey[..., 0]]


def _changes_nothing(colours: np.ndarray, icc: bytes, space: str) -> bool:
    """Whether float colours [H, W] or [H, W, 3] stay as they are, to less than half a step of 8 bits."""
    there = colours if colours.ndim == 3 else colours[..., None]
    return bool(np.abs(_converted(colours, icc, space) - there).max() < _INVISIBLE)


def _grid() -> np.ndarray:
    """Colours of the whole cube, most of them dark, where curves differ most: [1, N, 3]."""
    levels = np.linspace(0, 1, 17, dtype=np.float32) ** 2
    return np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)


def _converted(colours: np.ndarray, icc: bytes, space: str) -> np.ndarray:
    """Float colours, grey [H, W] or RGB [H, W, 3], as sRGB [H, W, 3]."""
    if colours.ndim == 2 and space == "rgb":
        colours = np.repeat(colours[..., None], 3, axis=-1)
    return _convert(colours, icc, space, np.empty((*colours.shape[:2], 3), np.float32))


def _convert(colours: np.ndarray, icc: bytes, space: str, result: np.ndarray) -> np.ndarray:
    imagecodecs.cms_transform(colours, icc, _SRGB, colorspace=space, outcolorspace="rgb", out=result)
    return np.clip(result, 0, 1, out=result) if result.dtype == np.float32 else result
