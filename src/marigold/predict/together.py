"""Several modalities in one go: a photo is read once, and encoded once by all that share an autoencoder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from marigold.accel.precision import Precision
from marigold.checkpoint import bundled
from marigold.core.errors import CheckpointError, ConfigError, UnknownNameError
from marigold.core.find import implementation, name_of, names, unknown
from marigold.core.images import read_image, to_image
from marigold.modalities.base import Modality
from marigold.predict.encodings import share_encodings
from marigold.predict.prediction import Prediction
from marigold.predict.predictor import Predictor, load
from marigold.predict.request import Request

if TYPE_CHECKING:
    import PIL.Image

ALL = "all"
"""Stands for every modality that has a checkpoint."""


class Together:
    """Predictors of different modalities, used as one."""

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        """Takes the predictors over; those whose autoencoders are the same will share their encodings.

        Raises `ConfigError` when two of them predict the same.
        """
        self.predictors: dict[str, Predictor] = {}
        for predictor in predictors:
            modality = name_of(predictor.estimator.modality)
            if modality in self.predictors:
                one, other = (found.estimator.card.name for found in (self.predictors[modality], predictor))
                raise ConfigError(f"checkpoint: `{one}` and `{other}` both predict {modality}; name one of them")
            self.predictors[modality] = predictor
        share_encodings(self.predictors.values())

    def predict(
        self, image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor", request: Request | None = None
    ) -> dict[str, Prediction]:
        """The predictions of one photo by modality, as `Predictor.predict` makes them one at a time."""
        if isinstance(image, str | PathLike):
            predictions = self.predict(read_image(image), request)
            return {modality: replace(made, name=Path(image).stem) for modality, made in predictions.items()}
        photo = to_image(image)
        settings = (request or Request()).keywords()
        return {modality: one.predict(photo, **settings) for modality, one in self.predictors.items()}


def load_together(
    modalities: str = ALL, *, checkpoint: str | None = None, device: str = "auto", precision: Precision = "auto"
) -> Together:
    """The predictors of `all` modalities that have a checkpoint, or of those named: `depth` or `depth,normals`.

    `checkpoint` replaces bundled ones: names as for `load`, separated by commas, each on its own or as `MODALITY=NAME`.
    Raises what `load` raises, `CheckpointError` for a modality without a checkpoint or a checkpoint that predicts
    something else, and `ConfigError` for a pair whose modality is not asked for.
    """
    wanted = [] if modalities == ALL else _split(modalities) or [modalities]
    for name in wanted:
        _check_name(name)
    predictors = [_load(named, wanted, device, precision) for named in _named_checkpoints(checkpoint)]
    found = {name_of(predictor.estimator.modality) for predictor in predictors}
    missing = [name for name in wanted or available() if name not in found]
    together = Together([*predictors, *(_load_bundled(name, device, precision) for name in missing)])
    order = wanted or sorted(together.predictors)
    together.predictors = {name: together.predictors[name] for name in order}
    return together


def available() -> list[str]:
    """The modalities that have a bundled checkpoint."""
    return [name for name in names(Modality) if name in bundled()]


@dataclass(frozen=True)
class _Named:
    """One entry of `--checkpoint`."""

    name: str
    modality: str | None
    """What it has to predict, if that is said."""


def _named_checkpoints(text: str | None) -> list[_Named]:
    if not text:
        return []
    if Path(text).expanduser().is_dir():
        return [_Named(text, None)]
    entries = []
    for entry in _split(text):
        pair = re.fullmatch(r"([A-Za-z_][\w.]*)=(.+)", entry)
        entries.append(_Named(pair[2], pair[1]) if pair and not Path(entry).exists() else _Named(entry, None))
    return entries


def _check_name(modality: str) -> None:
    """Raises `UnknownNameError` for what is no modality, or is none that a photo is analysed into."""
    every = names(Modality)
    offered = [name for name in every if implementation(Modality, name).needs]
    if modality == ALL:
        raise UnknownNameError(f"`{ALL}` stands alone, for every modality that has a checkpoint; leave the others out")
    if modality in every and modality not in offered:
        raise UnknownNameError(f"`{modality}` is what generators paint; choose what to predict: {', '.join(offered)}")
    if modality not in offered and "." not in modality:
        raise UnknownNameError(unknown("modality", modality, offered))
    implementation(Modality, modality)


def _load(named: _Named, wanted: Sequence[str], device: str, precision: Precision) -> Predictor:
    """The predictor with this checkpoint; it must predict one of what is wanted (anything when that is empty)."""
    if named.modality:
        _check_name(named.modality)
        if wanted and named.modality not in wanted:
            raise ConfigError(
                f"checkpoint: {named.modality} is not asked for; leave `{named.modality}={named.name}` out or predict "
                f"{','.join([*wanted, named.modality])}"
            )
        wanted = [named.modality]
    predictor = load(named.name, device=device, precision=precision)
    found = name_of(predictor.estimator.modality)
    if wanted and found not in wanted:
        name = predictor.estimator.card.name
        raise CheckpointError(
            f"checkpoint `{name}` predicts {found}, not {' or '.join(wanted)}; "
            f"run `marigold predict {found}` or choose another checkpoint"
        )
    return predictor


def _load_bundled(modality: str, device: str, precision: Precision) -> Predictor:
    if modality not in bundled():
        raise CheckpointError(
            f"no checkpoint for {modality} is bundled; name one with --checkpoint: a folder, or one of those that "
            f"`marigold models {modality}` lists"
        )
    return load(modality, device=device, precision=precision)


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
