"""From noise to a clean latent: plain functions over one narrow contract, `denoise(x, t)`."""

from collections.abc import Callable

from torch import Tensor

from marigold.diffusion.schedule import Schedule

Denoiser = Callable[[Tensor, int], tuple[Tensor, Tensor]]
"""`denoise(x, t)` splits the noisy latent x of time t into (clean, noise), each of x's shape."""


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
