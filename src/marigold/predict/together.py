"""Several modalities in one go: a photo is read once, and encoded once by all that share an autoencoder."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from marigold.accel.plan import Machine, apply
from marigold.accel.precision import Precision
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.checkpoints.refiners import Found, find
from marigold.checkpoints.store import Description, bundled, describe
from marigold.core.choices import Compile, Offload
from marigold.core.device import devices_of
from marigold.core.errors import CheckpointError, ConfigError, UnknownNameError
from marigold.core.find import implementation, name_of, names, packages, unknown
from marigold.core.images import each, to_photo
from marigold.core.raster import Photo
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.predict.encodings import Encodings, shared
from marigold.predict.grouping import Group, checked, joint, parts
from marigold.predict.prediction import Prediction
from marigold.predict.predictor import Predictor, load
from marigold.predict.provenance import Provenance, weights_hash
from marigold.predict.settings import Request

if TYPE_CHECKING:
    import PIL.Image

ALL = "all"
"""Stands for every modality that has a checkpoint."""


class MultiPredictor:
    """Predictors of different modalities, used as one."""

    def __init__(self, predictors: Sequence[Predictor], batch: int | None = None) -> None:
        """Takes the predictors over; those whose autoencoders are the same will share their encodings.

        `batch` is the number of inputs, photos or members of their ensembles, that networks take at once, by the plan
        when None. Raises `ConfigError` for one out of range, and when two predictors predict the same.
        """
        self.batch = checked(batch)
        self.predictors: dict[str, Predictor] = {}
        for predictor in predictors:
            modality = name_of(predictor.estimator.modality)
            if modality in self.predictors:
                raise ConfigError(_twice(self.predictors[modality].estimator.card, predictor.estimator.card, modality))
            self.predictors[modality] = predictor
        runtimes = [predictor.runtime for predictor in self.predictors.values()]
        self._autoencoders = dict(zip(self.predictors, shared(runtimes), strict=True))

    def predict(
        self,
        image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo",
        request: Request | None = None,
    ) -> dict[str, Prediction]:
        """The predictions of one photo by modality, as `Predictor.predict` makes them one at a time."""
        if isinstance(image, str | PathLike):
            predictions = self.predict(to_photo(image), request)
            return {modality: replace(made, name=Path(image).stem) for modality, made in predictions.items()}
        photo, request, encodings = to_photo(image), request or Request(), self._encodings()
        return {
            modality: one.predict_request(photo, request, encodings=encodings[modality], batch=self.batch)
            for modality, one in self.predictors.items()
        }

    def predict_many(
        self,
        images: "Iterable[str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo]",
        request: Request | None = None,
    ) -> list[dict[str, Prediction]]:
        """The predictions of each photo by modality, as `predict` makes them, within rounding.

        Photos that have one working size in all modalities share batches, of `batch` inputs as the predictors were
        made with.
        """
        images, request = each(images), request or Request()
        named = [Path(image).stem if isinstance(image, str | PathLike) else None for image in images]
        found = self._of_each([to_photo(image) for image in images], request)
        return [
            made if name is None else {modality: replace(one, name=name) for modality, one in made.items()}
            for made, name in zip(found, named, strict=True)
        ]

    def _of_each(self, photos: Sequence[Photo], request: Request) -> list[dict[str, Prediction]]:
        found: dict[int, dict[str, Prediction]] = {}
        for part in parts([self.group(photo, request) for photo in photos]):
            encodings, together = self._encodings(), [photos[number] for number in part]
            made = {
                modality: one.predict_many(together, request, encodings=encodings[modality], batch=self.batch)
                for modality, one in self.predictors.items()
            }
            found |= {number: {name: all_[i] for name, all_ in made.items()} for i, number in enumerate(part)}
        return [found[number] for number in range(len(photos))]

    def group(self, photo: Photo, request: Request) -> Group:
        """Which photos share batches with this one. Raises `ConfigError`."""
        return joint([one.group(photo, request, self.batch) for one in self.predictors.values()])

    def foreseen(self, photo: Photo, request: Request) -> tuple[str, ...]:
        """What is to be said of a photo's size before time is spent on it. Raises `ConfigError`."""
        notes = [note for one in self.predictors.values() for note in one.foreseen(photo, request)]
        return tuple(dict.fromkeys(notes))

    def expect(self, photos: int) -> None:
        """So many photos are to come, which decides whether compiling for them repays itself."""
        for one in self.predictors.values():
            one.runtime.expect(photos)

    def _encodings(self) -> dict[str, Encodings]:
        """For each modality what keeps the latents of a call, the same for those that share an autoencoder."""
        kept = {number: Encodings() for number in self._autoencoders.values()}
        return {modality: kept[number] for modality, number in self._autoencoders.items()}

    def provenance(self, request: Request | None = None) -> dict[str, Provenance]:
        """What the results of a request are made by, by modality."""
        refined = request is not None and request.hr
        return {
            modality: Provenance(
                _with_revision(one.estimator),
                one.estimator.modality,
                one.plan.dtype,
                one.refiner_card if refined else None,
            )
            for modality, one in self.predictors.items()
        }

    def loaded(self) -> "MultiPredictor":
        """Itself; `LazyPredictors` has more to do here."""
        return self

    @property
    def device(self) -> torch.device:
        """Where the networks run, the first of them."""
        return next(iter(self.predictors.values())).plan.device

    def on_each_device(self) -> "list[MultiPredictor]":
        """Itself alone; `LazyPredictors` may have more devices."""
        return [self]


