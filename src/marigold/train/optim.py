"""The optimizer and its learning rate (Ke et al. 2025; the published training configuration)."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from marigold.train.muon import Muon
from marigold.train.recipe import Optim

KINDS = {"adamw": torch.optim.AdamW, "muon": Muon}


def make_optimizer(parameters: Iterable[nn.Parameter], optim: Optim) -> torch.optim.AdamW:
    """AdamW or Muon over these parameters; the rate is set before each step by `set_rate`."""
    chosen = list(parameters)
    return KINDS[optim.name](
        chosen,
        lr=optim.lr,
        betas=(optim.beta1, optim.beta2),
        eps=optim.eps,
        weight_decay=optim.weight_decay,
        fused=chosen[0].is_cuda,
    )


def moments(optimizer: torch.optim.Optimizer, p: nn.Parameter) -> dict[str, Tensor]:
    """What the optimizer keeps for a parameter that it has updated, by name; the values are those of no step."""
    names = ["momentum_buffer"] if isinstance(optimizer, Muon) and p.ndim > 1 else ["exp_avg", "exp_avg_sq"]
    return {"step": torch.zeros(()), **dict.fromkeys(names, p.detach())}


def rate(step: int, optim: Optim, position: float | None = None) -> float:
    """The learning rate of update `step` (from 0): linear warm-up, then exponential decay down to `final`.

    alpha(n) = n / warmup below `warmup`; final ** ((n - warmup) / (decay - warmup)) up to `decay`; `final` afterwards.
    `position` is where the decay is if that is not at the step, as with a time budget.
    """
    if step < optim.warmup:
        return optim.lr * step / optim.warmup
    past = (step if position is None else position) - optim.warmup
    share = min(max(past / (optim.decay - optim.warmup), 0.0), 1.0)
    return optim.lr * math.pow(optim.final, share)


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Gives every parameter group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = value
