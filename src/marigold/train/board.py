"""Curves while a run goes on: TensorBoard, and W&B or trackio where they are installed.

They are there for people who look on. What goes wrong with one is told once, and the run goes on without it.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from marigold.core.config import encode
from marigold.core.console import printable
from marigold.core.errors import ConfigError, MissingExtraError
from marigold.core.plain import word
from marigold.train.recipe import Recipe

Name = Literal["tensorboard", "wandb", "trackio", "none"]
PROJECT = "marigold"
"""What the runs of this package are gathered under."""
_LONGEST = 200
"""Characters of a library's complaint that a note repeats."""


class Board(Protocol):
    """A place for curves."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of every curve."""
        ...

    def close(self) -> None:
        """Ends the curves."""
        ...


class Boards:
    """The boards of a run by name: those that are asked for or, where none is, TensorBoard if it is installed.

    Raises `ConfigError` for a name of none, and `MissingExtraError` where one that is asked for is not installed.
    """

    def __init__(self, names: Iterable[str] = (), note: Callable[[str], object] = lambda text: None) -> None:
        asked = list(dict.fromkeys(names))
        for name in asked:
            if name not in (*KINDS, "none"):
                raise ConfigError(f"board: no board is called `{word(name)}`; use {', '.join(KINDS)} or none")
        if asked == ["none"]:
            self._kinds = {}
        elif "none" in asked:
            raise ConfigError(f"board: none and {', '.join(set(asked) - {'none'})} exclude each other; give one")
        else:
            self._kinds = {name: KINDS[name] for name in asked or ["tensorboard"] if _is_installed(name, bool(asked))}
        self._note, self._open = note, dict[str, Board]()

    def open(self, folder: Path, recipe: Recipe) -> None:
        """Begins, or goes on with, the curves of the run in a folder."""
        for name, kind in self._kinds.items():
            self._guarded(name, lambda name=name, kind=kind: self._open.update({name: kind(folder, recipe)}))

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of every curve on every board."""
        for name, board in list(self._open.items()):
            self._guarded(name, lambda board=board: board.log(step, numbers))

    def close(self) -> None:
        """Ends all boards."""
        while self._open:
            name, board = self._open.popitem()
            self._guarded(name, board.close)

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (Exception, SystemExit) as error:  # of libraries that reach out to the world
            if board := self._open.pop(name, None):
                with suppress(Exception, SystemExit):
                    board.close()
            words = printable(" ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST])
            self._note(f"board: {name} fails ({words}); the run goes on without it, and its log has all numbers")


class TensorBoard:
    """An event file in a folder, written at once: its own writer leaves that to a thread, whose errors come late."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.summary.writer.record_writer import RecordWriter

        place = folder / "tensorboard"
        place.mkdir(exist_ok=True)
        self._file = (place / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._event: Any = Event
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of every curve."""
        for name, value in numbers.items():
            self._write(step=step, summary={"value": [{"tag": name, "simple_value": value}]})

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def _write(self, **content: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **content).SerializeToString())
        self._records.flush()


class Tracker:
    """A library with the calls `init`, `log` and `finish`, as W&B made them usual."""

    def __init__(self, library: str, folder: Path, recipe: Recipe, **options: Any) -> None:
        self._library = import_module(library)
        name, config = f"{recipe.name}-{_id(folder)}", encode(recipe)
        self._library.init(project=PROJECT, name=name, config=config, resume="allow", **options)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of every curve."""
        self._library.log(dict(numbers), step=step)

    def close(self) -> None:
        """Ends the run there."""
        self._library.finish()


def _wandb(folder: Path, recipe: Recipe) -> Tracker:
    """Online where it can be, and else offline in the run's folder, from where `wandb sync` uploads it."""
    options = {"id": _id(folder), "dir": str(folder)}
    try:
        return Tracker("wandb", folder, recipe, **options)
    except Exception:  # without a network, or without a key
        return Tracker("wandb", folder, recipe, **options, mode="offline")


def _trackio(folder: Path, recipe: Recipe) -> Tracker:
    return Tracker("trackio", folder, recipe)


KINDS: dict[str, Callable[[Path, Recipe], Board]] = {"tensorboard": TensorBoard, "wandb": _wandb, "trackio": _trackio}
_EXTRAS = {"tensorboard": "train", "wandb": "wandb", "trackio": "trackio"}


def _is_installed(name: str, required: bool) -> bool:
    try:
        import_module(name)
    except ImportError as error:
        if required:
            raise MissingExtraError(name, _EXTRAS[name], f"--board {name}") from error
        return False
    return True


def _id(folder: Path) -> str:
    """What a run is called for as long as it stays in its folder."""
    return hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:10]
