"""Colour: sRGB and linear light, tone mapping for display, colour maps."""

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


def tone_map(linear: Tensor, valid: Tensor | None = None) -> Tensor:
    """Linear light [3, H, W] of any scale as an sRGB picture in 0 to 1: the 90th percentile of brightness becomes 0.8.

    Brightness is 0.3 R + 0.59 G + 0.11 B over the `valid` pixels [1, H, W], bool; gamma is 2.2 (Hypersim's rule). An
    image darker than 1e-4 comes out black; without any valid pixel the values keep their scale.
    """
    red, green, blue = linear.unbind(-3)
    brightness = 0.3 * red + 0.59 * green + 0.11 * blue
    brightness = brightness[valid[0]] if valid is not None else brightness.flatten()
    if brightness.numel() == 0:
        scale = linear.new_ones(())
    else:
        bright = _percentile(brightness, 0.9)
        scale = torch.where(bright < 1e-4, 0.0, 0.8**2.2 / bright.clamp(min=1e-4))
    return (linear * scale).clamp(0, 1) ** (1 / 2.2)


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
    level = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1) * size
    level = np.where(np.isnan(values), size, np.minimum(level, size - 1))
    return np.take(table, level.astype(np.intp), axis=0)


def _library(values: Tensor | np.ndarray) -> Any:
    return torch if isinstance(values, Tensor) else np


def _percentile(values: Tensor, fraction: float) -> Tensor:
    """Linearly interpolated percentile of a flat tensor of any length (`torch.quantile` stops at 16 million)."""
    ordered = values.sort().values
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], position - below)
