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

from marigold.checkpoints.card import FILE
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.files import prepare, whole_file
from marigold.train.average import Average
from marigold.train.recipe import Recipe

LATER = ("steps", "every", "scored", "validation", "validation_batches")
"""Keys that a run may be continued with another value of: no step that was made depends on them."""
SHOWN = 5
"""Differing keys that a message lists."""


class Run:
    """One run folder; `facts` is what the saved state says about itself. Nothing is written before `open`.

    Raises `ConfigError` for a folder that holds a run of another recipe, `OutputError` for one that cannot be written.
    """

    def __init__(self, folder: Path, recipe: Recipe, minutes: float = 0.0) -> None:
        self.folder, self._board = folder, None
        self._asked = {**encode(recipe), "minutes": minutes}
        self.facts: dict[str, Any] = self._read()[1]
        if self.facts:
            self._compare(self.facts["asked"], self.facts["step"])
        if self.checkpoint.exists() and not ((self.checkpoint / FILE).is_file() or _empty(self.checkpoint)):
            raise OutputError(f"{self.checkpoint}: is there and is no checkpoint; choose another --run")

    @property
    def state_file(self) -> Path:
        """The last saved state."""
        return self.folder / "state.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The finished estimator's folder."""
        return self.folder / "checkpoint"

    def open(self) -> None:
        """Makes the folder and starts TensorBoard."""
        prepare(self.folder / "recipe.yaml")
        self._board = _tensorboard(self.folder / "tensorboard")

    def write_recipe(self, recipe: Recipe) -> None:
        """Replaces the resolved recipe."""
        _write_text(self.folder / "recipe.yaml", yaml.safe_dump(encode(recipe), sort_keys=False))

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

    def tensors(self) -> dict[str, Tensor]:
        """The saved tensors."""
        return self._read(with_tensors=True)[0]

    def close(self) -> None:
        """Flushes TensorBoard."""
        if self._board is not None:
            self._board.close()

    def _read(self, *, with_tensors: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
        if not self.state_file.exists():
            return {}, {}
        try:
            with safe_open(self.state_file, framework="pt") as file:
                names = file.keys() if with_tensors else ()
                return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["facts"])
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise CheckpointError(f"{self.state_file}: damaged ({error}); delete it to begin this run again") from error

    def _compare(self, before: dict[str, Any], step: int) -> None:
        """Refuses to go on with another recipe, or with fewer steps than there have been."""
        keys = [key for key in _differing(before, self._asked) if key.partition(".")[0] not in LATER]
        if keys:
            more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
            raise ConfigError(
                f"{self.folder}: holds a run whose recipe differs from this one in {', '.join(keys[:SHOWN])}{more}; "
                f"compare {self.folder / 'recipe.yaml'}, then give --run another folder or delete this one"
            )
        if step > self._asked["steps"] and not self._asked["minutes"]:
            raise ConfigError(
                f"{self.folder}: has made {step} steps, but recipe.steps is {self._asked['steps']}; go on with --steps "
                f"{step} or more, or give --run another folder to start again"
            )


def pack(module: nn.Module, kept: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that training changes, as named tensors."""
    tensors = {f"module.{name}": x for name, x in module.state_dict().items()}
    tensors |= {f"kept.{name}": x for name, x in kept.state_dict().items()}
    tensors |= {f"average.{name}": x for name, x in average.values.items()}
    for position, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{position}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def unpack(
    tensors: dict[str, Tensor], module: nn.Module, kept: nn.Module, average: Average, optimizer: torch.optim.Optimizer
) -> None:
    """The inverse of `pack`, in place."""
    module.load_state_dict(_under(tensors, "module."))
    kept.load_state_dict(_under(tensors, "kept."))
    for name, value in _under(tensors, "average.").items():
        average.values[name].copy_(value)
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimizer.").items():
        position, _, key = name.partition(".")
        states.setdefault(int(position), {})[key] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    """The paths of the values that differ."""
    if isinstance(before, list) and isinstance(now, list):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [] if before == now else [path]
    inner = [_differing(before.get(key), now.get(key), f"{path}.{key}".lstrip(".")) for key in {**before, **now}]
    return [key for keys in inner for key in keys]


def _empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


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
