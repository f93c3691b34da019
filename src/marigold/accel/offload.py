"""Networks that take turns on a device: their weights wait in the computer's memory until their stage runs.

A photo is encoded, denoised and decoded by one network after another, so that a device needs room for the largest of
them alone. The weights stay in the computer's memory all the while and are copied to the device before a network runs;
those of the network that ran before are let go of there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from marigold.accel.plan import Plan
from marigold.core.choices import Offload
from marigold.core.device import free_bytes
from marigold.core.errors import ConfigError
from marigold.estimator import Estimator

SIDE = 768
"""The side in pixels of the square that room is looked for, where a checkpoint recommends no resolution."""
SPARE = 1.5
"""How many times the estimate a network takes at its peak: work space of libraries, and pieces too small to use."""


@dataclass(frozen=True)
class _Place:
    """A parameter or a buffer of a module, which may be one that is not saved, and the tensor that it holds."""

    module: nn.Module
    name: str
    tensor: Tensor
    is_parameter: bool

    def put(self, tensor: Tensor) -> None:
        """Lets it hold another tensor."""
        held = nn.Parameter(tensor, requires_grad=False) if self.is_parameter else tensor
        setattr(self.module, self.name, held)


class Stage:
    """The place on a device that networks take turns at. One prediction runs on a device at a time."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._there: nn.Module | None = None
        self._resting: list[_Place] = []
        """The weights of the network that is there, in the computer's memory."""

    def add(self, network: nn.Module) -> RemovableHandle:
        """From now on a network of the CPU comes to the device before it runs, until the handle is removed."""
        return network.register_forward_pre_hook(self._enter)

    def clear(self) -> None:
        """Leaves no network on the device."""
        if self._there is not None:
            # Inference changes no weights, so that nothing is copied back.
            for place in self._resting:
                place.put(place.tensor)
            self._there, self._resting = None, []
            _give_back(self.device)

    @property
    def taken(self) -> int:
        """Bytes of the weights that are there."""
        return sum(place.tensor.nbytes for place in self._resting)

    def _enter(self, network: nn.Module, inputs: tuple[Any, ...]) -> None:
        if network is not self._there:
            with torch.inference_mode(False), torch.no_grad():
                self.clear()
                self._resting = [place for module in network.modules() for place in _places(module)]
                self._there = network
                network.to(self.device)


@cache
def stage(device: torch.device) -> Stage:
    """The one place of a device, which all estimators that are offloaded from it share."""
    return Stage(device)


def suited(plan: Plan, estimator: Estimator, asked: Offload) -> Plan:
    """The plan with networks that take turns, where that is `asked` for or all of them do not fit into free memory.

    Raises `ConfigError` for a choice that there is not, and where networks run in the computer's memory anyhow.
    """
    if asked not in ("auto", "off", "stage"):
        raise ConfigError(f"offload: no choice is called `{asked}`; use auto, off or stage")
    if asked == "stage" and plan.device.type == "cpu":
        raise ConfigError("offload: on a CPU networks run in the memory that they would wait in; leave it out")
    if asked != "auto" or plan.device.type == "cpu":
        return replace(plan, offload=asked == "stage")
    free = free_bytes(plan.device)
    return replace(plan, offload=free is not None and needed_bytes(estimator) > free)


def needed_bytes(estimator: Estimator) -> int:
    """Bytes of a device's memory for all weights and one photo of the size that the checkpoint recommends, about."""
    side = int(estimator.card.defaults.get("resolution") or SIDE)
    return weights_bytes(estimator) + int(SPARE * estimator.backbone.working_bytes(side, side))


def largest_bytes(estimator: Estimator) -> int:
    """Bytes of the weights of the largest network that takes turns."""
    return max((weights_bytes(part) for part in estimator.backbone.hot_parts()), default=0)


def take_turns(estimator: Estimator, device: torch.device) -> list[RemovableHandle]:
    """Lets the networks of an estimator on the CPU take turns on a device; all else moves there for good."""
    parts = estimator.backbone.hot_parts()
    for module in _outside(estimator, parts):
        for place in _places(module):
            place.put(place.tensor.to(device))
    return [stage(device).add(part) for part in parts]


def _places(module: nn.Module) -> list[_Place]:
    """Those of a module itself, without the modules below it."""
    parameters = [_Place(module, name, one.detach(), True) for name, one in module.named_parameters(recurse=False)]
    return parameters + [_Place(module, name, one, False) for name, one in module.named_buffers(recurse=False)]


def _outside(module: nn.Module, parts: list[nn.Module]) -> Iterator[nn.Module]:
    """A module and all below it, but for those of the parts."""
    if not any(module is part for part in parts):
        yield module
        for child in module.children():
            yield from _outside(child, parts)


def weights_bytes(network: nn.Module) -> int:
    """Bytes of its parameters and buffers."""
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))


def _give_back(device: torch.device) -> None:
    """Lets go of what was freed, of which the next network may find no piece large enough."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if device.type == "mps":
        torch.mps.empty_cache()
