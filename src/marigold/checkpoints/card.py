"""A checkpoint's label: what it is, where it comes from, how it is meant to be used and how good it is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from marigold.checkpoints.calibration import Calibration
from marigold.checkpoints.convention import TTA, Convention, Sizing
from marigold.checkpoints.layout import read_json
from marigold.core.config import decode
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.files import file_name, write_json
from marigold.core.find import unknown
from marigold.core.limits import SETTINGS

FILE = "card.json"

_NUMBERS = ("steps", "resolution", "ensemble")
_CHOICES = {"tta": get_args(TTA), "sizing": get_args(Sizing)}
DEFAULTS = (*_NUMBERS, *_CHOICES, "reduction")
"""The settings that a card or a recipe may recommend."""
_LONGEST = 1e12
"""Seconds of training, some 30 000 years."""


@dataclass(frozen=True)
class Card:
    """The content of `card.json`. Unknown keys of a file are ignored, so that later versions can add some."""

    name: str
    """One that a file can have, since results are called after it."""
    modality: str
    backbone: str = "stable_diffusion"
    licence: str = ""
    recipe: str = ""
    """The recipe's name and hash, `tiny-depth@5d3f0c1a`."""
    revision: str = ""
    """A hash of the weights, or the commit of a checkpoint from the hub."""
    data: str = ""
    """What it was trained on."""
    seconds_of_training: float = 0.0
    """With those of earlier results of the same modality that this one went on from."""
    scores: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, int | str] = field(default_factory=dict)
    """Settings to use when nothing else is asked for, by the names in `DEFAULTS`."""
    source: str = ""
    """The checkpoint that this one was fine-tuned from, or the place that it was found."""
    prompt_padded: bool = False
    """The empty prompt is padded to the text encoder's full length, not just its two end tokens."""
    convention: Convention = field(default_factory=Convention)
    """What the network expects beside the photo."""
    options: dict[str, Any] = field(default_factory=dict)
    """The modality's own settings, by the name of its fields."""
    shares: dict[str, str] = field(default_factory=dict)
    """Parts that are another bundled checkpoint's: `{"vae": "tiny-autoencoder"}`."""
    base: dict[str, str] = field(default_factory=dict)
    """Of an adapter the checkpoint that it goes with: `name`, `revision` and `digest` (`checkpoints/adapters.py`)."""
    calibration: tuple[Calibration, ...] = ()
    """What its intervals are made by, for each set of settings that it was calibrated with."""
    note: str = ""

    @classmethod
    def read(cls, folder: Path, convention: Convention | None = None) -> "Card":
        """The card of a checkpoint folder, with `convention` if it states none; raises `CheckpointError`."""
        value = read_json(folder / FILE)
        known = {entry.name: value[entry.name] for entry in fields(cls) if entry.name in value}
        try:
            known["convention"] = decode(Convention, known.get("convention", convention or {}), "convention")
            known["calibration"] = decode(tuple[Calibration, ...], known.get("calibration", []), "calibration")
        except ConfigError as error:
            raise CheckpointError(f"{folder / FILE}: {error}") from error
        for entry in fields(cls):
            kind: Any = get_origin(entry.type) or entry.type
            if not isinstance(known.get(entry.name, kind()), (float, int) if kind is float else kind):
                raise CheckpointError(f"{folder / FILE}: `{entry.name}` is not a {kind.__name__}; correct it")
        seconds = known.get("seconds_of_training", 0)
        if isinstance(seconds, bool) or not 0 <= seconds <= _LONGEST:
            raise CheckpointError(f"{folder / FILE}: `seconds_of_training` is no time in seconds; correct it")
        if not all(isinstance(owner, str) for owner in known.get("shares", {}).values()):
            raise CheckpointError(f"{folder / FILE}: `shares` holds what is no name of a checkpoint; correct it")
        check_defaults(known.get("defaults", {}), folder / FILE)
        if not {"name", "modality"} <= known.keys():
            raise CheckpointError(f"{folder / FILE}: a card needs at least `name` and `modality`; add them")
        file_name(known["name"], f"{folder / FILE}: the name", CheckpointError)
        return cls(**known)

    def write(self, folder: Path) -> None:
        """Writes `card.json` into the folder; raises `OutputError`, also for a name that `read` would refuse."""
        file_name(self.name, "the checkpoint's name")
        write_json(folder / FILE, asdict(self))


def check_defaults(defaults: Mapping[str, object], file: Path) -> None:
    """Raises `CheckpointError` naming the file for a setting with a value that cannot be used; others are ignored."""
    if wrong := wrong_default({name: value for name, value in defaults.items() if name in DEFAULTS}):
        raise CheckpointError(f"{file}: {wrong}; correct it")


def wrong_default(defaults: Mapping[str, object]) -> str:
    """What is wrong with the first recommended setting that is unknown or cannot be used; empty if all can."""
    for name, value in defaults.items():
        if name not in DEFAULTS:
            return unknown("default", name, DEFAULTS)
        if name in _NUMBERS:
            least, most = SETTINGS[name]
            usable = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
            kind = f"a whole number from {least} to {most}"
        elif name in _CHOICES:
            usable, kind = value in _CHOICES[name], " or ".join(_CHOICES[name])
        else:  # the modality knows its reductions
            usable, kind = isinstance(value, str), "the name of a reduction"
        if not usable:
            return f"default {name} {repr(value)[:100]} is not {kind}"
    return ""
