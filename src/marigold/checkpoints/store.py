"""Opens a checkpoint by bundled name, folder or hub id; saves one as a diffusers folder with a card.

A checkpoint is a folder as diffusers writes it (`model_index.json`, `unet/`, `vae/`, `scheduler/`) plus `card.json` and
`empty_prompt.safetensors`, the embedding that stands where a generator had words. An adapter is a small folder whose
card says which checkpoint it is added to when it is opened (`checkpoints/bases.py`).
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from marigold.backbones.base import Backbone
from marigold.checkpoints import adapters, autoencoders, bases, catalogue
from marigold.checkpoints import card as cards
from marigold.checkpoints.adapters import Adapter, Base
from marigold.checkpoints.card import Card
from marigold.checkpoints.catalogue import Description, bundled
from marigold.checkpoints.hub import fetch, is_hub_id
from marigold.checkpoints.layout import INDEX, foreign_files, is_adapter, is_decoder
from marigold.checkpoints.published import published
from marigold.core.console import printable
from marigold.core.device import resolve_device
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, OutputError, UnknownNameError
from marigold.core.files import as_path, delete_leftovers, whole_folder, write_json
from marigold.core.find import implementation, name_of, packages, unknown
from marigold.core.plain import shown
from marigold.estimator import Estimator
from marigold.modalities.base import Modality

_NO_PIPELINE = "DiffusionPipeline"
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_STATED = {"default_denoising_steps": "steps", "default_processing_resolution": "resolution"}
"""The card's defaults that diffusers' pipelines read, by their names there."""


def open(  # noqa: A001
    name: str | Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    trust: str | Iterable[str] = (),
    autoencoder: str | Path | None = None,
) -> Estimator:
    """The checkpoint called `name`: a bundled one, a folder in diffusers' layout, or a hub id `organisation/name`.

    A branch, tag or commit may follow a hub id, `organisation/name@REVISION`. A checkpoint whose modality or backbone
    is code of another package opens only if `trust` names that package, as in `"my_package"`: its code runs. Raises
    `UnknownNameError` for a name that stands for nothing, `CheckpointError` for what cannot be used, and `ConfigError`
    for a device, a `dtype` or a `trust` that cannot be used. An adapter opens as the checkpoint that comes out when it
    is added to its base, which must be on this machine and have the weights that it was trained on. For a `dtype` of
    half precision the variant of a checkpoint that is stored in it is fetched and read, where there is one.
    `autoencoder` takes the place of its own (`checkpoints/autoencoders.py`); the card's `revision` then names it too.
    """
    device = resolve_device(device)
    _check_dtype(dtype, ConfigError)
    described = describe(name, trust=trust, dtype=dtype, autoencoder=autoencoder)
    return read(described, dtype).to(device=device, dtype=dtype)


def read(described: Description, dtype: torch.dtype, instead: Mapping[str, str] | None = None) -> Estimator:
    """The checkpoint of a description, on the CPU; `instead` names parts of its folder to be read in place of others.

    Raises `CheckpointError`.
    """
    folder, card, modality = described.folder, described.card, described.modality
    kind = catalogue.named_in_card(Backbone, card.backbone, folder, described.trusted)
    if described.base:
        backbone = bases.read(kind, described)
    else:
        parts = bases.parts(folder, card)
        backbone = kind.read({**parts, **{part: parts[name] for part, name in (instead or {}).items()}}, card, dtype)
    _check(folder, card, modality, backbone)
    if described.autoencoder:
        backbone.replace_autoencoder(described.autoencoder)
    return Estimator(backbone, modality, card).eval()


def describe(
    name: str | Path,
    *,
    trust: str | Iterable[str] = (),
    dtype: torch.dtype = torch.float32,
    autoencoder: str | Path | None = None,
) -> Description:
    """The checkpoint that `open` would open with this `dtype`; no weights are read.

    Raises what `open` raises, but for what is wrong with the networks.
    """
    trusted = packages(trust)
    described = catalogue.describe(str(name), _locate(name, dtype), trusted)
    if is_adapter(described.folder):
        described = dataclasses.replace(described, base=bases.find(described))
    return described if autoencoder is None else _with_autoencoder(described, autoencoder)


def _with_autoencoder(described: Description, name: str | Path) -> Description:
    """A checkpoint with another autoencoder: its intervals were calibrated with its own, and its revision names both.

    A checkpoint without a revision stays so, since only all of its weights stand for it.
    """
    whole = described.base or described
    folder = autoencoders.find(name, bases.parts(whole.folder, whole.card), described.card.name)
    label, card = autoencoders.label(folder), described.card
    revision = f"{card.revision}+{label}" if card.revision else ""
    return dataclasses.replace(
        described, card=dataclasses.replace(card, revision=revision, calibration=()), autoencoder=folder
    )


def save(
    estimator: Estimator,
    folder: str | Path,
    *,
    dtype: torch.dtype | None = None,
    shares: Mapping[str, str] | None = None,
    adapter: Adapter | None = None,
) -> None:
    """Writes the estimator as a folder that `open` and diffusers read; weights as `dtype`, or as they are when None.

    `shares` names parts that are left out because another bundled checkpoint has them: `{"vae": "tiny-autoencoder"}`.
    An `adapter` is written in place of the networks, and the card's `base` says which ones it is added to. A checkpoint
    that is already there is replaced once the complete new one is written; a failure leaves it as it was
    and raises `OutputError`, and so does a file in its folder that is no part of a checkpoint. The card's `revision`
    becomes a hash of the weights.
    """
    folder = as_path(folder, "folder")
    if not isinstance(estimator, Estimator):
        raise OutputError(f"an object of type {type(estimator).__name__} is no checkpoint; give an estimator")
    if not isinstance(shares or {}, Mapping):
        raise OutputError(f"shares: {shown(shares)} names no parts; give a mapping such as {{'vae': 'generator'}}")
    if dtype is not None:
        _check_dtype(dtype, OutputError)
    with _replaced(folder) as part:
        if adapter:
            estimator.backbone.write(part, leave_out={*estimator.backbone.index()} - {bases.SCHEDULE})
            adapters.write(part, adapter, Base(**estimator.card.base))
        else:
            estimator.backbone.write(part, dtype, leave_out=tuple(shares or ()))
            write_json(part / INDEX, _index(estimator))
        card = dataclasses.replace(
            estimator.card,
            modality=name_of(estimator.modality),
            backbone=name_of(estimator.backbone),
            options=_options(estimator.modality),
            shares=dict(shares or {}),
            base=estimator.card.base if adapter else {},
            revision=_revision(part),
        )
        card.write(part)


def save_decoder(estimator: Estimator, folder: str | Path) -> None:
    """Writes the estimator's small decoder with a card as a folder that `open` takes as an `autoencoder`.

    A decoder or checkpoint that is there is replaced as in `save`. Raises `OutputError`.
    """
    with _replaced(as_path(folder, "folder")) as part:
        estimator.backbone.write_decoder(part)
        names = {"modality": name_of(estimator.modality), "backbone": name_of(estimator.backbone)}
        dataclasses.replace(estimator.card, **names, base={}, revision=_revision(part)).write(part)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes a checkpoint's place. Raises `OutputError` where anything else would be lost."""
    _check_replaceable(folder)
    delete_leftovers(folder.parent, folder.name)
    with whole_folder(folder) as part:
        yield part
        if foreign := foreign_files(folder, part):
            raise OutputError(
                f"{printable(folder / foreign[0])}: is no part of a checkpoint and would be lost; move it, or choose "
                "another folder"
            )


