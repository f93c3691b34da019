"""A run folder: the resolved recipe, the log, the pictures and the state that the same command resumes from.

RUN/recipe.yaml        the recipe with every default filled in
RUN/log.jsonl          one line for each logged step and each validation
RUN/tensorboard/       the same numbers for TensorBoard, when it is installed
RUN/pictures/          what the estimator paints on held-out samples
RUN/state.safetensors  weights, average and optimizer moments of the last saved step; replaced whole
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

from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.train.average import Average
from marigold.train.recipe import Recipe


class Run:
    """One run folder, open for writing."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim(yaml.safe_dump(json.loads(json.dumps(encode(recipe), default=str)), sort_keys=False))
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot write the run folder ({error.strerror}); choose another --run"
            ) from None
        self._board = _tensorboard(folder / "tensorboard")

    @property
    def state_file(self) -> Path:
        """The last saved state."""
        return self.folder / "state.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The finished estimator's folder."""
        return self.folder / "checkpoint"

    def _claim(self, text: str) -> None:
        """Writes the resolved recipe; refuses a folder that holds the state of another one."""
        path = self.folder / "recipe.yaml"
        if self.state_file.exists() and path.exists() and path.read_text() != text:
            raise ConfigError(
                f"{self.folder}: holds a run of a recipe that differs from this one; compare {path}, "
                "then give --run another folder or delete this one"
            )
        write_whole(path, text)

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
            write_whole(path, "".join(line + "\n" for line in lines))

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Replaces the saved state, whole or not at all."""
        temporary = self.state_file.with_suffix(".tmp")
        contiguous = {name: x.detach().contiguous().cpu() for name, x in tensors.items()}
        save_file(contiguous, temporary, metadata={"facts": json.dumps(facts)})
        os.replace(temporary, self.state_file)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The saved state and its facts, or None when nothing was saved yet."""
        if not self.state_file.exists():
            return None
        try:
            with safe_open(self.state_file, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return tensors, json.loads(file.metadata()["facts"])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.state_file}: damaged ({error}); delete it to begin this run again") from error

    def close(self) -> None:
        """Flushes TensorBoard."""
        if self._board is not None:
            self._board.close()


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


def write_whole(path: Path, text: str) -> None:
    """Replaces a text file, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


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
