"""The members of an ensemble: each from its own noise, all from one encoding of the photo."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from marigold.accel.plan import Plan
from marigold.core import seeds
from marigold.core.errors import ConfigError
from marigold.estimator import Estimator
from marigold.predict.frame import Frame
from marigold.predict.stopwatch import Stopwatch


def draw_noise(estimator: Estimator, frame: Frame, count: int, seed: int) -> Tensor:
    """Noise [E, N * C, h, w], float32. A member's noise depends on the seed and its number alone."""
    shape = noise_shape(estimator, frame)
    return torch.stack([torch.randn(shape, generator=seeds.stream(seed, "noise", member)) for member in range(count)])


def checked_noise(noise: Tensor | np.ndarray, estimator: Estimator, frame: Frame, count: int) -> Tensor:
    """Noise from the caller, [E, N * C, h, w], float32, for `count` members.

    Raises `ConfigError` when its shape does not fit the frame or the count, or when not all of it are numbers.
    """
    given, shape = torch.as_tensor(noise), noise_shape(estimator, frame)
    if given.ndim != 4 or tuple(given.shape[1:]) != shape:
        wanted = f"[E, {', '.join(map(str, shape))}]"
        size = f"{frame.width} x {frame.height} pixels"
        raise ConfigError(f"noise: {list(given.shape)} does not fit the working size of {size}; give {wanted}")
    if len(given) != count:
        raise ConfigError(f"noise: starts {len(given)} members, not {count}; leave `ensemble` out or give as many")
    if not given.isfinite().all():
        raise ConfigError("noise: holds NaN or infinite values; draw it again")
    return given.float()


def noise_shape(estimator: Estimator, frame: Frame) -> tuple[int, int, int]:
    """Channels, height and width of one member's latent."""
    backbone = estimator.backbone
    return backbone.targets * backbone.latent_channels, *frame.latent_size


def members(
    estimator: Estimator, plan: Plan, photo: Tensor, frame: Frame, noise: Tensor, steps: int, watch: Stopwatch
) -> Tensor:
    """The values [E, C, h, w], float32 at the working size, of a photo [3, H, W] in 0 to 1.

    NaN stands where the network gave no number. The photo is encoded once, whatever the number of members.
    """
    with watch("encode"):
        condition = estimator.encode_image(frame.fill(photo[None].to(plan.device)))
    values = []
    for part in _batches(noise, plan, frame):
        with watch("sample"):
            latent = estimator.sample(condition.expand(len(part), -1, -1, -1), part.to(plan.device), steps)
        with watch("decode"):
            decoded = frame.crop(estimator.decode(latent).float())
            # A modality's range would turn an infinite latent into a number.
            values.append(torch.where(latent.isfinite().all(), decoded, torch.nan))
    return torch.cat(values)


def _batches(noise: Tensor, plan: Plan, frame: Frame) -> Iterator[Tensor]:
    at_once = max(1, plan.pixels_at_once // (frame.height * frame.width))
    yield from noise.split(at_once)
