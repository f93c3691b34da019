"""Who is evaluated: a checkpoint, somebody's object, or a folder of predictions; and what a result says of them."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from marigold.accel.precision import precision_name
from marigold.checkpoints import adapters
from marigold.core.config import decode
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.evaluate import ceiling
from marigold.evaluate.answers import Answers
from marigold.evaluate.checkpoint import CheckpointAnswers
from marigold.evaluate.model import Model, ModelAnswers
from marigold.evaluate.predictions import PredictionFolder
from marigold.evaluate.task import Method
from marigold.modalities.base import Modality
from marigold.predict.predictor import Predictor
from marigold.predict.settings import HARDWARE, Request, Settings

_AS_THE_CARD_SAYS = Request()
_OF_THE_NETWORKS = ("checkpoint", "autoencoder", "refiner", *HARDWARE)
"""Fields of a request that a predictor is loaded by."""


class Source(ABC):
    """Gives answers to the sets of a suite, each by its own settings."""

    name: str
    """What tables and folders call it."""
    modality: Modality
    device: str = "cpu"

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What a result says of it, under `model`: `kind`, and what tells it from others."""

    @abstractmethod
    def answers(self, prediction: Mapping[str, Any], folder: str = "") -> Answers:
        """Its answers by a set's settings, fields of `Request`; `folder` is what a suite calls the set's folder."""

    def stated(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that those answers are made by, with nothing left open; none where they are not known."""
        return {}

    def state(self) -> str:
        """A text that changes when its answers may have changed though its facts are the same."""
        return ""

    @property
    def reconstruct(self) -> Method | None:
        """The truth through its autoencoder, if it has one."""
        return None


class Given(Source):
    """An object with one method, or a folder of predictions."""

    def __init__(self, kind: str, answers: Answers, modality: Modality, facts: Mapping[str, Any] | None = None) -> None:
        self.name, self.modality = answers.name, modality
        self._kind, self._answers, self._facts = kind, answers, facts or {}

    def facts(self) -> dict[str, Any]:
        """The kind, and what else is given."""
        return {"name": self.name, "kind": self._kind, "modality": name_of(self.modality), **self._facts}

    def answers(self, prediction: Mapping[str, Any], folder: str = "") -> Answers:
        """The same for all sets: how they were made is not known here."""
        return self._answers


class Files(Given):
    """A folder of predictions; those of a set of a suite lie in its own folder there, where there is one."""

    def __init__(self, answers: PredictionFolder) -> None:
        facts = {"folder": str(answers.folder), "pattern": answers.pattern}
        super().__init__("predictions", answers, answers.modality, facts)
        self._files = answers

    def answers(self, prediction: Mapping[str, Any], folder: str = "") -> Answers:
        """From the set's folder, or from the whole."""
        own = self._files.folder / folder
        return PredictionFolder(own, self.modality, self.name, self._files.pattern) if own.is_dir() else self._files

    def state(self) -> str:
        """Of the names, sizes and times of all files in the folder."""
        found = []
        for place, folders, files in os.walk(self._files.folder):
            folders.sort()
            for file in sorted(files):
                with suppress(OSError):
                    facts = os.stat(os.path.join(place, file))
                    found.append(f"{place} {file} {facts.st_size} {facts.st_mtime_ns}")
        return hashlib.sha256("\n".join(found).encode("utf-8", "surrogateescape")).hexdigest()


def of_model(model: Model, modality: Modality, name: str = "") -> Source:
    """An object with a method `predict(photo)`; see `Model`."""
    return Given("object", ModelAnswers(model, modality, name), modality, {"class": type(model).__qualname__})


def of_folder(folder: Path, modality: Modality, name: str = "", pattern: str = "") -> Source:
    """Predictions in files; see `PredictionFolder`."""
    return Files(PredictionFolder(folder, modality, name, pattern))


class Checkpoint(Source):
    """A checkpoint, as `marigold predict` uses it."""

    def __init__(self, predictor: Predictor, request: Request = _AS_THE_CARD_SAYS, name: str = "") -> None:
        """What `request` states goes before a set's settings."""
        self.predictor, self.request = predictor, request
        self.name = name or predictor.estimator.card.name
        self.modality = predictor.estimator.modality
        self.device = str(predictor.plan.device)

    def facts(self) -> dict[str, Any]:
        """From the card, and a digest of the weights, which depends on the precision that they are loaded in."""
        card = self.predictor.estimator.card
        return {
            "name": self.name,
            "kind": "checkpoint",
            "modality": card.modality,
            "checkpoint": card.name,
            "revision": card.revision,
            "licence": card.licence,
            "recipe": card.recipe,
            "weights": f"{self._digest} in {precision_name(self.predictor.plan.dtype)}",
        }

    def settings(self, prediction: Mapping[str, Any]) -> Settings:
        """Those of a set, with what the request states in front and what the card recommends behind."""
        given = {key: value for key, value in prediction.items() if key != "precision"}
        asked = {**given, **stated(self.request)}
        asked = {key: value for key, value in asked.items() if key not in _OF_THE_NETWORKS}
        request = decode(Request, asked, "prediction")
        return self.predictor.settings(replace(request, match_input=True))

    def answers(self, prediction: Mapping[str, Any], folder: str = "") -> Answers:
        """The values that a user gets, to the bit."""
        return CheckpointAnswers(self.predictor, self.settings(prediction), self.name)

    def stated(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """All settings and the precision."""
        settings = {key: value for key, value in asdict(self.settings(prediction)).items() if value is not None}
        return {**settings, "precision": precision_name(self.predictor.plan.dtype)}

    @property
    def reconstruct(self) -> Method:
        """The truth through this checkpoint's autoencoder."""
        return partial(ceiling.reconstructed, self.predictor.estimator, device=self.predictor.plan.device)

    @cached_property
    def _digest(self) -> str:
        backbone = self.predictor.estimator.backbone
        return adapters.digest(backbone.denoiser, backbone.autoencoder)


def stated(request: Request) -> dict[str, Any]:
    """The fields of a request that somebody has set."""
    usual = Request()
    return {
        field.name: value
        for field in fields(Request)
        if (value := getattr(request, field.name)) != getattr(usual, field.name)
    }


def precision_of(predictions: list[Mapping[str, Any]]) -> str:
    """The precision that sets ask for, which is one for all, since networks are loaded once. Raises `ConfigError`."""
    found = {str(prediction.get("precision", "auto")) for prediction in predictions}
    if len(found) > 1:
        raise ConfigError(f"prediction: sets ask for {' and '.join(sorted(found))}; a suite has one precision")
    return found.pop() if found else "auto"
