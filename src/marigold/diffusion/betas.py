"""The noise that each training time adds, read from a scheduler configuration of the Stable Diffusion family.

Everything is float32 in the order of operations of diffusers, because networks were trained on exactly those numbers.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from marigold.core.errors import ConfigError


def alphas_cumprod(options: Mapping[str, Any]) -> Tensor:
    """The share of signal variance left at every time, float32 [T]; the signal's factor a is its square root.

    `options` are as `configuration.checked` gives them. Raises `ConfigError` for betas that give no numbers.
    """
    betas = _betas(options)
    if options.get("rescale_betas_zero_snr", False):
        betas = _zero_terminal_snr(betas)
    left = torch.cumprod(1 - betas, dim=0)
    if not left.isfinite().all():
        raise ConfigError("scheduler: its betas leave no signal at any time; correct them")
    return left


def _betas(options: Mapping[str, Any]) -> Tensor:
    """The variance of the noise added at each time, float32 [T]."""
    given, length = options.get("trained_betas"), options.get("num_train_timesteps", 1000)
    if given is not None:
        return torch.tensor(given, dtype=torch.float32)
    start, end = options.get("beta_start", 1e-4), options.get("beta_end", 0.02)
    kind = options.get("beta_schedule", "linear")
    if kind == "linear":
        return torch.linspace(start, end, length, dtype=torch.float32)
    if kind == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, length, dtype=torch.float32) ** 2
    if kind == "squaredcos_cap_v2":
        return _squared_cosine(length)
    raise ConfigError(
        f"scheduler: no beta_schedule named `{kind}`; there are: linear, scaled_linear, squaredcos_cap_v2"
    )


def _squared_cosine(length: int, most: float = 0.999) -> Tensor:
    """Betas whose cumulative product follows a squared cosine (Nichol and Dhariwal 2021, eq. 17), capped at `most`."""
    levels = [math.cos((i / length + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(length + 1)]
    betas = [min(1 - after / before, most) for before, after in pairwise(levels)]
    return torch.tensor(betas, dtype=torch.float32)


def _zero_terminal_snr(betas: Tensor) -> Tensor:
    """Betas shifted and scaled so that nothing of the signal is left at the last time (Lin et al. 2024, alg. 1)."""
    signal = torch.cumprod(1 - betas, dim=0).sqrt()
    first, last = signal[0].clone(), signal[-1].clone()
    signal = (signal - last) * (first / (first - last))
    product = signal**2
    return 1 - torch.cat([product[:1], product[1:] / product[:-1]])
