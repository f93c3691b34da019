"""Refiners, whose network sees a coarse map beside the photo: found for the checkpoint that predicts that map.

A refiner is a checkpoint as any other whose network has N + 1 conditions for N targets: the latent of the photo and
those of the coarse map's target images. A published folder holds one as a second network, `boosting_unet`, beside the
network that predicts the coarse map. Its input is taken to be [noisy targets | coarse map | photo], as descriptions of
it have it; its weights have not confirmed that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from marigold.checkpoints import store
from marigold.checkpoints.catalogue import Description, refiner_of
from marigold.checkpoints.layout import REFINER
from marigold.core.console import printable
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.find import name_of
from marigold.estimator import Estimator


@dataclass(frozen=True)
class Found:
    """A refiner before its weights are read."""

    described: Description
    asked: str | None = None
    """The name that it was asked for by; None for the one that goes with a checkpoint."""

    @property
    def is_part(self) -> bool:
        """Whether it is a second network in a checkpoint's folder."""
        return (self.described.folder / REFINER).is_dir()


def find(
    checkpoint: Description,
    name: str | Path | None = None,
    *,
    trust: str | Iterable[str] = (),
    dtype: torch.dtype = torch.float32,
) -> Found:
    """The refiner called `name` or, when None, the one that goes with a checkpoint; no weights are read.

    That is the second network in the checkpoint's own folder, or else the bundled refiner of its modality. Raises
    `CheckpointError` where there is none, or one of another modality, and what `store.describe` raises.
    """
    if name is None and (checkpoint.folder / REFINER).is_dir():
        return Found(checkpoint)
    modality = name_of(checkpoint.modality)
    wanted = refiner_of(modality) if name is None else name
    if wanted is None:
        raise CheckpointError(
            f"checkpoint `{printable(checkpoint.card.name)}`: has no refiner, and none for {modality} is bundled; name "
            "one with --refiner, or leave --hr out"
        )
    described = store.describe(wanted, trust=trust, dtype=dtype, autoencoder=checkpoint.autoencoder)
    _check_modality(checkpoint, described, str(wanted))
    return Found(described, None if name is None else str(name))


def read(found: Found, dtype: torch.dtype) -> Estimator:
    """The networks of a refiner, on the CPU, with the photo's latent first in its input.

    Raises `CheckpointError` for what is no refiner, or cannot be used.
    """
    described = found.described
    estimator = store.read(described, dtype, {"unet": REFINER} if found.is_part else None)
    where = described.folder / REFINER if found.is_part else described.folder
    check(estimator, str(where))
    if found.is_part:
        _reorder(estimator, str(where))
    return estimator.to(dtype=dtype)


def is_refiner(estimator: Estimator) -> bool:
    """Whether its network sees a coarse map beside the photo."""
    return estimator.backbone.conditions == 1 + estimator.backbone.targets


def check(estimator: Estimator, where: str) -> None:
    """Raises `CheckpointError` for networks that do not see a coarse map beside the photo."""
    if not is_refiner(estimator):
        takes, targets = estimator.backbone.conditions, estimator.backbone.targets
        raise CheckpointError(
            f"{printable(where)}: is no refiner: its network takes {takes} latents beside the noisy ones, and one of "
            f"{name_of(estimator.modality)} takes {1 + targets}, photo and coarse map; choose another --refiner"
        )


def _check_modality(checkpoint: Description, refiner: Description, name: str) -> None:
    """Raises `CheckpointError` unless both predict the same, encoded alike."""
    ours, theirs = checkpoint.modality, refiner.modality
    if name_of(ours) != name_of(theirs):
        raise CheckpointError(
            f"refiner {printable(name)}: refines {name_of(theirs)}, and `{printable(checkpoint.card.name)}` predicts "
            f"{name_of(ours)}; choose a refiner of that"
        )
    if ours != theirs:
        raise CheckpointError(
            f"refiner {printable(name)}: encodes {name_of(ours)} in another way than "
            f"`{printable(checkpoint.card.name)}` ({theirs} and {ours}); choose a refiner that was trained behind it"
        )


def _reorder(estimator: Estimator, where: str) -> None:
    """Brings [noisy | coarse | photo] into the order in which networks are called here, [photo | coarse | noisy]."""
    targets = estimator.backbone.targets
    noisy, coarse = range(targets), range(targets, 2 * targets)
    try:
        estimator.backbone.permute_inputs([2 * targets, *coarse, *noisy])
    except ConfigError as error:
        raise CheckpointError(f"{printable(where)}: {error}") from error
