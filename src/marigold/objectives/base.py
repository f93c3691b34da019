"""The contract of an objective: what a training step minimises. A concrete objective is a frozen dataclass; its fields
are its configuration."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints import store
from marigold.checkpoints.adapters import Adapter
from marigold.checkpoints.convention import Convention
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.base import Modality


class Objective(ABC):
    """What training minimises."""

    def extend(self, backbone: Backbone) -> None:
        """Gives a backbone what is trained and no checkpoint has, drawn from the global random state; here nothing.

        Raises `ConfigError` for a backbone that cannot have it.
        """

    def conditions(self, modality: Modality) -> int:
        """How many latents the network is shown beside its own noisy ones: here that of the photo alone."""
        return 1

    @abstractmethod
    def trainable(self, estimator: Estimator) -> nn.Module:
        """The part of the estimator whose weights are trained; everything else stays frozen."""

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """How the network is called that comes out of training; `before` is how its start was.

        Here as diffusion models are: from noise, at the times of the schedule. A switch stays as it was, and so does
        a network that sees the photo alone.
        """
        return before if before.start == "nothing" else Convention(switch=before.switch)

    @abstractmethod
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """What the loss needs of a batch, each [B, ...]: all work that no trained weight takes part in.

        It draws nothing at random, so what was prepared once may be used again.
        """

    def prepared_by(self, estimator: Estimator) -> str:
        """The revision of another model that has a part in what `prepare` gives; here there is none."""
        return ""

    @abstractmethod
    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The scalar to minimise; every random draw comes from `rng`, which lives on the batch's device."""

    @abstractmethod
    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """What a person looks at during training: [rows, columns, 3, H, W] in -1 to 1, one row for each sample."""

    def setup(self, estimator: Estimator) -> nn.Module:
        """Networks that the objective keeps beside the estimator (a teacher, an average); saved with the run."""
        return nn.Module()

    def after_step(self, estimator: Estimator, kept: nn.Module) -> None:
        """Called after every optimizer step."""

    def finish(self, estimator: Estimator, draw: Callable[[int], Batch]) -> None:
        """Called once when training ends, with a function that gives the batch of a step."""

    def save(self, estimator: Estimator, folder: Path, adapter: Adapter | None = None) -> None:
        """Writes what came out of training: the estimator as a checkpoint, or the adapter. Raises `OutputError`."""
        store.save(estimator, folder, adapter=adapter)

    def saved_bytes(self, estimator: Estimator) -> int:
        """Bytes that `save` writes without an adapter, but for configurations."""
        return estimator.backbone.stored_bytes()