def _check_dtype(dtype: object, raises: type[MarigoldError]) -> None:
    if dtype not in _DTYPES:
        known = ", ".join(map(str, _DTYPES))
        raise raises(f"dtype: {shown(dtype)} is no number type of weights; use {known}")


def _locate(name: str | Path, dtype: torch.dtype) -> Path:
    """The folder of a checkpoint, fetched from the hub if its name is a hub id."""
    if not isinstance(name, str | PathLike):
        raise CheckpointError(
            f"an object of type `{type(name).__name__}` names no checkpoint; give a bundled name, a folder or a hub id"
        )
    if str(name) in bundled():
        return catalogue.BUNDLED / str(name)
    if os.path.isdir(folder := Path(os.path.expanduser(name))):
        if not (os.path.isfile(folder / INDEX) or is_adapter(folder)):
            raise CheckpointError(f"{folder}: holds no {INDEX}; give the folder that diffusers' save_pretrained wrote")
        return folder
    if "://" in str(name):
        raise CheckpointError(f"{name}: an address; give the hub id alone, `organisation/name`, or a folder")
    if isinstance(name, str) and is_hub_id(name):
        known = published().get(name.partition("@")[0])
        return fetch(name, _instead(known.modality if known else None), known=known is not None, dtype=dtype)
    if "/" in str(name) or isinstance(name, Path):
        raise CheckpointError(f"{name}: no such folder; give a checkpoint's folder, or one of: {', '.join(bundled())}")
    raise UnknownNameError(unknown("checkpoint", name, bundled()))


