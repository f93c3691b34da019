"""How a training run computes, not what: precision, memory and speed, applied to a finished estimator from outside."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from marigold.accel.compile import compile_networks, compiling
from marigold.accel.precision import DTYPES, resolve_dtype
from marigold.core.errors import ConfigError
from marigold.core.plain import shown
from marigold.estimator import Estimator

Bits = Literal[32, 8]


@dataclass(frozen=True)
class TrainPlan:
    """How a run computes. It is no part of what a recipe is known by, and may change where a run goes on.

    Only `optimizer_bits` stays: a saved state holds moments of one kind.
    """

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """bf16 and fp16 compute under autocast, to within 3 % of the loss in fp32; weights, moments and average stay fp32.
    fp16 scales the loss so that small gradients do not vanish, and leaves out steps whose gradients overflow."""
    checkpointing: bool = False
    """Compute activations a second time on the way back instead of keeping them: less memory, more time, the
    same loss and gradients to within 1e-6."""
    compiled: bool = False
    """Compile networks, rendering and the optimizer of 8 bits: a slow start, then more steps a second; the same loss to
    within 1e-3 of it."""
    channels_last: bool = False
    """Lay out images with their channels last, as the matrix units of GPUs read them; the same loss to within 1e-4."""
    optimizer_bits: Bits = 32
    """Bits of a number in AdamW's moments. 8 takes a quarter of the memory (Dettmers et al. 2022, with torchao); over
    a hundred steps the loss stays within 5 % of that with 32."""
    sharding: Literal["ddp", "fsdp"] = "ddp"
    """What several processes share: with `ddp` each holds all weights, average and moments, with `fsdp` a part of them,
    which takes less memory and more time; the same loss to within 1e-5."""


def check(plan: TrainPlan, device: str) -> None:
    """Raises `ConfigError` for a plan that this device cannot follow."""
    resolve_dtype(plan.precision, torch.device(device))
    if plan.compiled:
        _check_compiler(device)


def apply(estimator: Estimator, plan: TrainPlan, *, accumulates: bool = False) -> Estimator:
    """The estimator, changed in place: the layout of its weights, the activations that it keeps, compilation.

    `accumulates` says whether gradients of several passes are summed up. Raises `ConfigError` for a backbone that
    cannot do without its activations.
    """
    if plan.checkpointing:
        estimator.backbone.checkpoint_activations()
    if plan.channels_last:
        for part in estimator.backbone.hot_parts():
            part.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return compile_networks(estimator, accumulates=accumulates) if plan.compiled else estimator


@contextmanager
def running(plan: TrainPlan) -> Iterator[None]:
    """What holds for a process while a run goes on: where networks are compiled, for each number of samples anew."""
    with compiling() if plan.compiled else nullcontext():
        yield


def autocast(plan: TrainPlan, device: str) -> AbstractContextManager:
    """In which networks compute in the plan's precision.

    With checkpointing no cast weights are kept until the end of a pass: they would take half of what the weights take.
    """
    if plan.precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, DTYPES[plan.precision], cache_enabled=not plan.checkpointing)


def make_scaler(plan: TrainPlan, device: str) -> torch.amp.GradScaler:
    """What scales the loss in fp16; in other precisions it does nothing."""
    return torch.amp.GradScaler(torch.device(device).type, enabled=plan.precision == "fp16")


def _check_compiler(device: str) -> None:
    """Compiles something small. Raises `ConfigError` where that fails, as without a compiler for C++ or Triton."""
    try:
        torch.compile(_trial)(torch.ones(8, device=device))
    except Exception as error:  # of a compiler, whose errors have no common class
        raise ConfigError(
            f"plan.compiled: nothing can be compiled for {device} here ({shown(error)}); install a C++ compiler (and "
            "Triton for a GPU), or leave it out"
        ) from error


def _trial(x: torch.Tensor) -> torch.Tensor:
    return 2 * x + 1
