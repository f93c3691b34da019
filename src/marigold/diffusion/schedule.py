"""The algebra of one noisy latent: x = a * clean + s * noise, and what a network says about the pair.

A network outputs p * clean + q * noise. With x that makes two equations in two unknowns, so every generator gives
both the clean latent and the noise; prediction types differ in their row (p, q) alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar, overload

import torch
from torch import Tensor

from marigold.core.errors import ConfigError
from marigold.diffusion.betas import alphas_cumprod
from marigold.diffusion.configuration import checked

FINAL = -1
"""The time after the last step: not an index of the table but the pair `Schedule.final`."""

Number = TypeVar("Number", float, Tensor)

_CONSISTENCY_CLASS = "LCMScheduler"
_DDIM_CLASSES = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler")

# What diffusers' LCMScheduler takes a key to be that its configuration leaves out, where its DDIMScheduler differs.
_CONSISTENCY_DEFAULTS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_DEFAULTS = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


class Output(Enum):
    """What a network outputs about a noisy latent."""

    EPSILON = "epsilon"
    SAMPLE = "sample"
    V_PREDICTION = "v_prediction"
    FLOW = "flow"

    def row(self, a: Number, s: Number) -> tuple[Number, Number]:
        """The row (p, q) for which the network's output is p * clean + q * noise."""
        zero, one = 0 * a, 0 * a + 1
        return {
            Output.EPSILON: (zero, one),
            Output.SAMPLE: (one, zero),
            Output.V_PREDICTION: (-s, a),
            Output.FLOW: (-one, one),
        }[self]


