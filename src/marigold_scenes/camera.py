"""The camera: turns the linear light of a rendered scene into a photograph with a photograph's flaws."""

import numpy as np
from torch import Tensor

from marigold.core.colour import linear_to_srgb
from marigold_scenes import darkroom, jpeg, optics
from marigold_scenes.palette import Dice

# Exposure: target brightness, weight of highlights in metering, error in stops; white balance: correction and cast.
KEY, HIGHLIGHTS, STOPS, BALANCE, CAST_RED, CAST_BLUE = 0, 1, 2, 3, 4, 5
# Lens: aperture (m), focus (fraction of the depths), blur (px), colour fringes, bloom, vignetting.
APERTURE, FOCUS, BLUR, FRINGE, BLOOM, VIGNETTE = 6, 7, 8, 9, 10, 11
# Sensor: variance per unit of light, deviation in the dark, grain size.
SHOT, READ, GRAIN = 12, 13, 14
# Development: white point of the shoulder, contrast, stretch to the full range, black level, saturation, sharpening;
# JPEG quality, above 100 is off.
WHITE, CONTRAST, LEVELS, BLACK, SATURATION, SHARPEN, QUALITY = 15, 16, 17, 18, 19, 20, 21

WIDTH = 22
"""Numbers in a row of settings."""


def sample(rng: np.random.Generator) -> np.ndarray:
    """Settings [WIDTH], float32, of a random camera, lens and development."""
    dice = Dice(rng)
    noisy = dice.weighted([(5, 0.0), (4, dice.scale(0.02, 0.2)), (1, dice.scale(0.2, 1.2))])
    settings = {
        KEY: dice.between(0.12, 0.24),
        HIGHLIGHTS: dice.between(0.2, 0.8),
        STOPS: max(min(float(rng.normal(-0.25, 0.65)), 1.0), -2.2),
        BALANCE: dice.between(0.1, 0.9),
        CAST_RED: float(rng.normal(0.0, 0.05)),
        CAST_BLUE: float(rng.normal(0.0, 0.05)),
        APERTURE: dice.scale(0.002, 0.04) if dice.chance(0.45) else 0.0,
        FOCUS: dice.between(0.05, 0.7),
        BLUR: dice.scale(0.4, 0.55) if dice.chance(0.8) else dice.scale(0.55, 1.3),
        FRINGE: dice.between(-0.002, 0.002) if dice.chance(0.4) else 0.0,
        BLOOM: dice.between(0.01, 0.12) if dice.chance(0.5) else 0.0,
        VIGNETTE: dice.between(0.0, 0.5) if dice.chance(0.5) else 0.0,
        SHOT: 0.004 * noisy,
        READ: 0.012 * noisy,
        GRAIN: dice.between(0.0, 0.7),
        WHITE: dice.scale(1.0, 4.0),
        CONTRAST: dice.between(-0.15, 0.85),
        LEVELS: dice.between(0.0, 1.0),
        BLACK: dice.between(-0.03, 0.04),
        SATURATION: 0.0 if dice.chance(0.025) else dice.between(0.85, 1.75),
        SHARPEN: dice.between(0.1, 1.0) if dice.chance(0.75) else 0.0,
        QUALITY: dice.weighted([(6, dice.between(70, 98)), (2, dice.between(35, 70)), (3, 101.0)]),
    }
    row = np.zeros(WIDTH, dtype=np.float32)
    row[list(settings)] = list(settings.values())
    return row


def photograph(linear: Tensor, depth: Tensor, settings: Tensor, seed: Tensor) -> Tensor:
    """A photograph [B, 3, H, W] in sRGB, 0 to 1.

    `linear` [B, 3, H, W] scene radiance of any scale; `depth` [B, 1, H, W] in metres; `settings` [B, WIDTH] from
    `sample`; `seed` [B] int64 for the sensor's noise. Each image depends on its own arguments alone.
    """
    s = settings.T.reshape(WIDTH, -1, 1, 1, 1)
    light = darkroom.expose(linear, s[KEY], s[HIGHLIGHTS], s[STOPS])
    light = darkroom.balance(light, s[BALANCE], s[CAST_RED], s[CAST_BLUE])
    light = optics.defocus(light, depth, s[APERTURE], s[FOCUS])
    light = optics.bloom(light, s[BLOOM])
    light = optics.lens(light, s[BLUR], s[FRINGE], s[VIGNETTE])
    light = darkroom.sensor(light, seed, s[SHOT], s[READ], s[GRAIN])
    encoded = linear_to_srgb(darkroom.shoulder(light, s[WHITE]))
    encoded = darkroom.develop(encoded, s[CONTRAST], s[LEVELS], s[BLACK], s[SATURATION])
    encoded = optics.sharpen(encoded, s[SHARPEN]).clamp(0, 1)
    return jpeg.compress(encoded, s[QUALITY])