def _instead(modality: str | None) -> list[str]:
    """The bundled checkpoints that predict the modality or, where none does, all that predict something."""
    predicted = {name: Card.read(catalogue.BUNDLED / name).modality for name in bundled()}
    refiners = {catalogue.refiner_of(one) for one in predicted.values()}
    useful = [name for name, one in predicted.items() if implementation(Modality, one).needs and name not in refiners]
    return [name for name in useful if predicted[name] == modality] or useful


def _check(folder: Path, card: Card, modality: Modality, backbone: Backbone) -> None:
    """Raises `CheckpointError` where the card, the modality and the network do not fit together."""
    if not 0 <= (card.convention.timestep or 0) < backbone.schedule.length:
        raise CheckpointError(
            f"{folder}: `convention.timestep` {card.convention.timestep} is not one of the times 0 to "
            f"{backbone.schedule.length - 1}; correct it in {cards.FILE}"
        )
    if modality.needs and not backbone.conditions:
        raise CheckpointError(
            f"{folder}: the network takes a single latent, as generators do; if `{card.modality}` is predicted from "
            f'the photo alone, set `"convention": {{"start": "nothing"}}` in {cards.FILE}, with `timestep` and `output`'
        )
    if backbone.targets != len(modality.targets):
        raise CheckpointError(
            f"{folder}: the network predicts {backbone.targets} targets, but `{card.modality}` has "
            f"{len(modality.targets)}; correct `modality` in {cards.FILE}"
        )


def _options(modality: Modality) -> dict[str, Any]:
    return dataclasses.asdict(modality) if dataclasses.is_dataclass(modality) else {}


def _index(estimator: Estimator) -> dict[str, Any]:
    """The content of `model_index.json`."""
    from diffusers import __version__

    modality, card = estimator.modality, estimator.card
    runs_there = modality.pipelines and card.convention.start != "nothing" and estimator.backbone.conditions <= 1
    stated = {key: card.defaults[name] for key, name in _STATED.items() if name in card.defaults}
    return {
        "_class_name": modality.pipelines[0] if runs_there else _NO_PIPELINE,
        "_diffusers_version": __version__,
        **estimator.backbone.index(),
        **(stated if modality.needs else {}),
        **{key: value for key, value in modality.options().items() if value is not None},
    }


def _revision(folder: Path) -> str:
    """The first twelve digits of the hash of all weights in the folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def _check_replaceable(folder: Path) -> None:
    """Raises `OutputError` for what is there and is neither a checkpoint nor an empty folder, and for no name."""
    if folder.name in ("", ".."):
        raise OutputError(f"{folder}: has no name of its own, by which it could be replaced; give a folder by its name")
    try:
        ours = (folder / INDEX).is_file() or is_adapter(folder) or is_decoder(folder)
        replaceable = folder.is_dir() and (ours or not any(folder.iterdir()))
        there = folder.exists()
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder}: cannot be looked into ({error}); choose another folder") from error
    if there and not replaceable:
        raise OutputError(f"{folder}: is there and is no checkpoint; choose another folder")
