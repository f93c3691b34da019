"""How far a checkpoint is off on held-out images, beside how far its members disagree: what intervals are made by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.checkpoints.calibration import FEWEST, Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, RefusedSampleError
from marigold.core.find import name_of
from marigold.core.images import to_image
from marigold.core.sample import Sample
from marigold.data import border
from marigold.datasets.base import Dataset
from marigold.measure.conformal import expected_error, fitted_spread, hierarchical_quantiles
from marigold.modalities.base import Modality
from marigold.predict.infer import infer
from marigold.predict.interval import quantile
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request, Settings

LEVELS = (*(step / 20 for step in range(1, 20)), 0.975, 0.99)
"""The shares of pixels that quantiles are stored for."""
POINTS = 4096
"""An image is looked at on a regular grid of about so many pixels, which count alike."""


@dataclass(frozen=True)
class Observation:
    """One image: by output the errors and the members' deviations at the pixels whose truth is known, [P] each."""

    key: str
    outputs: Mapping[str, tuple[Tensor, Tensor]]


def fit(
    predictor: Predictor,
    dataset: Dataset,
    root: Path,
    keys: Sequence[str],
    request: Request = Request(),  # noqa: B008 frozen
    *,
    data: str = "",
    progress: bool = True,
) -> Calibration:
    """The calibration of a predictor with the settings of a request, from images that it was not trained on.

    `data` says which, for the card; when empty, the data set's name and the number of keys. Raises `ConfigError` for an
    ensemble of fewer than three and for other settings that cannot be used, `DataError` for samples that cannot be
    read, and what `infer` raises.
    """
    settings = settings_of(predictor.estimator.card, request)
    observed = list(observations(predictor, dataset, root, keys, settings, progress=progress))
    return fitted(observed, settings, predictor.estimator.modality, data or f"{name_of(dataset)}, {len(keys)} images")


def settings_of(card: Card, request: Request) -> Settings:
    """The settings of a request to a checkpoint; raises `ConfigError` where their uncertainty cannot be calibrated."""
    settings = request.settings(card.defaults)
    if settings.ensemble < FEWEST:
        raise ConfigError(
            f"ensemble: {settings.ensemble} members do not tell how far they disagree; give --ensemble {FEWEST} or more"
        )
    for name, usual in (("compat", "none"), ("reduction", None)):
        if (found := getattr(settings, name)) != usual:
            raise ConfigError(f"{name}: intervals are not calibrated with {found}; leave it out")
    return settings


def observations(
    predictor: Predictor,
    dataset: Dataset,
    root: Path,
    keys: Sequence[str],
    settings: Settings,
    *,
    progress: bool = True,
) -> Iterator[Observation]:
    """What is seen of each image; those that the data set's own rules refuse are left out."""
    modality = predictor.estimator.modality
    shown = None if progress else True
    for key in tqdm(keys, desc=printable(predictor.estimator.card.name), unit="photo", disable=shown):
        try:
            sample = border.read(dataset, root, key)
        except RefusedSampleError:
            continue
        found = infer(predictor.runtime, to_image(sample.image), settings)
        if found.uncertainty is None:
            raise ConfigError("ensemble: the checkpoint's members are all the same; they say nothing of the error")
        yield Observation(key, observe(found.values, found.uncertainty, sample, modality))


def observe(
    values: Tensor, uncertainty: Tensor, sample: Sample, modality: Modality
) -> dict[str, tuple[Tensor, Tensor]]:
    """The errors of a prediction [C, H, W] and the deviations [1, H, W] beside them, [P] each, by output.

    Errors are in the units of the map, as `Modality.counterpart` says; channels count as pixels.
    """
    truth, valid = modality.counterpart(values, sample)
    error = (truth - modality.centre(values)).abs()
    step = max(1, round((error.shape[-2] * error.shape[-1] / POINTS) ** 0.5))
    grid = (..., slice(step // 2, None, step), slice(step // 2, None, step))
    parts = [map_[grid].split(modality.interval_channels) for map_ in (error, valid, uncertainty.expand_as(error))]
    by_output = zip(modality.outputs, *parts, strict=True)
    return {name: (wrong[known].cpu(), spread[known].cpu()) for name, wrong, known, spread in by_output}


def fitted(observed: Sequence[Observation], settings: Settings, modality: Modality, data: str) -> Calibration:
    """The calibration that observations give, all of them made with these settings. Raises `DataError`."""
    outputs = {name: _spread(name, observed) for name in modality.outputs}
    finite = min(sum(one < float("inf") for one in spread) for *_, spread in outputs.values())
    return Calibration(
        steps=settings.steps,
        ensemble=settings.ensemble,
        resolution=settings.resolution,
        sizing=settings.sizing,
        tta=settings.tta,
        images=len(observed),
        data=data,
        levels=LEVELS[:finite],
        outputs={
            name: Spread(scale, floor, tuple(map(_rounded, quantiles[:finite])))
            for name, (scale, floor, quantiles) in outputs.items()
        },
    )


def coverage(observed: Iterable[Observation], calibration: Calibration, level: float) -> dict[str, Tensor]:
    """For each output the share of pixels of each image, [N], that lie in its interval of a level.

    Images without a pixel whose truth is known are left out.
    """
    found: dict[str, list[float]] = {name: [] for name in calibration.outputs}
    for one in observed:
        for name, (errors, deviations) in one.outputs.items():
            if len(errors):
                spread = calibration.outputs[name]
                half = quantile(calibration, name, level) * expected_error(deviations, spread.scale, spread.floor)
                found[name].append(float((errors <= half).double().mean()))
    return {name: torch.tensor(shares, dtype=torch.float64) for name, shares in found.items()}


def _spread(name: str, observed: Sequence[Observation]) -> tuple[float, float, list[float]]:
    """Scale and floor of one output, and the quantiles of errors relative to them."""
    pairs = [one.outputs[name] for one in observed if len(one.outputs[name][0])]
    if not pairs:
        raise DataError(f"{name}: no image has a pixel whose truth is known; calibrate on other samples")
    scale, floor = map(_rounded, fitted_spread(*map(list, zip(*pairs, strict=True))))
    scores = [errors / expected_error(deviations, scale, floor) for errors, deviations in pairs]
    return scale, floor, hierarchical_quantiles(scores, LEVELS)


def _rounded(number: float) -> float:
    """To six digits, as a card holds it."""
    return float(f"{number:.6g}")
