"""What a prediction comes from: the checkpoint by its revision, the modality, and the number type."""

import hashlib
from dataclasses import dataclass

import torch

from marigold.checkpoints.card import Card
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Provenance:
    """What one modality's results are made by."""

    card: Card
    """Of the checkpoint; its revision stands for the weights."""
    modality: Modality
    dtype: torch.dtype
    refiner: Card | None = None
    """Of what refines the results, if they are refined."""


def weights_hash(network: torch.nn.Module) -> str:
    """Twelve digits that stand for a network's weights, for a checkpoint without a revision."""
    digest = hashlib.sha256()
    for name, weights in sorted(network.state_dict().items()):
        digest.update(f"{name} {weights.dtype} {list(weights.shape)}".encode())
        digest.update(weights.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]
