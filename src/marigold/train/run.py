"""A run folder: the resolved recipe, the log, the previews and the state that the same command resumes from.

RUN/recipe.yaml        the recipe with every default filled in; after a run with a time budget, with the steps made
RUN/log.jsonl          one line for each logged step and each validation
RUN/tensorboard/       the same numbers for TensorBoard, when it is installed
RUN/previews/          what the estimator predicts on held-out samples
RUN/state.safetensors  weights, average and optimizer moments of the last saved step; replaced whole
RUN/steps/             checkpoints kept on the way
RUN/checkpoint/        the finished estimator, which `marigold predict --checkpoint` opens
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from marigold.checkpoints.card import FILE, Card
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.files import prepare, whole_file
from marigold.train.average import Average
from marigold.train.recipe import Recipe

LATER = ("steps", "every", "scored", "validation", "validation_batches")
"""Keys that a run may be continued with another value of: no step that was made depends on them."""
SHOWN = 4
"""Differences that a message lists."""


class Run:
    """One run folder. Nothing is written before `open`.

    Raises `ConfigError` for a folder that holds a run of another recipe, `OutputError` for one that cannot be written.
    """

    def __init__(self, folder: Path, recipe: Recipe, minutes: float = 0.0) -> None:
        self.folder = folder
        self._asked = {**encode(recipe), "minutes": minutes}
        self._board: Any = None
        self._check()

    @property
    def state_file(self) -> Path:
        """The last saved state."""
        return self.folder / "state.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The finished estimator's folder."""
        return self.folder / "checkpoint"

    def open(self, recipe: Recipe) -> None:
        """Makes the folder and writes the resolved recipe."""
        prepare(self.folder / "recipe.yaml")
        self.write_recipe(recipe)
        self._board = _tensorboard(self.folder / "tensorboard")

    def write_recipe(self, recipe: Recipe) -> None:
        """Replaces the resolved recipe."""
        _write_text(self.folder / "recipe.yaml", yaml.safe_dump(encode(recipe), sort_keys=False))

    def holds(self, recipe: Recipe) -> bool:
        """Whether the checkpoint of this recipe is there."""
        return (self.checkpoint / FILE).is_file() and Card.read(self.checkpoint).recipe == recipe.label()

    def log(self, step: int, kind: str, numbers: dict[str, float]) -> None:
        """Appends one line to the log and one point per number to TensorBoard."""
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, "kind": kind, **numbers}) + "\n")
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def rewind(self, step: int) -> None:
        """Drops log lines after `step`: a resumed run writes them again."""
        path = self.folder / "log.jsonl"
        if path.exists():
            lines = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
            _write_text(path, "".join(line + "\n" for line in lines))

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Replaces the saved state, whole or not at all."""
        temporary = self.state_file.with_suffix(".tmp")
        contiguous = {name: x.detach().contiguous().cpu() for name, x in tensors.items()}
        save_file(contiguous, temporary, metadata={"facts": json.dumps({**facts, "asked": self._asked})})
        os.replace(temporary, self.state_file)

    def facts(self) -> dict[str, Any] | None:
        """What was saved beside the tensors, or None when nothing was saved yet."""
        saved = self._saved(with_tensors=False)
        return saved and saved[1]

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The saved state and its facts, or None when nothing was saved yet."""
        return self._saved(with_tensors=True)

    def close(self) -> None:
        """Flushes TensorBoard."""
        if self._board is not None:
            self._board.close()

    def _saved(self, *, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        if not self.state_file.exists():
            return None
        try:
            with safe_open(self.state_file, framework="pt") as file:
                names = file.keys() if with_tensors else ()
                return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["facts"])
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise CheckpointError(f"{self.state_file}: damaged ({error}); delete it to begin this run again") from error

    def _check(self) -> None:
        """Refuses a folder that holds the state of another recipe, or what would be in the way."""
        facts = self.facts()
        if facts is not None:
            self._compare(facts["asked"], facts["step"])
        if self.checkpoint.is_dir() and any(self.checkpoint.iterdir()) and not (self.checkpoint / FILE).is_file():
            raise OutputError(f"{self.checkpoint}: is there and is no checkpoint; choose another --run")

    def _compare(self, before: dict[str, Any], step: int) -> None:
        differing = _differences(before, self._asked)
        others = [text for key, text in differing.items() if key.partition(".")[0] not in LATER]
        if others:
            more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            raise ConfigError(
                f"{self.folder}: holds a run of a recipe that differs from this one in {', '.join(others[:SHOWN])}{more}; "
                "give --run another folder, the same settings as there, or delete this folder"
            )
        if step > self._asked["steps"] and not self._asked["minutes"]:
            raise ConfigError(
                f"{self.folder}: this run has made {step} steps, recipe.steps is {self._asked['steps']}; "
                f"give --steps {step} or more, or give --run another folder to start again"
            )


def pack(module: nn.Module, kept: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that training changes, as named tensors."""
    tensors = {f"module.{name}": x for name, x in module.state_dict().items()}
    tensors |= {f"kept.{name}": x for name, x in kept.state_dict().items()}
    tensors |= {f"average.{name}": x for name, x in average.values.items()}
    for position, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{position}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def unpack(tensors: dict[str, Tensor], module: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> None:
    """The inverse of `pack`, in place, but for the kept network, which `under(tensors, "kept.")` gives."""
    module.load_state_dict(under(tensors, "module."))
    for name, value in under(tensors, "average.").items():
        average.values[name].copy_(value)
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in under(tensors, "optimizer.").items():
        position, _, key = name.partition(".")
        states.setdefault(int(position), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


def _differences(before: Any, now: Any, path: str = "") -> dict[str, str]:
    """The paths of the values that differ, with both values."""
    if isinstance(before, list) and isinstance(now, list):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return {} if before == now else {path: f"{path} ({_short(before)} there, {_short(now)} here)"}
    keys = [*before, *(key for key in now if key not in before)]
    inner = (_differences(before.get(key), now.get(key), f"{path}.{key}".lstrip(".")) for key in keys)
    return {key: text for found in inner for key, text in found.items()}


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except ValueError:  # a line cut short by a kill
        return float("inf")


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
