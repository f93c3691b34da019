"""Checkpoints that others published: the ones that are known by name, and the card of a folder that has none.

Nothing here loads weights: what a folder predicts, and how its network is to be called, follows from the configurations
beside them and, where those are silent, from its name. Each modality states what belongs to it.
"""

import json
import os
import re
import reprlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marigold.checkpoints import card as cards
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.checkpoints.layout import INDEX, read_json, snapshot
from marigold.core.config import decode
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.find import implementation, names
from marigold.modalities.base import Modality

FALLBACK = {"steps": 10, "resolution": 768, "ensemble": 1}
"""The settings of a published checkpoint that states none."""

_SHOWN = 80
"""Characters of a text that a message repeats."""
_LOTUS_PIPELINES = ("LotusGPipeline", "LotusDPipeline", "DirectDiffusionPipeline")


@dataclass(frozen=True)
class Published:
    """A checkpoint on the hub that opens here by its id."""

    name: str
    modality: str
    licence: str
    """Of the weights; `none stated` where their authors state none."""


def published() -> dict[str, Published]:
    """Every checkpoint on the hub that a modality states, by its id."""
    return {
        hub_id: Published(hub_id, name, licence)
        for name, kind in _modalities()
        for hub_id, licence in kind.published.items()
    }


def derived_card(name: str, folder: Path, index: Mapping[str, Any]) -> Card:
    """The card of a folder that has none; `name` is what it was asked for by, `index` its `model_index.json`.

    Raises `CheckpointError` with the keys that a card must state where neither configurations nor name say enough.
    """
    stated = {"steps": index.get("default_denoising_steps"), "resolution": index.get("default_processing_resolution")}
    stated = {key: value for key, value in stated.items() if value}
    cards.check_defaults(stated, folder / INDEX)
    check_targets(index, (), folder / INDEX)
    name, revision = snapshot(folder) or (name, "")
    known = published().get(name)
    card = Card(
        name=Path(os.path.abspath(name)).name,
        modality="",
        licence=known.licence if known else "",
        defaults={**_fallback(folder), **stated},
        revision=revision,
        source=name,
    )
    if _is_lotus(folder, index):
        return _lotus(card, folder, index)
    if {"e2e", "ft"} <= _words(card.name):
        return _end_to_end(card, folder, index)
    return replace(card, modality=_modality(card.name, folder, index))


def check_targets(content: Mapping[str, Any], targets: Collection[str], file: Path) -> None:
    """Raises `CheckpointError` naming file and key unless what `target_properties` says of these can be read."""
    try:
        properties = decode(dict[str, Any], content.get("target_properties") or {}, "target_properties")
        decode(tuple[str, ...], properties.get("target_names", ()), "target_properties.target_names")
        for name in targets:
            path = f"target_properties.{name}"
            stated = decode(dict[str, Any], properties.get(name) or {}, path)
            decode(tuple[str | None, ...], stated.get("sub_target_names", ()), f"{path}.sub_target_names")
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; correct it") from error


def stated_convention(folder: Path, index: Mapping[str, Any]) -> Convention:
    """The convention that the configurations imply: that of Lotus (He et al. 2025), or the default.

    Its network outputs the clean latent at the last time, whatever the scheduler's configuration says; the switch
    [1, 0] asks for the map rather than the photo. One with a single latent as its input sees the photo alone.
    """
    if not _is_lotus(folder, index):
        return Convention()
    return Convention(
        start="noise" if _sees_a_photo(folder) else "nothing",
        timestep=_last_time(folder),
        switch=(1.0, 0.0) if _has_switch(folder) else (),
        output="sample",
    )


def _modalities() -> Iterator[tuple[str, type[Modality]]]:
    return ((name, implementation(Modality, name)) for name in names(Modality))


