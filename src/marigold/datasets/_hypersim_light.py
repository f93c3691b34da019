"""The light of Hypersim: its tone mapping, and which decompositions of an image the published training refuses.

Linear radiance is [H, W, 3], high dynamic range, and may hold NaN and infinity.
"""

import math

import numpy as np

_WEIGHTS = (0.3, 0.59, 0.11)
"""Of red, green and blue in brightness (CCIR 601)."""
_GAMMA = 2.2
_BRIGHT = 0.8
"""What the 90th percentile of brightness becomes on the screen."""
_DARK = 1e-4
"""An image of less brightness becomes black."""
_LEAST_PSNR = 40.0


def exposure(colour: np.ndarray, counted: np.ndarray) -> float:
    """The factor s of the tone mapping: 0.8^2.2 / (90th percentile of brightness over the counted pixels).

    `counted` is bool [H, W]; pixels that are not finite never count. Without any the factor is 1, and 0 for an image
    that is darker than 1e-4. Source: `scene_generate_images_tonemap.py` of Hypersim's repository.
    """
    brightness = _brightness(colour)
    brightness = brightness[counted & np.isfinite(brightness)]
    return _factor(brightness) if brightness.size else 1.0


def displayed(colour: np.ndarray, factor: float) -> np.ndarray:
    """What the screen shows of it, min(1, max(0, s * colour) ** (1 / 2.2)): float32 in 0 to 1; NaN is black."""
    with np.errstate(invalid="ignore", over="ignore"):
        light = factor * colour.astype(np.float32)
        np.nan_to_num(light, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        return np.clip(light, 0, 1, out=light) ** np.float32(1 / _GAMMA)


def no_surface(seen: np.ndarray) -> str:
    """What is wrong where some pixel shows no surface, `seen` bool [H, W]: a rule for all splits of the same data."""
    count = int((~seen).sum())
    return f"{count} pixels show no surface" if count else ""


def no_decomposition(colour: np.ndarray, albedo: np.ndarray, shading: np.ndarray, residual: np.ndarray) -> str:
    """What is wrong with a decomposition by the rules for `train` and `val` of the published lighting data.

    Refused are values that are not finite, albedo outside of 0 to 1, light below 0, and where albedo * shading +
    residual, both cut at the 98 % quantile of the shading, is less than 40 dB from the colour, each tone-mapped by its
    own exposure to 8 bits. Empty where nothing is wrong.
    """
    colour, albedo, shading, residual = (map_.astype(np.float64) for map_ in (colour, albedo, shading, residual))
    with np.errstate(invalid="ignore", over="ignore"):
        if not np.isfinite(albedo * shading + residual).all():
            return "albedo * shading + residual is not finite everywhere"
    if albedo.min() < 0 or albedo.max() > 1:
        return f"albedo reaches from {albedo.min():g} to {albedo.max():g}"
    for name, light in (("shading", shading), ("residual", residual)):
        if light.min() < 0:
            return f"{name} falls to {light.min():g}"
    if not math.isfinite(_factor(_brightness(colour))):
        return "the colour has no finite exposure"
    cut = np.percentile(shading, 98)
    found = _psnr(_bytes(colour), _bytes(albedo * np.minimum(shading, cut) + np.minimum(residual, cut)))
    return f"albedo * shading + residual is {found:.2f} dB from the colour" if found < _LEAST_PSNR else ""


def _brightness(colour: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        red, green, blue = (colour[..., channel].astype(np.float64) for channel in range(3))
        return _WEIGHTS[0] * red + _WEIGHTS[1] * green + _WEIGHTS[2] * blue


def _factor(brightness: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        level = float(np.percentile(brightness, 90))
    return 0.0 if level < _DARK else _BRIGHT**_GAMMA / level


def _bytes(colour: np.ndarray) -> np.ndarray:
    """Tone-mapped to whole levels as the published check has them, which cuts what is behind the point."""
    return np.floor(displayed(colour, _factor(_brightness(colour))) * 255)


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(((one - other) ** 2).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
