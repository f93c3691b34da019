"""What training changes as named tensors, and back: all of them fit, or none is taken."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.core.console import printable
from marigold.train.average import Average
from marigold.train.optim import moments
from marigold.train.state import damaged


def pack(module: nn.Module, kept: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that training changes."""
    tensors = _weights(module, kept, average)
    for position, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{position}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def unpack(
    tensors: dict[str, Tensor],
    module: nn.Module,
    kept: nn.Module,
    average: Average,
    optimizer: torch.optim.Optimizer,
    file: Path,
) -> None:
    """The inverse of `pack`, in place. Raises `CheckpointError` naming the file for tensors that are not of this run,
    or hold NaN or infinity; then nothing is changed."""
    states = _fitting(tensors, _weights(module, kept, average), optimizer, file)
    if ruined := not_finite(tensors):
        raise damaged(file, f"`{ruined}` holds NaN or infinity")
    module.load_state_dict(_under(tensors, "module."))
    kept.load_state_dict(_under(tensors, "kept."))
    for name, value in _under(tensors, "average.").items():
        average.values[name].copy_(value)
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


@torch.no_grad()
def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """The first tensor that holds NaN or infinity; empty if none does. The device is waited for once."""
    floating = {name: x for name, x in tensors.items() if x.is_floating_point() and x.numel()}
    if not floating:
        return ""
    device = next(iter(floating.values())).device
    # The extremes are NaN or infinite if any element is; finding them needs no second tensor of the size.
    extremes = [torch.stack(x.aminmax()).to(device, torch.float32, non_blocking=True) for x in floating.values()]
    finite = torch.stack(extremes).isfinite().all(1).tolist()
    return next((name for name, fine in zip(floating, finite, strict=True) if not fine), "")


def _weights(module: nn.Module, kept: nn.Module, average: Average) -> dict[str, Tensor]:
    tensors = {f"module.{name}": x for name, x in module.state_dict().items()}
    tensors |= {f"kept.{name}": x for name, x in kept.state_dict().items()}
    return tensors | {f"average.{name}": x for name, x in average.values.items()}


def _fitting(
    tensors: dict[str, Tensor], weights: dict[str, Tensor], optimizer: torch.optim.Optimizer, file: Path
) -> dict[int, dict[str, Tensor]]:
    """The optimizer's state by the parameter's position, once every tensor is known to be one of this run's."""
    expected = {name: (tuple(x.shape), x.dtype) for name, x in weights.items()}
    states: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for position, p in enumerate(parameters):
        if found := _under(tensors, f"optimizer.{position}."):
            states[position] = found
            shapes = moments(optimizer, p).items()
            expected |= {f"optimizer.{position}.{name}": (tuple(x.shape), x.dtype) for name, x in shapes}
    for name in sorted({*expected, *tensors}):
        if name not in tensors:
            raise damaged(file, f"`{printable(name)}` is missing")
        if name not in expected:
            raise damaged(file, f"`{printable(name)}` is nothing of this run")
        if expected[name] != (tuple(tensors[name].shape), tensors[name].dtype):
            raise damaged(file, f"`{printable(name)}` has another shape or type than in this run")
    return states


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
