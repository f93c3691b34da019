"""Checkpoints that others published: the ones that are known by name, and the card of a folder that has none.

Nothing here loads weights: what a folder predicts, and how its network wants to be called, is told from the
configurations beside them and, where those are silent, from its name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marigold.checkpoints import card as cards
from marigold.checkpoints.card import Card, read_json
from marigold.checkpoints.convention import Convention
from marigold.core.config import decode
from marigold.core.errors import CheckpointError, ConfigError

INDEX = "model_index.json"

PIPELINES = {
    "depth": "MarigoldDepthPipeline",
    "normals": "MarigoldNormalsPipeline",
    "appearance": "MarigoldIntrinsicsPipeline",
    "lighting": "MarigoldIntrinsicsPipeline",
    "image": "StableDiffusionPipeline",
}
"""The pipeline class of diffusers for what is predicted; other modalities are known by their card alone."""

FALLBACK = {"steps": 10, "resolution": 768, "ensemble": 1}
"""The settings of a published checkpoint that states none."""

_MARIGOLD, _LOTUS, _END_TO_END = "RAIL++-M", "Apache-2.0", "none stated"
_X_TO_THE_LEFT = {"painted_x": "left"}
"""The axes of normals that others evaluate with, and so paint: x left, y up, z towards the viewer."""
_DISPARITY = {"target_space": "disparity", "fixed_ratio": False}
_TARGETS = {("albedo", "material"): "appearance", ("albedo", "shading", "residual"): "lighting"}
_LOTUS_PIPELINES = ("LotusGPipeline", "LotusDPipeline", "DirectDiffusionPipeline")


@dataclass(frozen=True)
class Published:
    """A checkpoint on the hub that opens here by its id."""

    name: str
    modality: str
    licence: str
    """Of the weights; `none stated` where their authors state none."""


PUBLISHED = (
    Published("prs-eth/marigold-depth-v1-1", "depth", _MARIGOLD),
    Published("prs-eth/marigold-depth-v1-0", "depth", _MARIGOLD),
    Published("prs-eth/marigold-depth-lcm-v1-0", "depth", _MARIGOLD),
    Published("prs-eth/marigold-normals-v1-1", "normals", _MARIGOLD),
    Published("prs-eth/marigold-normals-v0-1", "normals", _MARIGOLD),
    Published("prs-eth/marigold-normals-lcm-v0-1", "normals", _MARIGOLD),
    Published("prs-eth/marigold-iid-appearance-v1-1", "appearance", _MARIGOLD),
    Published("prs-eth/marigold-iid-lighting-v1-1", "lighting", _MARIGOLD),
    Published("GonzaloMG/marigold-e2e-ft-depth", "depth", _END_TO_END),
    Published("GonzaloMG/marigold-e2e-ft-normals", "normals", _END_TO_END),
    Published("GonzaloMG/stable-diffusion-e2e-ft-depth", "depth", _END_TO_END),
    Published("GonzaloMG/stable-diffusion-e2e-ft-normals", "normals", _END_TO_END),
    Published("jingheya/lotus-depth-g-v2-1-disparity", "depth", _LOTUS),
    Published("jingheya/lotus-depth-d-v2-0-disparity", "depth", _LOTUS),
    Published("jingheya/lotus-depth-g-v1-0", "depth", _LOTUS),
    Published("jingheya/lotus-depth-d-v1-0", "depth", _LOTUS),
    Published("jingheya/lotus-normal-g-v1-1", "normals", _LOTUS),
    Published("jingheya/lotus-normal-d-v1-1", "normals", _LOTUS),
    Published("jingheya/lotus-normal-g-v1-0", "normals", _LOTUS),
    Published("jingheya/lotus-normal-d-v1-0", "normals", _LOTUS),
)


def derived_card(name: str, folder: Path, index: Mapping[str, Any]) -> Card:
    """The card of a folder that has none; `name` is what it was asked for by, `index` its `model_index.json`.

    Raises `CheckpointError` with the keys that a card must state where neither configurations nor name tell.
    """
    stated = {"steps": index.get("default_denoising_steps"), "resolution": index.get("default_processing_resolution")}
    stated = {key: value for key, value in stated.items() if value}
    cards.check_defaults(stated, folder / INDEX)
    check_targets(index, folder / INDEX)
    name = _hub_id(folder) or name
    known = {published.name: published.licence for published in PUBLISHED}
    card = Card(
        name=Path(name).name,
        modality="",
        licence=known.get(name, ""),
        defaults={**_fallback(folder), **stated},
        revision=folder.name if folder.parent.name == "snapshots" else "",
        source=name,
    )
    if _is_lotus(folder, index):
        return _lotus(card, folder, index)
    if {"e2e", "ft"} <= _words(card.name):
        return _end_to_end(card, folder, index)
    return replace(card, modality=_modality(card.name, folder, index))


def check_targets(content: Mapping[str, Any], file: Path) -> None:
    """Raises `CheckpointError` naming file and key unless what `target_properties` says can be read."""
    try:
        properties = decode(dict[str, Any], content.get("target_properties") or {}, "target_properties")
        decode(tuple[str, ...], properties.get("target_names", ()), "target_properties.target_names")
        for name in {name for targets in _TARGETS for name in targets} & properties.keys():
            path = f"target_properties.{name}"
            stated = {} if properties[name] is None else decode(dict[str, Any], properties[name], path)
            decode(tuple[str | None, ...], stated.get("sub_target_names", ()), f"{path}.sub_target_names")
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; correct it") from error


def told_convention(folder: Path, index: Mapping[str, Any]) -> Convention:
    """What the configurations tell about a network's convention: that of Lotus (He et al. 2025), or the default.

    Its network outputs the clean latent at the last time, whatever the scheduler's configuration says; the switch
    [1, 0] asks for the map rather than the photo. One with a single latent as its input sees the photo alone.
    """
    if not _is_lotus(folder, index):
        return Convention()
    unet = _configuration(folder / "unet" / "config.json")
    return Convention(
        start="noise" if _sees_a_photo(folder) else "nothing",
        timestep=_last_time(folder),
        switch=(1.0, 0.0) if _has_switch(unet) else (),
        output="sample",
    )


def _modality(name: str, folder: Path, index: Mapping[str, Any]) -> str:
    """What a published pipeline predicts, by its class or, for the classes that several share, by what they list."""
    kind, stated = index.get("_class_name", ""), index.get("prediction_type")
    targets = tuple((index.get("target_properties") or {}).get("target_names", ()))
    if kind in ("MarigoldIntrinsicsPipeline", "MarigoldIIDPipeline"):
        found = _TARGETS.get(targets) or (None if targets else _named(name, "appearance", "lighting"))
    elif kind == "MarigoldPipeline":  # the first published checkpoints, of depth and of normals
        told = "use_full_z_range" in index or stated == "normals" or _named(name, "normals", "normal")
        found = "normals" if told else "depth"
    else:
        found = next((modality for modality, pipeline in PIPELINES.items() if pipeline == kind), None)
    if found is None:
        raise CheckpointError(
            f"{folder / INDEX}: no modality is known for a `{kind}` with prediction_type `{stated}` and targets "
            f"{list(targets)}; if there is one, add a {cards.FILE} with `name` and `modality`"
        )
    if found == "image" and _sees_a_photo(folder):
        raise CheckpointError(
            f"{folder}: a `{kind}` whose network sees a photo beside its latent; what it predicts and how it is called "
            f"cannot be told: add a {cards.FILE} with `name`, `modality` and, if it answers in one step, `convention`"
        )
    return found


def _end_to_end(card: Card, folder: Path, index: Mapping[str, Any]) -> Card:
    """A network tuned end to end for one step (Garcia et al. 2024): it starts from zeros at the last time.

    Its training pads the empty prompt.
    """
    modality = _named(card.name, "depth", "normals") or _modality(card.name, folder, index)
    convention = Convention(start="zeros", timestep=_last_time(folder))
    painted = _X_TO_THE_LEFT if modality == "normals" else {}
    return _single_step(
        replace(card, modality=modality, convention=convention, options=dict(painted), prompt_padded=True)
    )


def _lotus(card: Card, folder: Path, index: Mapping[str, Any]) -> Card:
    """A network of Lotus (He et al. 2025)."""
    modality = _named(card.name, "normals", "normal", "disparity", "depth")
    if modality is None:
        raise CheckpointError(
            f"{folder}: a network of Lotus, but whether it predicts depth, disparity or normals cannot be told; add a "
            f"{cards.FILE} with `name`, `modality` and `options`, which are {json.dumps(_DISPARITY)} for disparity and "
            f"{json.dumps(_X_TO_THE_LEFT)} for normals"
        )
    modality, painted = {
        "normal": ("normals", _X_TO_THE_LEFT),
        "normals": ("normals", _X_TO_THE_LEFT),
        "disparity": ("depth", _DISPARITY),
    }.get(modality, (modality, {}))
    convention = told_convention(folder, index)
    return _single_step(replace(card, modality=modality, convention=convention, options=dict(painted)))


def _fallback(folder: Path) -> dict[str, int]:
    """The settings where none are stated; consistency models are made for one step."""
    kind = _configuration(folder / "scheduler" / "scheduler_config.json").get("_class_name")
    return {**FALLBACK, "steps": 1} if kind == "LCMScheduler" else FALLBACK


def _single_step(card: Card) -> Card:
    return replace(card, defaults={**card.defaults, "steps": 1})


def _is_lotus(folder: Path, index: Mapping[str, Any]) -> bool:
    """By the pipeline's class, or by the task switch that its U-Net embeds in place of a class."""
    return index.get("_class_name") in _LOTUS_PIPELINES or _has_switch(_configuration(folder / "unet" / "config.json"))


def _has_switch(unet: Mapping[str, Any]) -> bool:
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


def _hub_id(folder: Path) -> str | None:
    """`organisation/name` of a folder in the hub's cache, `models--organisation--name/snapshots/COMMIT`."""
    kind, _, name = folder.absolute().parent.parent.name.partition("--")
    inside = kind == "models" and folder.absolute().parent.name == "snapshots"
    return name.replace("--", "/", 1) if inside else None


def _named(name: str, *choices: str) -> str | None:
    """The first of the choices that the name holds as a word."""
    return next((choice for choice in choices if choice in _words(name)), None)


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))