def _modality(name: str, folder: Path, index: Mapping[str, Any]) -> str:
    """What a published pipeline predicts: the modality that recognises it most surely."""
    kind, words = str(index.get("_class_name", ""))[:_SHOWN], _words(name)
    found, modality = max(_modalities(), key=lambda one: one[1].recognises(index, words))
    if not modality.recognises(index, words):
        targets = reprlib.repr(list((index.get("target_properties") or {}).get("target_names", ())))
        raise CheckpointError(
            f"{folder / INDEX}: no modality is known for a `{kind}` with prediction_type "
            f"`{str(index.get('prediction_type'))[:_SHOWN]}` and targets {targets}; if there is one, add a "
            f"{cards.FILE} with `name` and `modality`"
        )
    if not modality.needs and _sees_a_photo(folder):
        raise CheckpointError(
            f"{folder}: a `{kind}` whose network sees a photo beside its latent; nothing says what it predicts and how "
            f"it is called: add a {cards.FILE} with `name`, `modality` and, if it takes a single step, `convention`"
        )
    return found


def _end_to_end(card: Card, folder: Path, index: Mapping[str, Any]) -> Card:
    """A network tuned end to end for one step (Garcia et al. 2025): it starts from zeros at the last time.

    Its training pads the empty prompt.
    """
    modality, options = _named(card.name) or (_modality(card.name, folder, index), None)
    if options is None:
        options = implementation(Modality, modality).single_step.get(modality, {})
    convention = Convention(start="zeros", timestep=_last_time(folder))
    return replace(_single_step(card, modality, options), convention=convention, prompt_padded=True)


def _lotus(card: Card, folder: Path, index: Mapping[str, Any]) -> Card:
    """A network of Lotus (He et al. 2025)."""
    found = _named(card.name)
    if found is None:
        words = {word: json.dumps(options) for _, kind in _modalities() for word, options in kind.single_step.items()}
        options = " and ".join(f"{options} for {word}" for word, options in words.items() if options != "{}")
        raise CheckpointError(
            f"{folder}: a network of Lotus, but its name does not say whether it predicts {' or '.join(words)}; add a "
            f"{cards.FILE} with `name`, `modality` and `options`, which are {options}"
        )
    return replace(_single_step(card, *found), convention=stated_convention(folder, index))


def _named(name: str) -> tuple[str, Mapping[str, Any]] | None:
    """What a single-step network predicts by the words of its name, with the modality's options there."""
    words = _words(name)
    stated = ((found, *entry) for found, kind in _modalities() for entry in kind.single_step.items())
    return next(((found, options) for found, word, options in stated if word in words), None)


def _single_step(card: Card, modality: str, options: Mapping[str, Any]) -> Card:
    return replace(card, modality=modality, options=dict(options), defaults={**card.defaults, "steps": 1})


def _fallback(folder: Path) -> dict[str, int]:
    """The settings where none are stated; consistency models are made for one step."""
    kind = _configuration(folder / "scheduler" / "scheduler_config.json").get("_class_name")
    return {**FALLBACK, "steps": 1} if kind == "LCMScheduler" else FALLBACK


def _is_lotus(folder: Path, index: Mapping[str, Any]) -> bool:
    """By the pipeline's class, or by the task switch that its U-Net embeds in place of a class."""
    return index.get("_class_name") in _LOTUS_PIPELINES or _has_switch(folder)


def _has_switch(folder: Path) -> bool:
    unet = _configuration(folder / "unet" / "config.json")
    return unet.get("class_embed_type") == "projection" and unet.get("projection_class_embeddings_input_dim") == 4


def _sees_a_photo(folder: Path) -> bool:
    unet = folder / "unet" / "config.json"
    return _number(unet, "in_channels", 4) > _number(unet, "out_channels", 4)


def _last_time(folder: Path) -> int:
    return _number(folder / "scheduler" / "scheduler_config.json", "num_train_timesteps", 1000) - 1


def _number(file: Path, key: str, default: int) -> int:
    """A whole number in a configuration; raises `CheckpointError` naming file and key for anything else."""
    try:
        return decode(int, _configuration(file).get(key, default), key)
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; correct it") from error


def _configuration(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))
