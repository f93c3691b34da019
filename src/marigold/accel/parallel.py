"""Several processes that train one network, as `torchrun` starts them: who is who, and gradients that are shared.

torch's own `DistributedDataParallel` and FSDP2 do the work: gradients travel while others are still computed. A process
gets the positions rank, rank + size, ... of a step, so that the processes together compute what one does alone.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from marigold.core.errors import ConfigError, ProcessError

PATIENCE = timedelta(hours=12)
"""How long a process waits for the others: one of them validates and writes checkpoints."""
_PEER_IS_GONE = ("closed by peer", "reset by peer", "remote process exited", "Broken pipe")
"""What gloo and NCCL say of a process that is not there any more."""
_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class World:
    """The processes of a run and which of them this one is. The first one logs, validates and writes."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def total(self, x: Tensor) -> Tensor:
        """The sum of a tensor over the processes, the same in all."""
        if self.size > 1:
            x = x.clone()
            dist.all_reduce(x)
        return x

    def wait(self) -> None:
        """Returns once all processes are here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[tuple[World, str]]:
    """This process among those that `torchrun` started, and its device: the GPU of its local rank for `cuda`.

    Alone where nothing started several; inside another such block the processes stay as they are joined. Raises
    `ConfigError` for a device that is not there, `ProcessError` in those that are left when one of them ends.
    """
    size = _number("WORLD_SIZE", 1)
    if size <= 1:
        yield World(), device
        return
    if missing := [name for name in _VARIABLES if name not in os.environ]:
        raise ConfigError(f"{', '.join(missing)}: not set, though WORLD_SIZE is {size}; start the run with torchrun")
    device = _own_device(device)
    if dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size()), device
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size()), device
    except RuntimeError as error:
        if any(words in str(error) for words in _PEER_IS_GONE):
            what = f"process {dist.get_rank()}: another process of this run has ended, and its own message says why"
            raise ProcessError(f"{what}; correct that, then give the same command again") from error
        raise
    finally:
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is the one that writes, also before the others are joined."""
    return _number("RANK", 0) == 0


class Replicas:
    """Copies of a network, one in each process, whose gradients are averaged as they are computed."""

    def __init__(self, module: nn.Module, world: World) -> None:
        device = next(module.parameters()).device
        ids = [device] if device.type == "cuda" else None
        self._shared = None
        if world.size > 1:
            # Views of the buckets need gradients laid out like them, which those of channels-last weights are not.
            with warnings.catch_warnings():  # of a name that later versions of torch replace, and earlier ones need
                warnings.filterwarnings("ignore", "`broadcast_buffers`", FutureWarning)
                self._shared = DistributedDataParallel(_Computed(module), device_ids=ids, broadcast_buffers=False)

    def compute(self, loss: Callable[[], Tensor]) -> Tensor:
        """What `loss` gives, whose gradients the processes will share."""
        return self._shared(loss) if self._shared is not None else loss()

    def apart(self, last: bool) -> AbstractContextManager:
        """In which gradients are summed up in each process alone, unless they are the last ones of a step."""
        return nullcontext() if last or self._shared is None else self._shared.no_sync()


class Shards:
    """A network of which each process holds a share, under the same contract as `Replicas`."""

    def __init__(self, module: nn.Module) -> None:
        self._module: Any = module

    def compute(self, loss: Callable[[], Tensor]) -> Tensor:
        """What `loss` gives; weights are fetched as they are needed, and gradients shared."""
        return loss()

    @contextmanager
    def apart(self, last: bool) -> Iterator[None]:
        """In which gradients are summed up in each process alone, unless they are the last ones of a step."""
        self._module.set_requires_gradient_sync(last)
        yield


def shard(module: nn.Module, world: World) -> None:
    """Spreads the weights of a network over the processes, in place, block by block (torch's FSDP2)."""
    mesh = init_device_mesh(next(module.parameters()).device.type, (world.size,))
    for part in module.children():
        for block in part if isinstance(part, nn.ModuleList) else [part]:
            if any(True for _ in block.parameters()):
                fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


class _Computed(nn.Module):
    """A network under a function that uses it, so that the gradients of whatever that computes are shared."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, loss: Callable[[], Tensor]) -> Tensor:
        return loss()


def _own_device(device: str) -> str:
    """The device of this process."""
    if not device.startswith("cuda"):
        return device
    local, count = _number("LOCAL_RANK", 0), torch.cuda.device_count()
    if local >= count:
        raise ConfigError(f"device: {local + 1} processes on this machine, which has {count} GPUs; start fewer")
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ConfigError(f"{name}: `{text}` is no number; torchrun sets it, or unset it")
    return int(text)
