"""What several processes share: the batches of a step and, with FSDP2, weights, average and moments.

The first process then keeps a whole copy, from which it validates and writes.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from marigold.accel import parallel
from marigold.accel.parallel import World
from marigold.core.config import require
from marigold.core.errors import ConfigError
from marigold.estimator import Estimator
from marigold.train.average import Average
from marigold.train.optim import make_optimizer
from marigold.train.packing import Trained
from marigold.train.recipe import Recipe


def shared(recipe: Recipe, world: World, minutes: float, note: Callable[[str], object]) -> Recipe:
    """What the processes compute together: each makes `accumulate` batches of a step. Raises `ConfigError`."""
    if world.size == 1:
        return recipe
    require(minutes == 0, "minutes", minutes, "0 with several processes, whose clocks differ: give --steps")
    together = replace(recipe, accumulate=recipe.accumulate * world.size)
    if world.is_first:
        samples = together.batch * together.accumulate
        note(f"{world.size} processes share each step of {samples} samples: accumulate is {together.accumulate} in all")
    return together


def is_sharded(recipe: Recipe, world: World) -> bool:
    """Whether a run spreads its weights. Raises `ConfigError` for what cannot be spread."""
    if recipe.plan.sharding != "fsdp" or world.size == 1:
        return False
    unusable = {
        "lora": recipe.lora is not None,
        "plan.compiled": recipe.plan.compiled,
        "plan.optimizer_bits": recipe.plan.optimizer_bits != 32,
        "plan.precision": recipe.plan.precision == "fp16",
        "optim.name": recipe.optim.name != "adamw",
    }
    for key in (key for key, given in unusable.items() if given):
        raise ConfigError(
            f"recipe.{key}: does not go with plan.sharding fsdp; use ddp, or leave it as it is by default"
        )
    return True


def spread(estimator: Estimator, whole: Trained, recipe: Recipe, world: World) -> tuple[Estimator, Trained]:
    """A copy of an estimator, and of what training changes of it, of which each process holds a share.

    Of the whole, the first process keeps average and moments on the CPU, and the others nothing.
    """
    original, estimator = estimator, copy.deepcopy(estimator)
    module = recipe.objective.trainable(estimator)
    parallel.shard(module, world)
    optimizer = make_optimizer(module.parameters(), recipe.optim, recipe.plan)
    for mine, theirs in zip(_parameters(optimizer), _parameters(whole.optimizer), strict=True):
        state = whole.optimizer.state.get(theirs, {})
        optimizer.state[mine] = {name: _like(mine, value) for name, value in state.items()}
    average = Average(module, recipe.average)
    for name, value in average.values.items():
        value.copy_(_like(value, whole.average.values[name]))
    _release(original, whole, world)
    return estimator, Trained(module, average, optimizer, whole.scaler)


@torch.no_grad()
def gather(spread: Trained, whole: Trained, world: World) -> None:
    """Brings the whole copy of the first process up to date; all processes call it."""
    weights = dict(whole.module.named_parameters())
    for name, p in spread.module.named_parameters():
        _take(weights[name], p, world)
    for name, value in spread.average.values.items():
        _take(whole.average.values[name], value, world)
    for mine, theirs in zip(_parameters(spread.optimizer), _parameters(whole.optimizer), strict=True):
        for name, value in spread.optimizer.state.get(mine, {}).items():
            full = _full(value)
            if world.is_first:
                whole.optimizer.state[theirs][name] = full.clone()


def _release(estimator: Estimator, whole: Trained, world: World) -> None:
    """Frees what a device need not hold twice."""
    where = "cpu" if world.is_first else "meta"
    if not world.is_first:
        estimator.to("meta")
    for name, value in whole.average.values.items():
        whole.average.values[name] = value.to(where)
    for state in whole.optimizer.state.values():
        for name, value in state.items():
            state[name] = value.to(where)


def _take(target: Tensor, value: Tensor, world: World) -> None:
    full = _full(value)
    if world.is_first:
        target.copy_(full)


def _full(x: Tensor) -> Tensor:
    return x.full_tensor() if isinstance(x, DTensor) else x


def _like(p: Tensor, value: Tensor) -> Tensor:
    """A whole tensor spread as `p` is, if it is of p's shape; others, such as a count of steps, stay whole."""
    if not isinstance(p, DTensor) or value.shape != p.shape:
        return value.clone()
    return distribute_tensor(value, p.device_mesh, p.placements)


def _parameters(optimizer: torch.optim.Optimizer) -> Iterable[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]
