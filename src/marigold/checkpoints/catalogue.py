"""The checkpoints that can be opened by name: bundled, in the hub's cache on this machine, or known on the hub.

Nothing here reads weights or loads torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marigold.checkpoints import card as cards
from marigold.checkpoints.card import Card, read_json
from marigold.checkpoints.hub import cached
from marigold.checkpoints.published import INDEX, PUBLISHED, derived_card
from marigold.core.errors import CheckpointError

BUNDLED = Path(__file__).parents[1] / "weights"
"""The folder of the checkpoints inside the package."""


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


def bundled(root: Path = BUNDLED) -> list[str]:
    """The names of the checkpoints inside the package."""
    return sorted(index.parent.name for index in root.glob(f"*/{INDEX}"))


def models(root: Path = BUNDLED) -> list[Model]:
    """Every checkpoint that is known: the bundled ones, those in the cache, and the others on the hub."""
    here = [*_bundled(root), *_cached()]
    names = {model.name for model in here}
    others = (one for one in PUBLISHED if one.name not in names)
    return [*here, *(Model(one.name, one.modality, one.licence, None, "hub") for one in others)]


def _bundled(root: Path) -> Iterator[Model]:
    for name in bundled(root):
        card = Card.read(root / name)
        yield Model(name, card.modality, card.licence, _size(root / name), "bundled", root / name)


def _cached() -> Iterator[Model]:
    """What the cache holds; repositories of other purposes are left out."""
    for found in cached():
        try:
            card = _card(found.name, found.folder)
        except CheckpointError:
            continue
        yield Model(found.name, card.modality, card.licence, found.bytes, "cached", found.folder)


def _card(name: str, folder: Path) -> Card:
    if (folder / cards.FILE).is_file():
        return Card.read(folder)
    return derived_card(name, folder, read_json(folder / INDEX))


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
