"""Which folders are run folders, and what in one of them a run may replace: what it wrote itself."""

import math
import os
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from marigold.checkpoints.bases import SCHEDULE
from marigold.checkpoints.card import FILE as CARD
from marigold.checkpoints.card import Card
from marigold.checkpoints.layout import (
    ADAPTER,
    ADAPTER_WEIGHTS,
    DECODER_FILES,
    INDEX,
    PROMPT_FILE,
    is_adapter,
    is_decoder,
    read_json,
)
from marigold.core.config import decode, require
from marigold.core.documents import read_json as read_document
from marigold.core.documents import read_yaml
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.files import is_leftover
from marigold.train.changes import differing
from marigold.train.state import MOST, damaged

MARKER = "run.json"
LOCK = ".run.lock"
FILES = (LOCK, MARKER, "recipe.yaml", "log.jsonl", "state.safetensors", "state.previous.safetensors")
FOLDERS = ("checkpoint", "best", "steps", "previews", "nonfinite", "tensorboard")
_AGAIN = "choose another --run, or delete the folder to begin again"
_ELSEWHERE = "move it away, or choose another --run"


@dataclass(frozen=True)
class Marker:
    """The content of `run.json`, by which a folder is known to hold a run."""

    asked: dict[str, Any]
    """The recipe, and the time budget in minutes."""
    labels: tuple[str, ...] = ()
    """What the cards of the checkpoints that this run wrote call their recipe."""
    good: int = 0
    """The step of the newest saved state from which a loss was a number; 0 where there is none."""
    stopped: int = 0
    """The step at which the loss or the weights were no numbers; the run goes on from `good`. 0 where they are."""
    best: tuple[int, float] | None = None
    """The step and the score of the checkpoint under `best`."""
    samples: str = ""
    """A hash of the samples' keys (`checks.samples`); empty where they are not known."""
    kind: Literal["marigold training run"] = "marigold training run"

    def __post_init__(self) -> None:
        for name in ("good", "stopped"):
            require(0 <= getattr(self, name) <= MOST, name, getattr(self, name), "a number of steps")
        step, value = self.best or (0, 0.0)
        require(0 <= step <= MOST and math.isfinite(value), "best", f"{step}, {value}", "a step and a score")


def read_marker(folder: Path) -> Marker | None:
    """The folder's marker, None where there is none. Raises `CheckpointError` for one that is damaged."""
    file = folder / MARKER
    if not file.exists():
        return None
    content = read_document(file, CheckpointError, _AGAIN)
    try:
        return decode(Marker, content, "run")
    except (ConfigError, OverflowError) as error:
        raise damaged(file, error, _AGAIN) from error


def check_kinds(folder: Path) -> None:
    """Raises `OutputError` where a link, a pipe or the like has the place of something that a run writes."""
    for name in (*FILES, *FOLDERS):
        try:
            mode = os.lstat(folder / name).st_mode
        except FileNotFoundError:
            continue
        wanted = stat.S_ISREG if name in FILES else stat.S_ISDIR
        if not wanted(mode):
            what = "a link" if stat.S_ISLNK(mode) else "no file" if name in FILES else "no folder"
            raise OutputError(f"{folder / name}: is {what}, which training does not write to; {_ELSEWHERE}")


def check_empty(folder: Path) -> None:
    """Raises `OutputError` for a folder without a marker that holds more than a run leaves that was killed at once."""
    others = [path.name for path in folder.iterdir() if path.name != LOCK and not is_leftover(path.name)]
    if others:
        raise OutputError(f"{folder}: is not empty and holds no training run; choose another --run, or an empty folder")


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, and what is in their places."""
    steps = folder / "steps"
    kept = sorted(path for path in steps.iterdir() if path.name.isdecimal()) if steps.is_dir() else []
    return [path for path in (folder / "checkpoint", folder / "best", *kept) if path.exists() or path.is_symlink()]


def check_own(checkpoint: Path, labels: Collection[str] | None, name: str) -> str:
    """What a checkpoint's card calls its recipe, empty for an empty folder.

    Raises `OutputError` for a folder that the run did not write: its label must be one of `labels` or, where those are
    not known (None), that of a recipe called `name`.
    """
    if checkpoint.is_dir() and not checkpoint.is_symlink() and not any(checkpoint.iterdir()):
        return ""
    try:
        label = Card.read(checkpoint).recipe
        parts = _parts(checkpoint)
    except CheckpointError as error:
        raise OutputError(f"{checkpoint}: is there and is no checkpoint; {_ELSEWHERE}") from error
    if not (label.startswith(f"{name}@") if labels is None else label in labels):
        raise OutputError(f"{checkpoint}: is there and was not written by this run; {_ELSEWHERE}")
    if foreign := sorted({path.name for path in checkpoint.iterdir()} - {*parts, CARD, PROMPT_FILE}):
        raise OutputError(f"{checkpoint / foreign[0]}: was not written by this run, which replaces the folder; move it")
    return label


def _parts(checkpoint: Path) -> tuple[str, ...]:
    """What a checkpoint's folder holds beside its card. Raises `CheckpointError` for one without an index."""
    if is_adapter(checkpoint):
        return ADAPTER, ADAPTER_WEIGHTS, SCHEDULE
    return DECODER_FILES if is_decoder(checkpoint) else (*read_json(checkpoint / INDEX), INDEX)


def is_recipe(file: Path, asked: dict[str, Any], free: tuple[str, ...]) -> bool:
    """Whether a file holds the recipe that was asked for, but for keys that are `free` to differ."""
    try:
        content = read_yaml(file, OutputError, "")
    except OutputError:
        return False
    return isinstance(content, dict) and not differing(content, asked, free)
