"""A run folder: the resolved recipe, the log, the previews and the state that the same command resumes from.

RUN/run.json                     by which the folder is known to hold a run: what was asked for, and how it went
RUN/recipe.yaml                  the recipe with every default filled in; after a time budget, with the steps made
RUN/log.jsonl                    one line for each logged step and each validation
RUN/tensorboard/                 the same numbers for TensorBoard, when it is installed
RUN/previews/                    what the estimator predicts on held-out samples
RUN/nonfinite/                   the batch of the step that ended a run whose losses were no numbers
RUN/state.safetensors            weights, average and optimizer moments of the last saved step; replaced whole
RUN/state.previous.safetensors   the state before it
RUN/steps/                       checkpoints kept on the way
RUN/best/                        the checkpoint that scored best on held-out samples so far
RUN/checkpoint/                  the finished estimator, which `marigold predict --checkpoint` opens
"""

import math
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from torch import Tensor

from marigold.core.config import encode
from marigold.core.console import printable
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.files import (
    cannot_write,
    delete_folder,
    delete_leftovers,
    keep_aside,
    make_folder,
    whole_file,
    write_json,
)
from marigold.core.locks import locked
from marigold.train import log
from marigold.train.board import Boards
from marigold.train.changes import LATER, REMEDIES, SCORING, differing, in_words, refuse, roots
from marigold.train.checks import samples
from marigold.train.place import (
    LOCK,
    MARKER,
    Marker,
    check_empty,
    check_kinds,
    check_own,
    checkpoints,
    is_recipe,
    read_marker,
)
from marigold.train.recipe import Optim, Recipe
from marigold.train.state import Facts, read_facts, read_state, write_state


class Saved(NamedTuple):
    """A state on the disk."""

    file: Path
    facts: Facts


