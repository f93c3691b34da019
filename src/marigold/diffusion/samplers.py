"""From noise to a clean latent: plain functions over one narrow contract, `denoise(x, t)`."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from marigold.core.errors import ConfigError
from marigold.diffusion.schedule import FINAL, Consistency, Schedule

Denoiser = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""`denoise(x, t)` splits the noisy latent x of time t into (clean, noise), each of x's shape."""

Fresh = Callable[[int], Tensor]
"""`fresh(i)` is the noise, of x's shape, that goes in after step i, counted from 0; nothing is drawn after the last."""


def ddim(denoise: Denoiser, x: Tensor, schedule: Schedule, steps: int) -> Tensor:
    """Deterministic DDIM sampling (Song et al. 2021, eq. 12); on a rectified flow these are Euler steps.

    x is noise [B, C, h, w]; so is the result. As in diffusers, what is left after the last step is the mixture
    `schedule.final`, which for many checkpoints keeps a trace of the noise.
    """
    for now, then in schedule.pairs(steps):
        clean, noise = denoise(x, now)
        a, s = schedule(then)
        x = a * clean + s * noise
    return x


def lcm(denoise: Denoiser, x: Tensor, schedule: Schedule, steps: int, fresh: Fresh | None = None) -> Tensor:
    """Multistep sampling of a latent consistency model (Luo et al. 2023, alg. 3).

    x is noise [B, C, h, w]; so is the result. Every step answers with the clean latent, which the next one sees mixed
    with `fresh` noise; one step needs none. Raises `ConfigError` when there are more and `fresh` is None.
    """
    if steps > 1 and fresh is None:
        raise ConfigError(f"steps: {steps} steps of a consistency model need fresh noise in between; give it or take 1")
    consistency = schedule.consistency or Consistency()
    for i, (now, then) in enumerate(pairwise(schedule.times(steps))):
        clean, _ = denoise(x, now)
        skip, out = consistency.boundary(now)
        answer = out * clean + skip * x
        x = answer if fresh is None or then == FINAL else schedule.mix(answer, fresh(i), then)
    return x
