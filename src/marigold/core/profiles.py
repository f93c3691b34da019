"""Colours of other spaces as sRGB: ICC profiles, and the primaries and curves that files state without one.

A profile counts for what it does, never for its name. Little CMS converts, with perceptual intent.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from marigold.core.colour import srgb_to_linear

WHITE = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}
"""The sample that stands for full light; 1 in every other type."""
BT709 = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""x and y of white, red, green and blue."""
MOST_OF_PROFILE = 64 << 20
"""Bytes of a profile; the tables of a large one take some MB."""
ADOBE_RGB = imagecodecs.cms_profile("adobergb")

_SRGB = imagecodecs.cms_profile("srgb")
_SPACES = {b"GRAY": ("gray", 1), b"RGB ": ("rgb", 3), b"CMYK": ("cmyk", 4)}
_DARK_LEVELS = np.linspace(0, 1, 17, dtype=np.float32) ** 2
_GRID = np.stack(np.meshgrid(*[_DARK_LEVELS] * 3), -1).reshape(1, -1, 3)
"""Colours of the whole cube, most of them dark, where curves differ most."""
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
        if self.chromaticities is None or not 0.1 <= (1 if self.gamma is None else self.gamma) <= 10:
            raise ValueError("no profile has its primaries and its curve, as is so with HDR")
        if self.gamma is None or abs(2.2 * self.gamma - 1) < 0.05:
            curve: dict[str, Any] = {"transferfunction": srgb_to_linear(np.linspace(0, 1, 4096, dtype=np.float32))}
        else:
            curve = {"gamma": 1 / self.gamma}
        white, primaries = self.chromaticities[:2], self.chromaticities[2:]
        return imagecodecs.cms_profile("rgb", whitepoint=white, primaries=primaries, **curve)


def coded(primaries: int, transfer: int) -> Stated:
    """What the code points of ITU-T H.273 state, which PNG's `cICP` and AVIF hold."""
    return Stated(_CODED_PRIMARIES.get(primaries), _CODED_GAMMAS.get(transfer, math.nan))


def conversion(profile: bytes | Stated, given: int, kind: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """What turns colours [H, W, C] of a profile, grey, RGB or CMYK (full ink as white), into sRGB.

    `given` and `kind` are the channels and the type of what it will be called with: uint8, uint16 or float32. It
    returns [H, W, 3] uint16 or float32; RGB and grey come back as they are when the profile changes nothing that can be
    seen. Raises `ValueError` or `imagecodecs.CmsError` for a profile that cannot be used for them.
    """
    icc = profile.profile() if isinstance(profile, Stated) else profile
    if len(icc) > MOST_OF_PROFILE:
        raise ValueError(f"it has {len(icc) >> 20} MB, more than {MOST_OF_PROFILE >> 20}")
    space, channels = _SPACES.get(icc[16:20], ("unknown colours", 0))
    if given != channels and (given, channels) != (1, 3):
        raise ValueError(f"it is for {space}, not for {given} channels")
    if given == 1:
        return _by_level(icc, space, channels, np.dtype(np.uint16) if kind == np.float32 else kind)
    grid = _GRID if given == 3 else np.zeros((1, 1, 4), np.uint8)
    shown = _convert(grid, icc, space)
    if given == 3 and _are_alike(shown, _GRID):
        return lambda colours: colours

    def convert(colours: np.ndarray) -> np.ndarray:
        colours = _in_levels(colours) if given == 4 else colours
        result = np.empty((*colours.shape[:2], 3), np.uint16 if colours.dtype == np.uint8 else np.float32)
        return _convert(colours, icc, space, result)

    return convert


def _by_level(icc: bytes, space: str, channels: int, kind: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """Grey by a table with an entry for each level."""
    levels = np.linspace(0, 1, int(WHITE[kind]) + 1, dtype=np.float32)[:, None]
    table = _convert(np.repeat(levels, 3, axis=1)[None] if channels == 3 else levels.T, icc, space)[0]
    alike = _are_alike(table, levels)
    return lambda colours: _in_levels(colours) if alike else table[_in_levels(colours)[..., 0]]


def _in_levels(colours: np.ndarray) -> np.ndarray:
    return np.rint(colours * 65535).astype(np.uint16) if colours.dtype == np.float32 else colours


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of white D50, [H, W, 3] with L* in 0 to 100, as sRGB, float32."""
    return _convert(lab.astype(np.float32), imagecodecs.cms_profile("lab4"), "lab")


def _convert(colours: np.ndarray, icc: bytes, space: str, result: Any = None) -> np.ndarray:
    """Grey [H, W] or other colours [H, W, C] as sRGB [H, W, 3], float32 unless there is another result to fill."""
    result = np.empty((*colours.shape[:2], 3), np.float32) if result is None else result
    imagecodecs.cms_transform(colours, icc, _SRGB, colorspace=space, outcolorspace="rgb", out=result)
    return np.clip(result, 0, 1, out=result) if result.dtype == np.float32 else result


def _are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether colours differ by less than half a step of 8 bits."""
    return bool(np.abs(one - other).max() < 0.5 / 255)
