"""The camera: turns the linear light of a rendered scene into a photograph with a photograph's flaws."""

import numpy as np
from torch import Tensor

from marigold.core.colour import linear_to_srgb
from marigold_scenes import camera_effects, jpeg, optics
from marigold_scenes.random_stream import RandomStream

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


def sample(generator: np.random.Generator) -> np.ndarray:
    """Settings [WIDTH], float32, of a random camera, lens and development."""
    rng = RandomStream.of_generator(generator)
    noisy = rng.weighted([(5, 0.0), (4, rng.log_uniform(0.02, 0.2)), (1, rng.log_uniform(0.2, 1.2))])
    settings = {
        KEY: rng.uniform(0.12, 0.24),
        HIGHLIGHTS: rng.uniform(0.2, 0.8),
        STOPS: max(min(float(generator.normal(-0.25, 0.65)), 1.0), -2.2),
        BALANCE: rng.uniform(0.1, 0.9),
        CAST_RED: float(generator.normal(0.0, 0.05)),
        CAST_BLUE: float(generator.normal(0.0, 0.05)),
        APERTURE: rng.log_uniform(0.002, 0.04) if rng.chance(0.45) else 0.0,
        FOCUS: rng.uniform(0.05, 0.7),
        BLUR: rng.log_uniform(0.4, 0.55) if rng.chance(0.8) else rng.log_uniform(0.55, 1.3),
        FRINGE: rng.uniform(-0.002, 0.002) if rng.chance(0.4) else 0.0,
        BLOOM: rng.uniform(0.01, 0.12) if rng.chance(0.5) else 0.0,
        VIGNETTE: rng.uniform(0.0, 0.5) if rng.chance(0.5) else 0.0,
        SHOT: 0.004 * noisy,
        READ: 0.012 * noisy,
        GRAIN: rng.uniform(0.0, 0.7),
        WHITE: rng.log_uniform(1.0, 4.0),
        CONTRAST: rng.uniform(-0.15, 0.85),
        LEVELS: rng.uniform(0.0, 1.0),
        BLACK: rng.uniform(-0.03, 0.04),
        SATURATION: 0.0 if rng.chance(0.025) else rng.uniform(0.85, 1.75),
        SHARPEN: rng.uniform(0.1, 1.0) if rng.chance(0.75) else 0.0,
        QUALITY: rng.weighted([(6, rng.uniform(70, 98)), (2, rng.uniform(35, 70)), (3, 101.0)]),
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
    light = camera_effects.expose(linear, s[KEY], s[HIGHLIGHTS], s[STOPS])
    light = camera_effects.balance(light, s[BALANCE], s[CAST_RED], s[CAST_BLUE])
    light = optics.defocus(light, depth, s[APERTURE], s[FOCUS])
    light = optics.bloom(light, s[BLOOM])
    light = optics.lens(light, s[BLUR], s[FRINGE], s[VIGNETTE])
    light = camera_effects.sensor(light, seed, s[SHOT], s[READ], s[GRAIN])
    encoded = linear_to_srgb(camera_effects.shoulder(light, s[WHITE]))
    encoded = camera_effects.develop(encoded, s[CONTRAST], s[LEVELS], s[BLACK], s[SATURATION])
    encoded = optics.sharpen(encoded, s[SHARPEN]).clamp(0, 1)
    return jpeg.compress(encoded, s[QUALITY])
