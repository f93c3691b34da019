"""The checkpoints that can be opened by name: bundled, in the hub's cache on this machine, or known on the hub.

Nothing here reads weights.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from marigold.backbones.base import Backbone
from marigold.checkpoints import card as cards
from marigold.checkpoints.cache import cached
from marigold.checkpoints.card import Card
from marigold.checkpoints.layout import INDEX, is_adapter, read_json
from marigold.checkpoints.published import check_targets, derived_card, published, stated_convention
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, UnknownNameError
from marigold.core.find import implementation, may_name, not_trusted
from marigold.modalities.base import Modality

T = TypeVar("T")

BUNDLED = Path(__file__).parents[1] / "weights"
"""The folder of the checkpoints inside the package."""


@dataclass(frozen=True)
class Description:
    """What is known of a checkpoint before its weights are read."""

    folder: Path
    card: Card
    modality: Modality
    trusted: tuple[str, ...] = ()
    """The packages whose code it may name."""
    base: "Description | None" = None
    """Of an adapter the checkpoint that it is added to."""
    autoencoder: Path | None = None
    """The folder of the autoencoder or small decoder that stands in place of its own, which `card.revision` names."""


@dataclass(frozen=True)
class Model:
    """A checkpoint as `marigold models` lists it."""

    name: str
    """What `--checkpoint` takes."""
    modality: str
    licence: str
    """Of the weights; `none stated` where their authors state none, empty where it is not known."""
    bytes: int | None
    """On this machine, without what another checkpoint shares with it; None where it is not, and so not known."""
    place: Literal["bundled", "cached", "hub"]
    folder: Path | None = None


def bundled() -> list[str]:
    """The names of the checkpoints inside the package."""
    return sorted(index.parent.name for index in BUNDLED.glob(f"*/{INDEX}"))


def refiner_of(modality: str) -> str | None:
    """The bundled checkpoint that refines the maps of a modality, `MODALITY-hr`; None where there is none."""
    name = f"{modality}-hr"
    return name if name in bundled() else None


def models() -> list[Model]:
    """Every checkpoint that is known: the bundled ones, those that open from the cache, and the others on the hub."""
    here = [*_bundled(), *_cached()]
    names = {model.name for model in here}
    others = (one for name, one in published().items() if name not in names)
    return [*here, *(Model(one.name, one.modality, one.licence, None, "hub") for one in others)]


def describe(name: str, folder: Path, trusted: tuple[str, ...] = ()) -> Description:
    """What the checkpoint in this folder says of itself, or what follows from its configurations and `name`.

    An adapter says it in its card alone. The card may name modules of the packages in `trusted`. Raises
    `CheckpointError` and, for a modality or backbone that does not exist, `UnknownNameError`.
    """
    adapted = is_adapter(folder)
    index = {} if adapted else read_json(folder / INDEX)
    if adapted or os.path.lexists(folder / cards.FILE):  # what is there and is no file is refused
        card = Card.read(folder, stated_convention(folder, index))
    else:
        card = derived_card(name, folder, index)
    named_in_card(Backbone, card.backbone, folder, trusted)
    return Description(folder, card, _modality(folder, card, index, trusted), trusted)


def named_in_card(base: type[T], name: str, folder: Path, trusted: Collection[str]) -> type[T]:
    """The class that a card names.

    Raises `UnknownNameError` naming the card, and `CheckpointError` for code of a package that is not trusted, of which
    nothing is imported, or that cannot be imported.
    """
    file = folder / cards.FILE
    if not may_name(base, name, trusted):
        raise CheckpointError(f"{file}: {not_trusted(base, name)}")
    try:
        return implementation(base, name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{file}: {error}") from error
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}") from error


def _modality(folder: Path, card: Card, index: Mapping[str, Any], trusted: Collection[str]) -> Modality:
    """The modality with the options that the checkpoint stores."""
    kind = named_in_card(Modality, card.modality, folder, trusted)
    check_targets(index, kind.targets, folder / INDEX)
    check_targets(card.options, kind.targets, folder / cards.FILE)
    try:
        return kind.stored({**index, **card.options})
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}; correct it in {cards.FILE} or {INDEX}") from error
    except CheckpointError as error:
        raise CheckpointError(f"{folder / INDEX}: {error}") from error


def _bundled() -> Iterator[Model]:
    for name in bundled():
        folder = BUNDLED / name
        card = Card.read(folder)
        yield Model(name, card.modality, card.licence, _size(folder), "bundled", folder)


def _cached() -> Iterator[Model]:
    """What opens from the cache; repositories of other purposes, and those that came in part, are left out.

    So are those that ask for code of other packages, of which nothing is imported.
    """
    for found in cached():
        with suppress(MarigoldError):
            card = describe(found.name, found.folder).card
            yield Model(found.name, card.modality, card.licence, found.bytes, "cached", found.folder)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
