"""Depth guided by known distances while it is sampled, without training (Marigold-DC, Viola et al. 2025, sec. 3.2).

At every step the network's answer so far is decoded and compared with the known distances; the gradient of the error,
through the decoder and the denoiser, moves the noisy latent, and the scale and shift with it. Beside the paper: the
points that a robust fit of plain depth tells as outliers do not guide, the scale and shift start at that fit, and the
error is taken in the quantity that the checkpoint was taught, as a share of the extent of the known distances.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.compat.base import WorkingSize, rules
from marigold.core.device import memory_is_full
from marigold.core.errors import ConfigError, DeviceMemoryError
from marigold.core.find import name_of
from marigold.estimator import Estimator
from marigold.export.base import outputs
from marigold.measure.curve import Curve
from marigold.metric.fit import Fit
from marigold.metric.measured import fitted, measured
from marigold.metric.points import Points
from marigold.predict.prediction import Prediction

_LEAST = 1e-12


@dataclass(frozen=True)
class Guidance:
    """How depth is guided; the paper's numbers (its code, `marigold_dc.py`)."""

    steps: int = 50
    latent_rate: float = 0.05
    """The step of Adam for the latent."""
    line_rate: float = 0.005
    """That for the scale and shift."""


@dataclass(frozen=True)
class Target:
    """What the decoded depth of a photo is compared with."""

    grid: Tensor
    """[1, 1, P, 2] x and y of the points, -1 to 1 over the photo."""
    share: Tensor
    """[P] the known quantity as a share of its extent."""
    scale: float
    """Starts the line that brings straight values to shares."""
    shift: float
    curve: Curve

    def loss(self, values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """The mean absolute and the mean squared difference from depth [1, 1, H, W] in 0 to 1, added."""
        seen = F.grid_sample(values, self.grid, mode="bilinear", padding_mode="border", align_corners=False)[0, 0, 0]
        away = scale * self.curve.straight(seen) + shift - self.share
        return away.abs().mean() + away.square().mean()


class Completion:
    """An estimator that samples depth by known distances; photos take turns."""

    def __init__(self, load: Callable[[str], Estimator], guidance: Guidance | None = None) -> None:
        """`load` gives the estimator of a modality, where it runs, when the first photo asks for it: one whose layers
        gradients pass, as `LazyPredictors.differentiable` does. `guidance` is the paper's when None.
        """
        self._load, self._guidance = load, guidance or Guidance()
        self._estimator: Estimator | None = None
        self._lock = Lock()

    def completed(self, prediction: Prediction, points: Points) -> Prediction:
        """The prediction with depth sampled anew by the points, and then fitted to them, as `measured` does.

        Resolution, ensemble and seed are those of the prediction; the photo is taken from it. Raises what `measured`
        raises, `ConfigError` for checkpoints that answer in one step, and `DeviceMemoryError`.
        """
        first = fitted(prediction, points)
        with self._lock:
            start = time.perf_counter()
            self._estimator = self._estimator or self._load(name_of(prediction.modality))
            try:
                values, disagreement = sampled(self._estimator, prediction, points, first, self._guidance)
            except (RuntimeError, MemoryError) as error:
                if not memory_is_full(error):
                    raise
                raise DeviceMemoryError(
                    "complete: the gradients do not fit into memory; lower --resolution, or leave --complete out"
                ) from error
            seconds = time.perf_counter() - start
        (name,) = outputs(prediction.modality, "metric")
        report = {"steps": self._guidance.steps, "seconds": round(seconds, 3)}
        guided = replace(
            prediction,
            maps={**prediction.maps, name: values},
            uncertainty=disagreement,
            report={**prediction.report, "completion": report},
        )
        return measured(guided, points)


def sampled(
    estimator: Estimator, prediction: Prediction, points: Points, first: Fit, guidance: Guidance
) -> tuple[np.ndarray, np.ndarray | None]:
    """Guided depth in 0 to 1 and how far members disagree, both [H, W] float32, at the size of the prediction."""
    _require_steps(estimator)
    if prediction.photo is None:
        raise ConfigError("complete: the prediction does not hold its photo; predict it from a photo")
    follows, stated = rules("none"), prediction.report["settings"]
    height, width = prediction.photo.shape[:2]
    stride = estimator.backbone.stride
    size = follows.working_size(height, width, stated["resolution"], stated["sizing"], stride)
    device = next(estimator.parameters()).device
    photo = torch.from_numpy(prediction.photo).to(device).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        condition = estimator.encode_image(follows.fill(photo, size, "bilinear"))
    shape = (estimator.backbone.targets * estimator.backbone.latent_channels, *follows.latent_size(size))
    target = _target(prediction, points, first, device)
    members = []
    for noise in follows.draw(shape, stated["ensemble"], 1, stated["seed"]):
        latent = guided(estimator, condition, noise.to(device), target, size, guidance)
        with torch.no_grad():
            members.append(follows.crop(estimator.decode(latent), size).float().cpu())
    merged, disagreement = follows.ensemble(estimator.modality, torch.cat(members), None)
    values = follows.resize(estimator.modality, merged, height, width, "bilinear")[0].numpy()
    if len(members) < follows.fewest_for_uncertainty:
        return values, None
    return values, follows.resize_uncertainty(disagreement, height, width, "bilinear")[0].numpy()


def guided(
    estimator: Estimator, condition: Tensor, noise: Tensor, target: Target, size: WorkingSize, guidance: Guidance
) -> Tensor:
    """Noise [1, N * C, h, w] to the latent of the answer, by DDIM steps that the target guides (alg. 1)."""
    sampling, backbone = estimator.sampling(guidance.steps), estimator.backbone
    schedule, follows = sampling.schedule, rules("none")
    latent = nn.Parameter(noise.float())
    scale, shift = (nn.Parameter(noise.new_tensor(number)) for number in (target.scale, target.shift))
    optimizer = torch.optim.Adam(
        [
            {"params": [latent], "lr": guidance.latent_rate},
            {"params": [scale, shift], "lr": guidance.line_rate},
        ]
    )
    for now, then in schedule.pairs(sampling.steps):
        with torch.enable_grad():
            output = backbone.network_at(latent, now, condition)
            clean, predicted = schedule.solve(latent, output.float(), now)
            values = follows.crop(estimator.decode(clean).float(), size)
            optimizer.zero_grad()
            target.loss(values, scale, shift).backward()
        with torch.no_grad():
            gradient = latent.grad if latent.grad is not None else torch.zeros_like(latent)
            # The gradient is as long as the predicted noise, whatever the error: Adam's memory then forgets evenly.
            latent.grad = gradient * (predicted.norm() / gradient.norm().clamp(min=_LEAST))
        optimizer.step()
        with torch.no_grad():
            clean, predicted = schedule.solve(latent, output.detach().float(), now)
            a, s = schedule(then)
            latent.copy_(a * clean + s * predicted)
    return latent.detach()


def _require_steps(estimator: Estimator) -> None:
    convention, schedule = estimator.card.convention, estimator.backbone.schedule
    if convention.single_step or convention.deterministic or schedule.consistency:
        raise ConfigError(
            f"complete: checkpoint `{estimator.card.name}` is not sampled in DDIM steps, which the guidance needs; "
            "choose another with --checkpoint, or leave --complete out"
        )


def _target(prediction: Prediction, points: Points, first: Fit, device: torch.device) -> Target:
    """The points that the first fit agrees with, and its line, in shares of their extent."""
    size: dict[str, Any] = prediction.report["photo_size"]
    kept = first.inlier
    quantity = first.curve.of_metres(points.depth[kept])
    low, extent = float(quantity.min()), float(np.ptp(quantity))
    places = np.stack([points.x[kept] / size["width"], points.y[kept] / size["height"]], axis=-1) * 2 - 1
    return Target(
        torch.from_numpy(places).float().to(device)[None, None],
        torch.from_numpy((quantity - low) / extent).float().to(device),
        first.scale / extent,
        (first.shift - low) / extent,
        first.curve,
    )