class Run:
    """One run folder. `facts` is what the saved state says about itself, `notes` what the user should know.

    Nothing is written before `open`. Raises `ConfigError` for a folder that holds a run of another recipe,
    `CheckpointError` for one whose state is damaged and `OutputError` for one that is no run's or cannot be written.
    """

    def __init__(self, folder: Path, recipe: Recipe, minutes: float = 0.0, boards: Boards | None = None) -> None:
        self.folder, self.recipe, self.notes = folder, recipe, list[str]()
        self.asked = {**encode(recipe), "minutes": minutes}
        self._boards, self._lock = boards or Boards(), ExitStack()
        self._held = False
        self._look()

    @property
    def state_file(self) -> Path:
        """The last saved state."""
        return self.folder / "state.safetensors"

    @property
    def previous_file(self) -> Path:
        """The state before it."""
        return self.folder / "state.previous.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The finished estimator's folder."""
        return self.folder / "checkpoint"

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.folder / "recipe.yaml"

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the score of the checkpoint under `best`, if it was scored on what this run is scored on."""
        return self._marker.best

    @property
    def facts(self) -> Facts | None:
        """What the state that the run goes on from says about itself; None where it begins."""
        return self._states[0].facts if self._states else None

    @property
    def stopped(self) -> bool:
        """Whether the run's loss or weights were no numbers when it ended."""
        return self._marker.stopped > 0

    @property
    def replaced(self) -> Optim | None:
        """The optimizer's settings until now, where the run goes on with others."""
        before = self.facts.optim() if self.facts else self.recipe.optim
        return before if before != self.recipe.optim else None

    def hold(self) -> None:
        """Locks a folder that is there, until `close`, and looks at it again. Raises `OutputError` if it is in use."""
        if self.folder.is_dir():
            self._lock.enter_context(locked(self.folder / LOCK, f"{self.folder}: is being trained"))
            self._held = True
            self._look()

    def open(self) -> None:
        """Makes and marks the folder, deletes what killed runs left half written and starts the boards."""
        make_folder(self.folder)
        if not self._held:
            self.hold()
            if self.facts:
                raise OutputError(f"{self.folder}: another process has begun this run; give the same command again")
        for place in (self.folder, self.folder / "steps", self.folder / "previews"):
            delete_leftovers(place)
        with suppress(OSError):
            (self.folder / "state.tmp").unlink()
        rescored = any(self._marker.asked.get(key) != self.asked[key] for key in SCORING)
        best = None if rescored else self._marker.best
        self._mark(asked=self.asked, best=best, samples=samples(self.recipe))
        self._boards.open(self.folder, self.recipe)

    def close(self) -> None:
        """Ends the boards and lets the folder go."""
        with self._lock:
            self._boards.close()

    def write_recipe(self, recipe: Recipe, remark: str = "") -> None:
        """Replaces the resolved recipe, with a remark above it; one that another hand wrote gets another name."""
        if self._foreign_recipe:
            keep_aside(self.recipe_file)
            self._foreign_recipe = False
        text = (f"# {remark}\n" if remark else "") + yaml.safe_dump(encode(recipe), sort_keys=False)
        with whole_file(self.recipe_file) as file:
            file.write(text.encode())

    def log(self, step: int, kind: str, numbers: Mapping[str, float], words: Mapping[str, str] = log.EMPTY) -> None:
        """Appends one line to the log and one point per number to the boards. Raises `OutputError`."""
        log.append(self.folder / "log.jsonl", step, kind, numbers, words)
        self._boards.log(step, {f"{kind}/{name}": x for name, x in numbers.items() if math.isfinite(x)})

    def rewind(self, step: int) -> None:
        """Drops log lines after `step`: a resumed run writes them again."""
        log.rewind(self.folder / "log.jsonl", step)

    def save(self, tensors: Mapping[str, Tensor], facts: Facts) -> None:
        """Saves a state, whole or not at all, and keeps the one before. Raises `OutputError`; then both stay."""
        before = self._states[0] if self._states else None
        rotated = before is not None and before.file == self.state_file

        def rotate() -> None:
            if rotated:
                os.replace(self.state_file, self.previous_file)
            elif before is None:
                self.previous_file.unlink(missing_ok=True)

        write_state(self.state_file, tensors, facts, rotate)
        self._states = [Saved(self.state_file, facts)]
        if before is not None:
            self._states.append(Saved(self.previous_file, before.facts))
        self._mark(stopped=0, good=before.facts.step if before else 0)

    def prove(self, step: int) -> None:
        """Notes that the loss of the step after `step` is a number, so that a state saved until there is good."""
        if self.facts and self._marker.good < self.facts.step <= step:
            self._mark(good=self.facts.step)

    def stop(self, step: int, proven: int) -> str:
        """Ends a run whose loss or weights are no numbers, and says where it may go on.

        `proven` is the last step from which a loss was a number, -1 where none was.
        """
        proven = max(proven, self._marker.good)
        self._states = [saved for saved in self._states if saved.facts.step <= proven]
        self._mark(stopped=step, good=self.facts.step if self.facts else 0)
        if not self._states:
            return "no good state has been saved, so that the same --run begins again"
        file, facts = self._states[0]
        return f"the last good state, from which the same --run goes on, is {file.name} of step {facts.step}"

    def claim(self, checkpoint: Path, label: str) -> None:
        """Notes a label that a checkpoint is about to have. Raises `OutputError` for a place that is not the run's."""
        if checkpoint.exists() or checkpoint.is_symlink():
            check_own(checkpoint, self._marker.labels, self.recipe.name)
        if label not in self._marker.labels:
            self._mark(labels=(*self._marker.labels, label))

    def excel(self, step: int, score: float) -> None:
        """Notes that the checkpoint under `best` is of this step and has this score."""
        self._mark(best=(step, score))

    def keep(self, count: int, step: int) -> None:
        """Deletes all kept checkpoints up to a step but the last `count`. Raises `OutputError` for one of another."""
        kept = [path for path in checkpoints(self.folder) if path.name.isdecimal() and int(path.name) <= step]
        for path in sorted(kept, key=lambda path: int(path.name))[:-count]:
            check_own(path, self._marker.labels, self.recipe.name)
            delete_folder(path)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of the state that `facts` are of. Raises `CheckpointError` if it is damaged."""
        return read_state(self._states[0].file)[1] if self._states else {}

    @property
    def source(self) -> Path:
        """The file of the state that `facts` are of."""
        return self._states[0].file

    def fall_back(self, error: CheckpointError) -> None:
        """Goes on from the state before the one that is damaged. Raises the error where there is none."""
        if len(self._states) < 2:
            raise error
        self._states = self._states[1:]
        self.notes.append(_instead(str(error), self._states[0]))

    def _look(self) -> None:
        """Reads what the folder says about itself."""
        self._states, self._marker, self.notes = list[Saved](), Marker(self.asked), []
        self._foreign_recipe = False
        try:
            if self.folder.is_dir():
                check_kinds(self.folder)
                self._read()
        except OSError as error:
            raise OutputError(cannot_write(self.folder, error)) from error

    def _read(self) -> None:
        marker, states = self._found(), self._saved()
        known = marker.labels if marker else None
        labels = [check_own(one, known, self.recipe.name) for one in checkpoints(self.folder)]
        if marker is None and not states:
            check_empty(self.folder)
        self._check_recipe([saved.facts.asked for saved in states] + ([marker.asked] if marker else []))
        self._marker = marker or replace(self._marker, labels=tuple(filter(None, labels)))
        if not (states or self._has_begun()):
            self._marker = Marker(self.asked)
        free = LATER + self._moved()
        refuse(self.folder, self._marker.asked, self.asked, free + REMEDIES * self.stopped)
        for saved in states:
            refuse(self.folder, saved.facts.asked, self.asked, free + REMEDIES * (marker is not None))
        self._states = [saved for saved in states if not self.stopped or saved.facts.step <= self._marker.good]
        made = self.facts.step if self.facts else 0
        if made > self.recipe.steps and not self.asked["minutes"]:
            raise ConfigError(
                f"{self.folder}: has made {made} steps, but recipe.steps is {self.recipe.steps}; go on with --steps "
                f"{made} or more, or give --run another folder to start again"
            )

    def _moved(self) -> tuple[str, ...]:
        """The roots of sources that lie in another folder than before, if all samples have the keys of those before."""
        found = roots(differing(self._marker.asked, self.asked))
        if not found or self._marker.samples != samples(self.recipe):
            return ()
        named = printable(", ".join(map(in_words, found)))
        self.notes.append(f"{self.folder}: goes on with the same samples in another folder: {named}")
        return tuple(one.key for one in found)

    def _check_recipe(self, asked: list[dict[str, Any]]) -> None:
        """Notes a recipe's file that does not say what was asked for: it is none that a run wrote here."""
        free = (*LATER, *REMEDIES, "phases", "minutes")  # after a time budget it says how many steps were made
        if self.recipe_file.exists() and not any(is_recipe(self.recipe_file, one, free) for one in asked):
            self._foreign_recipe = True
            self.notes.append(f"{self.recipe_file}: is not as a run wrote it here; it gets another name")

    def _found(self) -> Marker | None:
        """The folder's marker; one that is damaged is none where there is a state."""
        try:
            return read_marker(self.folder)
        except CheckpointError as error:
            if not (self.state_file.exists() or self.previous_file.exists()):
                raise
            self.notes.append(f"{str(error).rpartition(';')[0]}; it is written anew")
            return None

    def _saved(self) -> list[Saved]:
        """The states that can be gone on from, the last one first. Raises `CheckpointError` if all are damaged."""
        states, errors = list[Saved](), list[CheckpointError]()
        for file in (self.state_file, self.previous_file):
            try:
                if file.exists():
                    states.append(Saved(file, read_facts(file)))
            except CheckpointError as error:
                errors.append(error)
        if errors and not states:
            raise errors[0]
        if states and states[0].file == self.previous_file:
            why = str(errors[0]) if errors else f"{self.state_file}: no such file;"
            self.notes.append(_instead(why, states[0]))
        return states

    def _has_begun(self) -> bool:
        """Whether something is there that only a run of the same recipe may go on with."""
        file = self.folder / "log.jsonl"
        return bool(checkpoints(self.folder)) or (file.exists() and file.stat().st_size > 0)

    def _mark(self, **changes: Any) -> None:
        """Brings the marker up to date."""
        fresh = replace(self._marker, **changes)
        if fresh != self._marker or not (self.folder / MARKER).exists():
            write_json(self.folder / MARKER, asdict(fresh))
        self._marker = fresh


def _instead(why: str, saved: Saved) -> str:
    """A note on a state that takes the place of one that is damaged."""
    return f"{why.rpartition(';')[0]}; the run goes on from {saved.file.name} of step {saved.facts.step}"