@dataclass(frozen=True)
class Consistency:
    """How a latent consistency model was distilled (Luo et al. 2023): its steps go straight to the clean latent."""

    original_steps: int = 50
    """The steps of the sampler that it was distilled from; it knows their times alone."""
    timestep_scaling: float = 10.0
    """How fast the answer at time t leaves the noisy latent, which it must be at t = 0."""

    def times(self, length: int, steps: int) -> list[int]:
        """So many of the times that the model knows, evenly spaced by index, from noise to clean."""
        if steps > self.original_steps:
            raise ConfigError(
                f"steps: {steps} are more than the {self.original_steps} that this consistency model was distilled "
                f"from; choose {self.original_steps} or fewer"
            )
        stride = length // self.original_steps
        known = [stride * i - 1 for i in range(self.original_steps, 0, -1)]
        return [known[int(i * (len(known) / steps))] for i in range(steps)]

    @overload
    def boundary(self, t: float) -> tuple[float, float]: ...

    @overload
    def boundary(self, t: Tensor) -> tuple[Tensor, Tensor]: ...

    def boundary(self, t: Any) -> tuple[Any, Any]:
        """The factors (skip, out): the model's answer is skip * x + out * clean (Luo et al. 2023, sec. 3).

        t is a number, or long of any shape, which the factors then have.
        """
        scaled, deviation = t * self.timestep_scaling, 0.5
        length = scaled**2 + deviation**2
        return deviation**2 / length, scaled / length**0.5


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much of a latent is noise at each of T times, and what its network outputs.

    `signal` and `noise` are a and s, float32 [T]. `final` is the pair (a, s) after the last step. Latents are never
    clipped: `clip_sample` of a configuration is read as false, as the Stable Diffusion pipelines do. Latent consistency
    models have `consistency`, and times of their own.
    """

    signal: Tensor
    noise: Tensor
    output: Output
    spacing: str = "leading"
    steps_offset: int = 0
    final: tuple[float, float] = (1.0, 0.0)
    consistency: Consistency | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    _tables: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Schedule":
        """The schedule of a `scheduler_config.json` of the Stable Diffusion family; raises `ConfigError`.

        A missing key has the default of diffusers' DDIMScheduler, or of its LCMScheduler if the configuration is one's.
        """
        distilled = config.get("_class_name") == _CONSISTENCY_CLASS
        options = checked({**_CONSISTENCY_DEFAULTS, **config} if distilled else config)
        output = _choice(options, "prediction_type", ("epsilon", "sample", "v_prediction"), "epsilon")
        spacing = _choice(options, "timestep_spacing", _SPACINGS, "leading")
        if (kind := str(config.get("_class_name", ""))).startswith("FlowMatch"):
            raise ConfigError(f"scheduler: `{kind}` is that of a rectified flow; use a Stable Diffusion 1.x or 2.x one")
        if options.get("thresholding"):
            raise ConfigError("scheduler: `thresholding` is made for pixels, not for latents; set it to false")
        product = alphas_cumprod(options)
        last = torch.tensor(1.0) if options.get("set_alpha_to_one", True) else product[0]
        return cls(
            signal=product.sqrt(),
            noise=(1 - product).sqrt(),
            output=Output(output),
            spacing=spacing,
            steps_offset=options.get("steps_offset", 0),
            final=(last.sqrt().item(), (1 - last).sqrt().item()),
            consistency=_consistency(options, len(product)) if distilled else None,
            options=options,
        )

    def config(self) -> dict[str, Any]:
        """What to write into `scheduler_config.json`: this schedule as diffusers' scheduler `kind` reads it."""
        if self.output is Output.FLOW or not self.options:
            raise ConfigError("schedule: only schedules that were read from a scheduler configuration can be written")
        return {**self.options, "_class_name": self.kind, "clip_sample": False, "thresholding": False}

    def changed(self, keys: Mapping[str, Any]) -> "Schedule":
        """The schedule with other keys of its configuration; betas that it leaves out stay what its own kind has."""
        defaults = _CONSISTENCY_DEFAULTS if self.consistency else _DEFAULTS
        return Schedule.from_config({**defaults, **self.config(), **keys})

    @property
    def kind(self) -> str:
        """The class of diffusers' scheduler that samples as this schedule is sampled here."""
        return _CONSISTENCY_CLASS if self.consistency else "DDIMScheduler"

    @property
    def unfollowed(self) -> str:
        """The class of the scheduler that was stated, if its steps are not taken here but DDIM's; empty otherwise."""
        stated = str(self.options.get("_class_name", ""))
        return "" if stated in ("", _CONSISTENCY_CLASS, *_DDIM_CLASSES) else stated

    @property
    def length(self) -> int:
        """The number T of training times."""
        return len(self.signal)

    def __call__(self, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """The pair (a, s) at time t: an int (-1 means `final`) or long [B], which gives [B, 1, 1, 1] on t's device."""
        if isinstance(t, Tensor):
            signal, noise = self._on(t.device)
            return signal[t].view(-1, 1, 1, 1), noise[t].view(-1, 1, 1, 1)
        if t < 0:
            a, s = self.final
            return torch.tensor(a), torch.tensor(s)
        return self.signal[t], self.noise[t]

    def pairs(self, steps: int) -> list[tuple[int, int]]:
        """The sampling steps as (now, then); `then` is -1 (final) after the last.

        As in diffusers, `then` is T // steps before `now`, which for some spacings is not the next `now`.
        """
        stride = self.length // steps if steps else 0
        return [(now, max(now - stride, FINAL)) for now in self.times(steps)[:-1]]

    def times(self, steps: int) -> list[int]:
        """The times that a sampler of this many steps visits, from noise to clean, and -1 at the end."""
        if not 1 <= steps <= self.length:
            raise ConfigError(f"steps: {steps} is not between 1 and {self.length}; choose another number")
        if self.consistency:
            return [*self.consistency.times(self.length, steps), FINAL]
        offset = self.steps_offset if self.spacing == "leading" else 0
        times = [t + offset for t in _SPACINGS[self.spacing](self.length, steps)]
        if times[0] >= self.length:
            raise ConfigError(
                f"steps: {steps} `{self.spacing}` steps with steps_offset {offset} "
                f"start beyond the last time {self.length - 1}; choose fewer steps"
            )
        return [*times, FINAL]

    def mix(self, clean: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """The noisy latent at time t."""
        a, s = self(t)
        return a * clean + s * noise

    def target(self, clean: Tensor, noise: Tensor, t: int | Tensor) -> Tensor:
        """What the network must output for this pair at time t."""
        p, q = self.output.row(*self(t))
        return p * clean + q * noise

    def solve(self, x: Tensor, output: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """The pair (clean, noise) of which x is the mixture and `output` the network's view at time t.

        Raises `ConfigError` where the output says nothing about the clean latent (`epsilon` of pure noise).
        """
        a, s = self(t)
        p, q = self.output.row(a, s)
        determinant = a * q - s * p
        if self.blind_at_the_end and bool((determinant == 0).any()):
            raise ConfigError(
                f"scheduler: `{self.output.value}` output of pure noise (zero terminal SNR) says nothing about "
                "the clean latent; set prediction_type to `v_prediction`, or rescale_betas_zero_snr to false"
            )
        return (q * x - s * output) / determinant, (a * output - p * x) / determinant

    def with_spacing(self, spacing: str) -> "Schedule":
        """The same noise at every time, sampled at times of another spacing."""
        known = {"timestep_spacing": _choice({"spacing": spacing}, "spacing", _SPACINGS, spacing)}
        return replace(self, spacing=spacing, options={**self.options, **known} if self.options else {})

    @property
    def blind_at_the_end(self) -> bool:
        """At the last time the output says nothing about the clean latent."""
        return self.output is Output.EPSILON and bool(self.signal[-1] == 0)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._tables:
            self._tables[device] = self.signal.to(device), self.noise.to(device)
        return self._tables[device]


def _consistency(options: Mapping[str, Any], length: int) -> Consistency:
    found = Consistency(options.get("original_inference_steps", 50), options.get("timestep_scaling", 10.0))
    if not 1 <= found.original_steps <= length:
        raise ConfigError(
            f"scheduler: original_inference_steps {found.original_steps} is not between 1 and the {length} times of "
            "training; correct it"
        )
    return found


def _leading(length: int, steps: int) -> list[int]:
    return [i * (length // steps) for i in reversed(range(steps))]


def _linspace(length: int, steps: int) -> list[int]:
    step = (length - 1) / max(steps - 1, 1)
    return [round(i * step) for i in reversed(range(steps))]


def _trailing(length: int, steps: int) -> list[int]:
    step = length - (length - length / steps)  # rounded as numpy.arange does, which decides ties
    return [round(length - i * step) - 1 for i in range(steps)]


_SPACINGS = {"leading": _leading, "linspace": _linspace, "trailing": _trailing}


def _choice(options: Mapping[str, Any], key: str, choices: Iterable[str], default: str) -> str:
    value = options.get(key, default)
    if value not in choices:
        raise ConfigError(f"scheduler: no {key} named `{value}`; there are: {', '.join(choices)}")
    return value
