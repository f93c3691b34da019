"""The members of an ensemble: each from its own noise, all from one encoding of the photo."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from marigold.accel.plan import Plan
from marigold.compat.base import Rules
from marigold.core.errors import ConfigError
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch
from marigold.predict.working_size import AnyFrame


def draw_noise(estimator: Estimator, rules: Rules, frame: AnyFrame, sampling: Sampling, settings: Settings) -> Tensor:
    """Noise [E, S, N * C, h, w], float32: for every member what it starts from, and what its sampler adds later."""
    return rules.draw(noise_shape(estimator, frame), settings.ensemble, sampling.draws, settings.seed)


def checked_noise(noise: Tensor | np.ndarray, estimator: Estimator, frame: AnyFrame, drawn: Tensor) -> Tensor:
    """`drawn` [E, S, N * C, h, w] with what the caller gives: the starts [E, N * C, h, w], or all of it.

    Raises `ConfigError` when its shape does not fit the frame or the count, or when not all of it are numbers.
    """
    given, shape = torch.as_tensor(noise), noise_shape(estimator, frame)
    if tuple(given.shape[1:]) not in (shape, tuple(drawn.shape[1:])):
        wanted = f"[E, {', '.join(map(str, shape))}]"
        size = f"{frame.width} x {frame.height} pixels"
        raise ConfigError(f"noise: {list(given.shape)} does not fit the working size of {size}; give {wanted}")
    if len(given) != len(drawn):
        raise ConfigError(f"noise: starts {len(given)} members, not {len(drawn)}; leave `ensemble` out or give as many")
    if not given.isfinite().all():
        raise ConfigError("noise: holds NaN or infinite values; draw it again")
    given = given.to(drawn)
    return given if given.ndim == drawn.ndim else torch.cat([given[:, None], drawn[:, 1:]], dim=1)


def noise_shape(estimator: Estimator, frame: AnyFrame) -> tuple[int, int, int]:
    """Channels, height and width of one member's latent."""
    backbone = estimator.backbone
    return backbone.targets * backbone.latent_channels, *frame.latent_size


def members(
    estimator: Estimator,
    plan: Plan,
    photo: Tensor,
    frame: AnyFrame,
    noise: Tensor,
    sampling: Sampling,
    watch: Stopwatch,
) -> Tensor:
    """The values [E, C, h, w], float32 at the working size, of a photo [3, H, W] in 0 to 1.

    NaN stands where the network gave no number. The photo is encoded once, whatever the number of members.
    """
    with watch("encode"):
        condition = estimator.encode_image(frame.fill(photo[None].to(plan.device)))
    if condition.shape[-2:] != noise.shape[-2:]:
        raise ConfigError(
            f"compat: this autoencoder keeps what fills no latent cell, which the published one drops; choose a "
            f"resolution where both sides are multiples of {frame.stride}"
        )
    values = []
    for part in _batches(noise, plan, frame):
        with watch("sample"):
            start, *later = part.to(plan.device).unbind(1)
            seen = condition.expand(len(part), -1, -1, -1)
            latent = estimator.sample(seen, start, sampling, fresh=later.__getitem__)
        with watch("decode"):
            decoded = frame.crop(estimator.decode(latent).float())
            # A modality's range would turn an infinite latent into a number.
            values.append(torch.where(latent.isfinite().all(), decoded, torch.nan))
    return torch.cat(values)


def _batches(noise: Tensor, plan: Plan, frame: AnyFrame) -> Iterator[Tensor]:
    at_once = max(1, plan.pixels_at_once // (frame.height * frame.width))
    yield from noise.split(at_once)
