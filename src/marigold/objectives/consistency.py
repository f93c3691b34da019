"""Latent consistency distillation: a network of many steps teaches one of few to give the same answer from any time.

Luo et al. 2023 (LCM), sec. 4, without guidance, as Ke et al. 2025 apply it. The start of the run is the teacher. With
f(x, t) = skip(t) x + out(t) clean(x, t), whose factors make it the identity at time 0, the student's answer at time t
is to be the target network's at an earlier time of the same trajectory, where one DDIM step of the teacher leads. The
target is a running average of the student.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from marigold.backbones.base import Backbone
from marigold.checkpoints.convention import Convention
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError
from marigold.core.limits import SAMPLING, TIMES, WEIGHT
from marigold.core.sample import Batch
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise

_SCHEDULE = "{_class_name: LCMScheduler, original_inference_steps: 50}"


@dataclass(frozen=True)
class ConsistencyDistillation(Objective):
    """Masked pseudo-Huber distance between the student's answer at a time and the target's at an earlier one.

    How the answers leave the noisy latent (`timestep_scaling`), and the steps that the result can be sampled with, are
    those of the recipe's `schedule`, which is an LCM scheduler's.
    """

    skip: int = 200
    """Times of the schedule that the teacher steps over at once, and less where time 0 is nearer."""
    least: int = 1
    """Times are drawn uniformly from this one to the last; sampling in n of T steps visits none before about T / n."""
    huber: float = 1e-3
    """The error of a latent element below which the loss is quadratic, and above which it is absolute."""
    average: float = 0.95
    """Decay of the target network, which takes the rest from the student after every step."""
    noise: noises.Kind = "gaussian"
    """What is mixed into the clean latents: sampling in several steps mixes in Gaussian noise again."""
    strength: float = 0.9
    """Weight of each coarser level of the multi-resolution noise, relative to the finer one."""
    unit_variance: noises.UnitVariance = "sample"
    """What multi-resolution noise has unit variance over: each sample, or the whole micro-batch."""
    preview_steps: int = 1
    """Sampling steps for previews of held-out samples."""

    def __post_init__(self) -> None:
        times = dict.fromkeys(("skip", "least"), (1, TIMES))
        shares = dict.fromkeys(("average", "strength"), (0.0, 1.0))
        require_within("consistency: ", self, **times, **shares, huber=(0.0, WEIGHT), preview_steps=(1, SAMPLING))
        require(self.huber > 0, "consistency: huber", self.huber, "above 0")
        require(self.average < 1, "consistency: average", self.average, "below 1")

    def extend(self, backbone: Backbone) -> None:
        """Adds nothing. Raises `ConfigError` for a generator without a condition, which teaches no map."""
        if not backbone.conditions:
            raise ConfigError("recipe.start: a generator sees no photo; `consistency` needs a teacher of this modality")

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """That of an ordinary diffusion model. Raises `ConfigError` where the teacher takes one step alone."""
        if before.single_step or before.deterministic:
            raise ConfigError(
                "recipe.start: its network answers in one step, or without noise; `consistency` needs a teacher of "
                "several"
            )
        return super().convention(backbone, before)

    def trainable(self, estimator: Estimator) -> nn.Module:
        """The denoiser. Raises `ConfigError` for a schedule or a start that nothing can be distilled with."""
        schedule = estimator.backbone.schedule
        if schedule.consistency is None:
            raise ConfigError(f"recipe.schedule: `consistency` trains for a scheduler of its own; add {_SCHEDULE}")
        if schedule.blind_at_the_end:
            raise ConfigError(
                "recipe.schedule: a teacher with `epsilon` output sees nothing in pure noise (zero terminal SNR); "
                "choose a `start` with v_prediction"
            )
        require(self.least < schedule.length, "consistency: least", self.least, f"below the {schedule.length} times")
        require(self.skip <= schedule.length, "consistency: skip", self.skip, f"at most the {schedule.length} times")
        try:
            estimator.sampling(self.preview_steps)
        except ConfigError as error:
            raise ConfigError(f"consistency: preview_steps: {error}") from None
        return estimator.backbone.denoiser

    def setup(self, estimator: Estimator) -> nn.Module:
        """Teacher and target, both as the denoiser is now. Raises `ConfigError` where its weights are spread."""
        if any(isinstance(p, DTensor) for p in estimator.backbone.denoiser.parameters()):
            raise ConfigError("recipe.plan.sharding: `consistency` keeps whole networks beside the student; use ddp")
        return nn.ModuleDict({name: _Frozen(estimator.backbone) for name in ("teacher", "target")})

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """The latents of photos and targets, and which of their cells may be used."""
        return self._as_diffusion.prepare(estimator, batch)

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The mean over valid latent elements of sqrt(d^2 + c^2) - c, d = f_student(x, t) - f_target(x', t').

        x is the noisy latent of a random time t, and x' where the teacher's step from it leads, t' = max(t - skip, 0)
        (Luo et al. 2023, eq. 8 and 13).
        """
        backbone, schedule = estimator.backbone, estimator.backbone.schedule
        clean, valid, condition = prepared["clean"].float(), prepared["valid"], prepared.get("condition")
        t = torch.randint(self.least, schedule.length, (len(clean),), generator=rng, device=clean.device)
        how = {"strength": self.strength, "unit_variance": self.unit_variance}
        x = schedule.mix(clean, noises.of_kind(self.noise, clean, t, schedule.length, rng, **how), t)
        error = _answer(backbone, x, t, condition) - self._target(kept, x, t, condition)
        distance = (error.square() + self.huber**2).sqrt() - self.huber
        return (distance * valid).sum() / valid.sum().clamp(min=1)

    @torch.no_grad()
    def after_step(self, estimator: Estimator, kept: nn.Module) -> None:
        """target <- average * target + (1 - average) * student."""
        networks: Any = kept
        target, student = networks["target"].denoiser.parameters(), estimator.backbone.denoiser.parameters()
        torch._foreach_lerp_(list(target), list(student), 1 - self.average)

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """Photo, target images and predictions side by side."""
        return self._as_diffusion.preview(estimator, batch, rng)

    @torch.no_grad()
    def _target(self, kept: nn.Module, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The target's answer, [B, N * C, h, w], to what one DDIM step of the teacher makes of x."""
        networks: Any = kept
        teacher, target = networks["teacher"].backbone, networks["target"].backbone
        then = (t - self.skip).clamp(min=0)
        earlier = teacher.schedule.mix(*teacher.denoise(x, t, condition), then)
        return _answer(target, earlier, then, condition)

    @property
    def _as_diffusion(self) -> Denoise:
        """What is prepared and previewed is that of ordinary training."""
        return Denoise(preview_steps=self.preview_steps)


class _Frozen(nn.Module):
    """A copy of a denoiser that is not trained, and computes with everything else of its backbone.

    Its state is the denoiser's alone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        shared = (backbone.autoencoder, backbone.schedule)
        twin = copy.deepcopy(backbone, {id(part): part for part in shared})
        self.denoiser = twin.denoiser.eval().requires_grad_(False)
        self._twin = (twin,)  # in a tuple, where torch does not take it for a part of this module

    @property
    def backbone(self) -> Backbone:
        """The backbone with this denoiser."""
        return self._twin[0]


def _answer(backbone: Backbone, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
    """The consistency function f(x, t) of a network (Luo et al. 2023, eq. 9), of x's shape."""
    consistency = backbone.schedule.consistency
    assert consistency is not None
    skip, out = consistency.boundary(t.view(-1, 1, 1, 1))
    return skip * x + out * backbone.denoise(x, t, condition)[0]
