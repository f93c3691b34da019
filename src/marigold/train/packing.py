"""What training changes as named tensors, and back: all of them fit, or none is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from marigold.core.console import printable
from marigold.train.average import Average
from marigold.train.optim import moments
from marigold.train.state import damaged


@dataclass(frozen=True)
class Trained:
    """What training changes, beside the networks that an objective keeps."""

    module: nn.Module
    average: Average
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


def pack(trained: Trained, kept: nn.Module) -> dict[str, Tensor]:
    """Everything that training changes; a tensor that is made of several, such as moments of 8 bits, part by part."""
    tensors = {**_weights(trained, kept), **_scale(trained.scaler)}
    for position, state in trained.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors |= _parts(f"optimizer.{position}.{name}", torch.as_tensor(value))
    return tensors


def unpack(tensors: dict[str, Tensor], trained: Trained, kept: nn.Module, file: Path) -> None:
    """The inverse of `pack`, in place. Raises `CheckpointError` naming the file for tensors that are not of this run,
    or hold NaN or infinity; then nothing is changed.

    The scale of fp16 is taken where there is one, and begins anew where the run had another precision until here.
    """
    scale = _under(tensors, "scaler.")
    tensors = {name: x for name, x in tensors.items() if not name.startswith("scaler.")}
    states = _fitting(tensors, _weights(trained, kept), trained.optimizer, file)
    if ruined := not_finite(tensors):
        raise damaged(file, f"`{ruined}` holds NaN or infinity")
    trained.module.load_state_dict(_under(tensors, "module."))
    kept.load_state_dict(_under(tensors, "kept."))
    for name, value in _under(tensors, "average.").items():
        trained.average.values[name].copy_(value)
    groups = trained.optimizer.state_dict()["param_groups"]
    trained.optimizer.load_state_dict({"state": states, "param_groups": groups})
    if scale and trained.scaler.is_enabled():
        _rescale(trained.scaler, scale, file)


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


def size(trained: Trained, kept: nn.Module) -> int:
    """Bytes of everything that `pack` gives once every parameter has been updated."""
    return sum(x.nbytes for x in _weights(trained, kept).values()) + moments_size(trained.optimizer)


def moments_size(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the optimizer's moments once every parameter has been updated."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    found = (_parts(name, x) for p in parameters for name, x in moments(optimizer, p).items())
    return sum(x.nbytes for parts in found for x in parts.values())


def _weights(trained: Trained, kept: nn.Module) -> dict[str, Tensor]:
    tensors = {f"module.{name}": x for name, x in trained.module.state_dict().items()}
    tensors |= {f"kept.{name}": x for name, x in kept.state_dict().items()}
    return tensors | {f"average.{name}": x for name, x in trained.average.values.items()}


def _scale(scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
    """What scales the loss in fp16, and the steps since it last changed; nothing in other precisions."""
    state = scaler.state_dict()
    if not state:
        return {}
    return {"scaler.scale": torch.tensor(state["scale"]), "scaler.steps": torch.tensor(state["_growth_tracker"])}


def _rescale(scaler: torch.amp.GradScaler, scale: dict[str, Tensor], file: Path) -> None:
    plain = {name: x.numel() == 1 and bool(x.isfinite()) and float(x) >= 0 for name, x in scale.items()}
    if plain != {"scale": True, "steps": True} or not float(scale["scale"]):
        raise damaged(file, "`scaler` is no scale of a loss")
    now = {"scale": float(scale["scale"]), "_growth_tracker": int(scale["steps"])}
    scaler.load_state_dict({**scaler.state_dict(), **now})


def _fitting(
    tensors: dict[str, Tensor], weights: dict[str, Tensor], optimizer: torch.optim.Optimizer, file: Path
) -> dict[int, dict[str, Tensor]]:
    """The optimizer's state by the parameter's position, once every tensor is known to be one of this run's."""
    expected = {name: (tuple(x.shape), x.dtype) for name, x in weights.items()}
    outlines: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for position, p in enumerate(parameters):
        if _under(tensors, f"optimizer.{position}."):
            outlines[position] = moments(optimizer, p)
            for name, outline in outlines[position].items():
                parts = _parts(f"optimizer.{position}.{name}", outline)
                expected |= {part: (tuple(x.shape), x.dtype) for part, x in parts.items()}
    for name in sorted({*expected, *tensors}):
        if name not in tensors:
            raise damaged(file, f"`{printable(name)}` is missing")
        if name not in expected:
            raise damaged(file, f"`{printable(name)}` is nothing of this run")
        if expected[name] != (tuple(tensors[name].shape), tensors[name].dtype):
            raise damaged(file, f"`{printable(name)}` has another shape or type than in this run")
    return {
        position: {name: _whole(f"optimizer.{position}.{name}", x, tensors) for name, x in outline.items()}
        for position, outline in outlines.items()
    }


def _parts(name: str, value: Any) -> dict[str, Tensor]:
    """The plain tensors that a tensor consists of: itself, for nearly all."""
    if not is_traceable_wrapper_subclass(value):
        return {name: value}
    return {f"{name}.{part}": getattr(value, part) for part in value.__tensor_flatten__()[0]}


def _whole(name: str, outline: Any, tensors: dict[str, Tensor]) -> Tensor:
    """The inverse of `_parts`, for a tensor like `outline`."""
    if not is_traceable_wrapper_subclass(outline):
        return tensors[name]
    parts, about = outline.__tensor_flatten__()
    found = {part: tensors[f"{name}.{part}"] for part in parts}
    return type(outline).__tensor_unflatten__(found, about, outline.shape, outline.stride())


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
