"""What a run takes of memory and disk, beside activations, which depend on the batch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from marigold.core.device import require_room
from marigold.core.errors import OutputError
from marigold.estimator import Estimator
from marigold.train.packing import Trained, moments_size, size
from marigold.train.phase import phases
from marigold.train.place import checkpoints
from marigold.train.recipe import Recipe

STATES = ("state.safetensors", "state.previous.safetensors")


@dataclass(frozen=True)
class Memory:
    """Bytes that stay on the device while a run goes on."""

    weights: int
    """Of all networks, the frozen ones too."""
    gradients: int
    moments: int
    average: int

    @property
    def beside_weights(self) -> int:
        """What training keeps for the weights that it changes."""
        return self.gradients + self.moments + self.average


@dataclass(frozen=True)
class Disk:
    """Bytes that a run's folder has at the most, but for logs and previews, which are small."""

    states: int
    """Two of them."""
    checkpoints: int
    """The finished one, the best and those that are kept."""
    spare: int
    """What is written while the one before is still there."""

    @property
    def total(self) -> int:
        """Everything together."""
        return self.states + self.checkpoints + self.spare


def memory(recipe: Recipe, estimator: Estimator, optimizer: torch.optim.Optimizer) -> Memory:
    """What a run needs of the device, whether it is there by now or only after the first step."""
    changed = sum(p.nbytes for group in optimizer.param_groups for p in group["params"])
    weights = sum(x.nbytes for x in estimator.backbone.state_dict().values())
    return Memory(weights, changed, moments_size(optimizer), changed if recipe.average else 0)


def check_memory(needed: Memory, device: str) -> None:
    """Raises `ConfigError` where what training keeps beside the weights does not fit, activations not counted."""
    what = f"gradients, moments and average of {needed.gradients / 4e6:.0f} million weights"
    require_room(needed.beside_weights, device, what, "train a smaller network, or on a larger device")


def disk(recipe: Recipe, estimator: Estimator, trained: Trained, kept: nn.Module, *, best: bool, steps: int) -> Disk:
    """What a run's folder comes to after so many steps; `best` says whether the best checkpoint is kept too."""
    state, every = size(trained, kept), recipe.every
    checkpoint = phases(recipe)[0].objective.saved_bytes(estimator)
    made = steps // every.keep if every.keep else 0
    count = 1 + best + (min(made, every.keep_last) if every.keep_last else made)
    return Disk(2 * state, count * checkpoint, max(state, checkpoint))


def free_bytes(folder: Path) -> int:
    """Bytes that are free where a folder is, or is to be, with those of the states and checkpoints in it.

    Raises `OutputError` where that cannot be known.
    """
    place = next((path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir()), Path("/"))
    try:
        return shutil.disk_usage(place).free + sum(
            map(_bytes, [*(folder / name for name in STATES), *checkpoints(folder)])
        )
    except OSError as error:
        raise OutputError(f"{place}: its disk cannot be asked for free room; choose another --run") from error


def check_disk(needed: Disk, folder: Path) -> None:
    """Raises `OutputError` where states and checkpoints of a run do not fit on the disk."""
    free = free_bytes(folder)
    if needed.total > free:
        raise OutputError(
            f"{folder}: states and checkpoints of this run come to about {needed.total / 1e9:.1f} GB, and the disk has "
            f"{free / 1e9:.1f} GB for them; make room there, keep fewer (every.keep, every.keep_last), or choose "
            "another --run"
        )


def _bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 where nothing is."""
    if path.is_file():
        return path.stat().st_size
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(path) for name in names)
