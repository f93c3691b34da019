"""Everything that must not change what is computed: where, in which precision and memory layout, by which kernels."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from marigold.accel.precision import Precision, resolve_device, resolve_dtype
from marigold.core.choices import Compile, Offload
from marigold.core.errors import ConfigError
from marigold.core.find import unknown
from marigold.core.plain import word
from marigold.estimator import Estimator


@dataclass(frozen=True)
class Plan:
    """Where and how an estimator runs."""

    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    """The number type of the networks; latents between them, and everything after them, are float32."""
    pixels_at_once: int = 0
    """Ensemble members that run as one batch hold about this many pixels together; 0: one member at a time."""
    compile: Compile = "auto"
    offload: bool = False
    """Weights wait in the computer's memory, and the networks take turns on the device (`accel/offload.py`)."""

    @property
    def rests_on(self) -> torch.device:
        """Where the weights are while no network runs."""
        return torch.device("cpu") if self.offload else self.device


GPU_PIXELS = 7_100_000
"""16 photos of 576 x 768 pixels, from which on a large GPU gains nothing (`bench/engine.py`)."""


@dataclass(frozen=True)
class Machine:
    """What a person asks for of the machine, by the names of options; the arguments of `load`."""

    device: str = "auto"
    precision: Precision = "auto"
    compile: Compile = "auto"
    offload: Offload = "auto"

    def plan(self) -> Plan:
        """Without what depends on the checkpoint, offloading. Raises `ConfigError`."""
        return make_plan(self.device, self.precision, self.compile)


def make_plan(device: str = "auto", precision: Precision = "auto", compile: Compile = "auto") -> Plan:  # noqa: A002
    """The plan for a device, a precision and what is compiled, by name. Raises `ConfigError`."""
    if compile not in (choices := get_args(Compile)):
        raise ConfigError(f"compile: {unknown('choice', word(compile), choices)}")
    where = resolve_device(device)
    return Plan(where, resolve_dtype(precision, where), 0 if where.type == "cpu" else GPU_PIXELS, compile)


def apply(estimator: Estimator, plan: Plan) -> Estimator:
    """The estimator for inference, where the plan lets weights rest, in its precision and the channels-last layout.

    The last layer of the autoencoder stays in float32: bfloat16 has 256 steps between 0.5 and 1, which would show as
    bands in a map.
    """
    estimator.to(device=plan.rests_on, dtype=plan.dtype)
    estimator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _keep_exact(estimator.backbone.autoencoder)
    return estimator.eval().requires_grad_(False)


def _keep_exact(autoencoder: nn.Module) -> None:
    """Lets the last layer, which gives the target image, compute in float32."""
    images = [layer for layer in autoencoder.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == 3]
    if images:
        images[-1].float().register_forward_pre_hook(_to_float32)


def _to_float32(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.float() for x in inputs)
