"""Intervals that hold the truth for a stated share of pixels: the members' disagreement, brought to scale by a card.

An interval is about one map of one photo, in the units of that map. Depth, shading and residual are right up to a scale
or shift of the scene, and so are their intervals: brought to metres or to the scene's light like the map itself, they
hold the truth (`Modality.counterpart`). The share is that of all pixels of many photos like those that were calibrated
on, not of every single photo.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marigold.checkpoints.calibration import Calibration
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.core.sample import Sample
from marigold.measure.conformal import expected_error
from marigold.modalities.base import Modality
from marigold.predict.settings import Settings

_ALIKE = ("steps", "resolution", "sizing", "tta")
"""The settings that change how far members disagree, but for their number."""


@dataclass(frozen=True)
class Choice:
    """The calibration that a prediction's intervals are made by; None where none are asked for."""

    calibration: Calibration | None = None
    level: float = 0.0
    """The share of pixels that the intervals are to hold."""
    notes: tuple[str, ...] = ()
    """What was not calibrated in this way."""

    @property
    def report(self) -> dict[str, object]:
        """What a report says of it."""
        if self.calibration is None:
            return {}
        return {"calibration": {"data": self.calibration.data, "images": self.calibration.images}}


def choose(card: Card, settings: Settings) -> Choice:
    """The calibration of a checkpoint that suits these settings best, if they ask for intervals.

    That is one of the same settings and of the largest ensemble that is not larger, where there is one. Raises
    `ConfigError` for a checkpoint that is not calibrated and a share that it is not calibrated for.
    """
    if (level := settings.interval) is None:
        return Choice()
    if not card.calibration:
        raise ConfigError(
            f"interval: checkpoint `{card.name}` is not calibrated as it is used here, with its autoencoder; run "
            "`marigold evaluate calibrate` on a folder of it, or leave --interval out"
        )
    best = min(card.calibration, key=lambda one: (len(_differences(one, settings)), _distance(one, settings)))
    if level > (last := best.levels[-1]):
        raise ConfigError(f"interval: {level:g} is more than {card.name} is calibrated for; choose up to {last:g}")
    differences = _differences(best, settings)
    if best.ensemble != settings.ensemble:
        differences.append(f"ensemble {best.ensemble} and not {settings.ensemble}")
    note = f"interval: calibrated with {', '.join(differences)}; it may hold another share"
    return Choice(best, level, (note,) if differences else ())


def bounds(
    values: Tensor, uncertainty: Tensor, calibration: Calibration, level: float, modality: Modality
) -> tuple[Tensor, Tensor]:
    """The ends of the intervals, [K, H, W] each, that hold the truth for the share `level` of pixels, 0 to 1.

    `values` are [C, H, W] and `uncertainty` [1, H, W], as predicted. K is C, in the units of the values; of normals it
    is 1: 0 and half the opening angle in degrees of a cone around the prediction. An end at the end of what a map can
    show (`Modality.extent`) stands for all beyond. Raises `ConfigError` where an output is not calibrated.
    """
    parts = []
    for name, channels in zip(modality.outputs, modality.interval_channels, strict=True):
        if name not in calibration.outputs:
            raise ConfigError(
                f"interval: the calibration knows no `{name}` of {name_of(modality)}; calibrate the checkpoint again"
            )
        spread, width = calibration.outputs[name], quantile(calibration, name, level)
        parts.append(width * expected_error(uncertainty, spread.scale, spread.floor).expand(channels, -1, -1))
    half, centre = torch.cat(parts), modality.centre(values)
    return (centre - half).clamp(*modality.extent), (centre + half).clamp(*modality.extent)


def covered(
    interval: tuple[Tensor, Tensor], values: Tensor, sample: Sample, modality: Modality
) -> tuple[Tensor, Tensor]:
    """Where the truth lies in the interval of a prediction [C, H, W], and where that is known; bool, [K, H, W] each."""
    truth, valid = modality.counterpart(values, sample)
    lower, upper = interval
    return (lower <= truth) & (truth <= upper), valid


def quantile(calibration: Calibration, output: str, level: float) -> float:
    """How many times the expected error of an output the share `level` of pixels stays within.

    Linear between the levels of the calibration, from 0 at 0.
    """
    return float(np.interp(level, (0.0, *calibration.levels), (0.0, *calibration.outputs[output].quantiles)))


def _differences(calibration: Calibration, settings: Settings) -> list[str]:
    """What differs but for the ensemble's size, in words."""
    found = [
        f"{name} {getattr(calibration, name)} and not {getattr(settings, name)}"
        for name in _ALIKE
        if getattr(calibration, name) != getattr(settings, name)
    ]
    if settings.compat != "none":
        found.append(f"compat none and not {settings.compat}")
    return found + ([] if settings.reduction is None else [f"the usual reduction and not {settings.reduction}"])


def _distance(calibration: Calibration, settings: Settings) -> tuple[bool, int]:
    """Ensembles that are not larger come first, and then those that are closer."""
    return calibration.ensemble > settings.ensemble, abs(calibration.ensemble - settings.ensemble)
