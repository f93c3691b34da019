"""List the checkpoints that can be used: bundled, in this machine's cache, known on the hub."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from marigold.cli import parsed
from marigold.core.console import printable
from marigold.core.errors import UnknownNameError
from marigold.core.files import as_json
from marigold.core.find import unknown

if TYPE_CHECKING:
    from marigold.checkpoints.catalogue import Model

_WIDEST = 80
"""Characters of a cell; what a card says may be of any length."""


@dataclass(frozen=True)
class Options:
    """The options of `marigold models`."""

    modality: Annotated[Positional[str | None], arg(metavar="[MODALITY]", help_behavior_hint="(all when left out)")] = (
        None
    )
    """List only what predicts this."""
    json: FlagCreatePairsOff[bool] = False
    """Print JSON instead of a table."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "models", arguments)


def run(options: Options) -> int:
    """Prints the list."""
    from marigold.checkpoints.catalogue import models

    every = models()
    found = [model for model in every if options.modality in (None, model.modality)]
    if options.modality and not found:
        raise UnknownNameError(unknown("modality", options.modality, sorted({model.modality for model in every})))
    print(_as_json(found) if options.json else _as_table(found))
    return 0


def _as_json(found: "list[Model]") -> str:
    entries = [{**asdict(model), "folder": model.folder and str(model.folder)} for model in found]
    return as_json(entries, indent=2).decode()


def _as_table(found: "list[Model]") -> str:
    """One line for each checkpoint; a dash where nothing is known."""
    rows = [("name", "predicts", "licence", "size", "where")]
    rows += [(model.name, model.modality, model.licence or "-", _size(model.bytes), model.place) for model in found]
    rows = [tuple(printable(cell)[:_WIDEST] for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _size(count: int | None) -> str:
    """Bytes for a person, `3.1 MB`."""
    if count is None:
        return "-"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