class LazyPredictors:
    """Checkpoints of different modalities, whose weights are loaded when they are needed."""

    def __init__(
        self,
        described: Mapping[str, Description],
        machine: Machine = Machine(),  # noqa: B008 (frozen)
        batch: int | None = None,
        refiners: Mapping[str, Found] | None = None,
    ) -> None:
        """Takes what `checkpoint.describe` says, by modality; the device may be `all`, for every GPU.

        `refiners` are those of a run at high resolution. Raises `ConfigError` for what the machine cannot do, or the
        batch.
        """
        self.batch = checked(batch)
        self._described, self._refiners = described, refiners or {}
        self._machines = [replace(machine, device=device) for device in devices_of(machine.device)]
        self._plan = self._machines[0].plan()

    def provenance(self, request: Request | None = None) -> dict[str, Provenance]:
        """What the results are made by, by modality; loads weights only where no revision stands for them."""
        refined = request is not None and request.hr
        refiners = {name: one.described.card for name, one in self._refiners.items()} if refined else {}
        cards = [*(one.card for one in self._described.values()), *refiners.values()]
        if not all(card.revision for card in cards) or (refined and not refiners):
            return self.loaded().provenance(request)
        return {
            name: Provenance(one.card, one.modality, self._plan.dtype, refiners.get(name))
            for name, one in self._described.items()
        }

    def loaded(self) -> MultiPredictor:
        """The predictors, loaded once; of several devices those on the first."""
        return self._together

    def differentiable(self, name: str) -> Estimator:
        """The networks of one modality on the first device, loaded once more: their layers are not rebuilt for
        inference, so that gradients pass them. Raises `ConfigError` for a modality that is not among them.
        """
        if name not in self._described:
            raise ConfigError(f"`{name}` is not predicted; add it")
        one = self._described[name]
        opened = store.open(one.folder, dtype=self._plan.dtype, trust=one.trusted, autoencoder=one.autoencoder)
        return apply(opened, replace(self._plan, offload=False))

    @property
    def device(self) -> torch.device:
        """Where the networks will run; of several devices the first."""
        return self._plan.device

    def on_each_device(self) -> "list[LazyPredictors]":
        """The same checkpoints on one device each; itself where there is one."""
        if len(self._machines) == 1:
            return [self]
        return [LazyPredictors(self._described, machine, self.batch, self._refiners) for machine in self._machines]

    @cached_property
    def _together(self) -> MultiPredictor:
        def loaded(name: str, one: Description) -> Predictor:
            refiner = self._refiners.get(name)
            how: dict[str, Any] = {**asdict(self._machines[0]), "autoencoder": one.autoencoder}
            return load(one.folder, **how, trust=one.trusted, refiner=refiner and refiner.asked)

        return MultiPredictor([loaded(*one) for one in self._described.items()], self.batch)


def load_together(
    modalities: str = ALL,
    *,
    checkpoint: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    compile: Compile = "auto",  # noqa: A002
    offload: Offload = "auto",
    trust: str | Iterable[str] = (),
    batch: int | None = None,
    autoencoder: str | None = None,
    hr: bool = False,
    refiner: str | None = None,
) -> MultiPredictor:
    """The predictors of `all` modalities that have a checkpoint, or of those named: `depth` or `depth,normals`.

    `batch` is the number of inputs that networks take at once (see `MultiPredictor`). `checkpoint` replaces bundled
    ones: names as for `load`, separated by commas, each on its own or as `MODALITY=NAME`. `autoencoder` takes the place
    of the own one of each. With `hr` the refiner of each is looked for at once, by names in `refiner` or by the
    checkpoint. A checkpoint may ask for code of the packages that `trust` names, and of the modules that
    `modalities` names itself. Raises what `load` raises, `CheckpointError` for a modality without a checkpoint or a
    checkpoint that predicts something else, and `ConfigError` for a pair whose modality is not asked for.
    """
    how: dict[str, Any] = {**asdict(Machine(device, precision, compile, offload)), "trust": trust, "batch": batch}
    return choose(modalities, checkpoint=checkpoint, autoencoder=autoencoder, hr=hr, refiner=refiner, **how).loaded()


