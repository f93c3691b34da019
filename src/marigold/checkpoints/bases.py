"""The checkpoint that an adapter is added to: found by the adapter's card, checked, and changed to what was trained."""

import os
from pathlib import Path

import torch

from marigold.backbones.base import Backbone
from marigold.checkpoints import adapters, catalogue
from marigold.checkpoints import card as cards
from marigold.checkpoints.adapters import Base
from marigold.checkpoints.cache import absence, held
from marigold.checkpoints.card import Card
from marigold.checkpoints.catalogue import Description, bundled
from marigold.checkpoints.hub import is_hub_id
from marigold.checkpoints.layout import ADAPTER_WEIGHTS, PROMPT_FILE, SCHEDULER, is_adapter
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.files import file_name, reason

SCHEDULE = SCHEDULER.partition("/")[0]
"""The part of a checkpoint that an adapter has of its own, beside its empty prompt."""


def parts(folder: Path, card: Card) -> dict[str, Path]:
    """Everything in the checkpoint's folder by name, and the parts that it shares with a bundled one.

    Raises `CheckpointError` for a folder that cannot be listed, and for a part that is not bundled.
    """
    try:
        found = {path.name: path for path in folder.iterdir()}
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be listed ({reason(error)}); correct its permissions") from error
    for part, owner in card.shares.items():
        if part not in found:
            shared = f"{folder / cards.FILE}: the shared part"
            found[part] = catalogue.BUNDLED / owner / file_name(part, shared, CheckpointError)
            if owner not in bundled() or not found[part].exists():
                raise CheckpointError(
                    f"{folder}: shares `{part}` with `{owner}`, which is not bundled; install it again"
                )
    return found


def stated(name: str, card: Card, backbone: Backbone) -> Base:
    """What the card of an adapter says of the checkpoint that it is trained on, which was opened by this name.

    A folder is stated by its whole path. Raises `ConfigError` for what is an adapter itself.
    """
    if card.base:
        raise ConfigError(f"`{name}` is an adapter itself, and an adapter is added to a checkpoint; merge it first")
    folder = os.path.expanduser(name)
    place = os.path.abspath(folder) if name not in bundled() and os.path.isdir(folder) else name
    return Base(place, card.revision, _digest(backbone))


def find(adapter: Description) -> Description:
    """The checkpoint that an adapter's card names: a bundled one, a folder, or a hub id that the local cache holds.

    Nothing is fetched because a card names it. Raises `CheckpointError` where it is not there or cannot be used, or is
    an adapter itself.
    """
    file = adapter.folder / cards.FILE
    base = adapters.stated_base(adapter.card.base, file)
    what, correct = f"{file}: the base of this adapter, `{base.name}`,", "or correct `base.name`"
    folder = adapter.folder / os.path.expanduser(base.name)
    if base.name in bundled():
        folder = catalogue.BUNDLED / base.name
    elif not os.path.isdir(folder) and is_hub_id(base.name):
        here = held(f"{base.name}@{base.revision}") or held(base.name)
        if here is None:
            raise CheckpointError(f"{what} is {absence(base.name)}; {_download(base.name)}, {correct}")
        folder = here
    elif not os.path.isdir(folder):
        raise CheckpointError(f"{what} is not there; bring it there, {correct} to its folder or hub id here")
    if is_adapter(folder):
        raise CheckpointError(f"{what} is an adapter itself; merge that into a checkpoint, {correct}")
    try:
        return catalogue.describe(base.name, folder, adapter.trusted)
    except CheckpointError as error:
        raise CheckpointError(f"{what} cannot be used: {error}") from error


def read(kind: type[Backbone], adapter: Description) -> Backbone:
    """The base of an adapter with the adapter added to its denoiser, in float32; `kind` is the card's.

    Raises `CheckpointError`, also for a base that is not the one that it was trained on.
    """
    folder, card, base, modality = adapter.folder, adapter.card, adapter.base, adapter.modality
    assert base is not None
    own = {name: folder / name for name in (SCHEDULE, PROMPT_FILE)}
    backbone = kind.read({**parts(base.folder, base.card), **own}, card)
    _check(adapters.stated_base(card.base, folder / cards.FILE), backbone, folder / cards.FILE)
    try:
        if modality.needs:
            backbone.adapt(conditions=1, targets=len(modality.targets))
    except ConfigError as error:
        raise CheckpointError(f"{folder / cards.FILE}: its base, for `{card.modality}`: {error}") from error
    backbone.to(dtype=torch.float32)
    adapters.add(backbone.denoiser, adapters.read(folder, backbone.denoiser), folder / ADAPTER_WEIGHTS)
    return backbone


def _download(name: str) -> str:
    hub_id, _, revision = name.partition("@")
    return f"run `hf download {hub_id}{f' --revision {revision}' if revision else ''}`"


def _check(base: Base, backbone: Backbone, file: Path) -> None:
    """Raises `CheckpointError` unless these are the weights that an adapter was trained on."""
    if (found := _digest(backbone)) != base.digest:
        raise CheckpointError(
            f"{file}: this adapter was trained on weights with the digest {base.digest}, and those of `{base.name}` "
            f"have {found}; correct `base.name` to the checkpoint of revision `{base.revision}`, with its full weights"
        )


def _digest(backbone: Backbone) -> str:
    return adapters.digest(backbone.denoiser, backbone.autoencoder)
