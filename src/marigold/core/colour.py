"""Colour: sRGB and linear light, colour maps."""

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from marigold.core.errors import UnknownNameError
from marigold.core.find import unknown

Values = TypeVar("Values", Tensor, np.ndarray)

NEUTRAL_GREY = 128
"""What a colour map paints where there is no value."""


def srgb_to_linear(srgb: Values) -> Values:
    """Linear light for sRGB values in 0 to 1, of any shape (IEC 61966-2-1)."""
    library = _library(srgb)
    curve = ((library.clip(srgb, 0.04045, None) + 0.055) / 1.055) ** 2.4
    return library.where(srgb <= 0.04045, srgb / 12.92, curve)


def linear_to_srgb(linear: Values) -> Values:
    """SRGB values for linear light in 0 to 1, of any shape (IEC 61966-2-1); nothing is clipped."""
    library = _library(linear)
    curve = 1.055 * library.clip(linear, 0.0031308, None) ** (1 / 2.4) - 0.055
    return library.where(linear <= 0.0031308, linear * 12.92, curve)


def luminance(linear: Tensor) -> Tensor:
    """Relative luminance [..., 1, H, W] of linear light [..., 3, H, W] (Rec. 709 weights)."""
    red, green, blue = linear.unbind(-3)
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue).unsqueeze(-3)


def colormap(values: np.ndarray, name: str = "Spectral") -> np.ndarray:
    """A picture [H, W, 3], uint8, of values [H, W] in 0 to 1 by matplotlib's colour map `name`; NaN becomes grey.

    Values beyond the range take its ends. Raises `UnknownNameError` when there is no such colour map.
    """
    from matplotlib import colormaps

    if name not in colormaps:
        raise UnknownNameError(unknown("colour map", name, list(colormaps)))
    size = colormaps[name].N
    grey = np.full((1, 3), NEUTRAL_GREY, np.uint8)
    table = np.concatenate([np.rint(colormaps[name](np.arange(size))[:, :3] * 255).astype(np.uint8), grey])
    level = np.minimum(np.clip(values, 0, 1) * size, size - 1)
    level[np.isnan(values)] = size
    return np.take(table, level.astype(np.intp), axis=0)


def _library(values: Tensor | np.ndarray) -> Any:
    return torch if isinstance(values, Tensor) else np
