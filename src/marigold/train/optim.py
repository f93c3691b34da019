"""The optimizer and its learning rate (Ke et al. 2025; the published training configuration)."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from marigold.accel.training import TrainPlan
from marigold.core.errors import MissingExtraError
from marigold.train.muon import Muon
from marigold.train.recipe import Optim

KINDS = {"adamw": torch.optim.AdamW, "muon": Muon}


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    optim: Optim,
    plan: TrainPlan = TrainPlan(),  # noqa: B008 frozen
) -> torch.optim.Optimizer:
    """AdamW or Muon over these parameters; the rate is set before each step by `set_rate`.

    Raises `MissingExtraError` for moments of 8 bits without the library that has them.
    """
    chosen = list(parameters)
    betas = (optim.beta1, optim.beta2)
    options: dict[str, Any] = dict(lr=optim.lr, betas=betas, eps=optim.eps, weight_decay=optim.weight_decay)
    if plan.optimizer_bits == 8:
        return _eight_bit(chosen, plan.compiled, options)
    return KINDS[optim.name](chosen, fused=chosen[0].is_cuda, **options)


def moments(optimizer: Any, p: nn.Parameter) -> dict[str, Tensor]:
    """What the optimizer keeps for a parameter that it has updated, by name; the values are those of no step."""
    if not isinstance(optimizer, torch.optim.AdamW):  # of 8 bits, whose class belongs to an extra
        return {"step": torch.zeros(()), **optimizer.moments(p)}
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
    """Gives every parameter group this learning rate; one that is a tensor stays the same tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def _eight_bit(parameters: list[nn.Parameter], compiled: bool, options: dict[str, Any]) -> torch.optim.Optimizer:
    try:
        from marigold.train.eightbit import EightBit
    except ImportError as error:
        raise MissingExtraError("torchao", "adam8bit", "plan.optimizer_bits 8") from error
    return EightBit(parameters, compiled=compiled, **options)