def choose(
    modalities: str = ALL,
    *,
    checkpoint: str | None = None,
    trust: str | Iterable[str] = (),
    batch: int | None = None,
    autoencoder: str | None = None,
    hr: bool = False,
    refiner: str | None = None,
    **hardware: Any,
) -> LazyPredictors:
    """What `load_together` loads, chosen and checked, but not loaded yet; the device may be `all`, for every GPU.

    `hardware` are the other arguments of `load`, those of `Machine`.
    """
    machine = Machine(**hardware)
    trusted = packages(trust)
    wanted = [] if modalities == ALL else _split(modalities) or [modalities]
    for name in wanted:
        _check_name(name)
    plan = replace(machine, device=devices_of(machine.device)[0]).plan()
    how = {"dtype": plan.dtype, "autoencoder": autoencoder}
    found: dict[str, Description] = {}
    for named in _named_checkpoints(checkpoint):
        one = _described(named, wanted, trusted, how)
        if (name := name_of(one.modality)) in found:
            raise ConfigError(_twice(found[name].card, one.card, name))
        found[name] = one
    for name in wanted or available():
        if name not in found:
            found[name] = _bundled(name, autoencoder)
    described = {name: found[name] for name in wanted or sorted(found)}
    refined = _refiners(described, refiner, trusted, plan.dtype) if hr else {}
    return LazyPredictors(described, machine, batch, refined)


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
    if os.path.isdir(os.path.expanduser(text)):
        return [_Named(text, None)]
    entries = []
    for entry in _split(text):
        pair = re.fullmatch(r"([A-Za-z_][\w.]*)=(.+)", entry)
        entries.append(_Named(pair[2], pair[1]) if pair and not os.path.exists(entry) else _Named(entry, None))
    return entries


def _check_name(modality: str) -> None:
    """Raises `UnknownNameError` for what is no modality, or is none that a photo is analysed into."""
    every = names(Modality)
    offered = [name for name in every if implementation(Modality, name).needs]
    if modality == ALL:
        raise UnknownNameError(f"`{ALL}` stands alone, for every modality that has a checkpoint; leave the others out")
    if modality in every and modality not in offered:
        raise UnknownNameError(f"`{modality}` is what generators output; choose what to predict: {', '.join(offered)}")
    if modality not in offered and "." not in modality:
        raise UnknownNameError(unknown("modality", modality, offered))
    implementation(Modality, modality)


def _described(named: _Named, wanted: Sequence[str], trusted: tuple[str, ...], how: Mapping[str, Any]) -> Description:
    """This checkpoint, opened so (see `store.describe`), which must predict one of what is wanted (all when empty).

    It may ask for modules that the user has named as what is wanted, and for those of trusted packages.
    """
    if named.modality:
        _check_name(named.modality)
        if wanted and named.modality not in wanted:
            raise ConfigError(
                f"checkpoint: {named.modality} is not asked for; leave `{named.modality}={named.name}` out or predict "
                f"{','.join([*wanted, named.modality])}"
            )
        wanted = [named.modality]
    described = describe(named.name, trust=(*trusted, *(name for name in wanted if "." in name)), **how)
    found = name_of(described.modality)
    if wanted and found not in wanted:
        run = f"run `marigold predict {found}` or " if described.modality.needs else ""
        raise CheckpointError(
            f"checkpoint `{described.card.name}` predicts {found}, not {' or '.join(wanted)}; "
            f"{run}choose another checkpoint"
        )
    return described


def _bundled(modality: str, autoencoder: str | None) -> Description:
    if modality not in bundled():
        raise CheckpointError(
            f"no checkpoint for {modality} is bundled; name one with --checkpoint: a folder, or one of those that "
            f"`marigold models {modality}` lists"
        )
    return describe(modality, autoencoder=autoencoder)


def _refiners(
    described: Mapping[str, Description], names: str | None, trusted: tuple[str, ...], dtype: torch.dtype
) -> dict[str, Found]:
    """The refiner of each checkpoint, by modality; `names` as of `--refiner`. Raises what `refiners.find` raises."""
    how: dict[str, Any] = {"trust": trusted, "dtype": dtype}
    asked: dict[str, str] = {}
    for named in _named_checkpoints(names):
        modality = named.modality or name_of(describe(named.name, **how).modality)
        if modality in asked or modality not in described:
            what = f"`{asked[modality]}` does that too" if modality in asked else "that is not predicted"
            raise ConfigError(f"refiner: `{named.name}` refines {modality}, and {what}; leave it out")
        asked[modality] = named.name
    return {name: find(one, asked.get(name), **how) for name, one in described.items()}


def _with_revision(estimator: Estimator) -> Card:
    card = estimator.card
    return replace(card, revision=card.revision or weights_hash(estimator))


def _twice(one: Card, other: Card, modality: str) -> str:
    return f"checkpoint: `{one.name}` and `{other.name}` both predict {modality}; name one of them"


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
