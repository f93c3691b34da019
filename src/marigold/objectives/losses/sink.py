"""The set of values in small blocks, wherever in the block they are: what lies between two surfaces matches neither."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.core.config import require, require_within
from marigold.estimator import Estimator
from marigold.objectives.losses.base import MapLoss, Outcome

NEVER = -1e5
"""The logarithm of a mass that is zero, and from which nothing overflows."""


@dataclass(frozen=True)
class Sink(MapLoss):
    """SinkLoss: entropic optimal transport between the values of a block and the true ones (arXiv 2609.08084).

    The target image is cut into blocks of K x K pixels. Between pixel i of the prediction and j of the truth the cost
    C_ij is the mean over channels of |p_i - q_j|, and the plan M minimises <M, C> - temperature * H(M) under equal mass
    for every valid pixel on both sides, by so many Sinkhorn iterations. The loss is the mean over blocks with a valid
    pixel of sum M C / sum M.

    Where in its block a value is costs nothing, and a value between two surfaces costs its distance to one of them. At
    a low temperature few iterations move no mass from one surface to the other, so that an edge that is a pixel off
    costs next to nothing either. The gradient flows through the plan too. As published, pixels that are not valid have
    a cost of a million in place of no mass; the plan tends to the same, which a few iterations do not reach.
    """

    block: int = 5
    """K, in pixels."""
    iterations: int = 5
    """Of both sides each."""
    temperature: float = 0.1
    """Of the entropy, in units of half the range of a target image."""

    def __post_init__(self) -> None:
        require_within("sink: ", self, block=(1, 16), iterations=(1, 1000), temperature=(0.0, 100.0))
        require(self.temperature >= 1e-3, "sink: temperature", self.temperature, "at least 0.001")

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """Of all target images alike."""
        predicted, truth, valid = (
            _blocks(x.flatten(0, 1), self.block) for x in (outcome.pixels, outcome.truth.pixels, outcome.truth.valid)
        )
        valid = valid[..., 0] > 0
        # What is not valid may be anything, as long as its cost is a number.
        predicted = torch.where(valid[..., None], predicted, 0.0)
        truth = torch.where(valid[..., None], truth, 0.0)
        distance = transport(predicted, truth, valid, self.iterations, self.temperature)
        known = valid.any(dim=-1)
        return torch.where(known, distance, 0.0).sum() / known.sum().clamp(min=1)


def transport(predicted: Tensor, truth: Tensor, valid: Tensor, iterations: int, temperature: float) -> Tensor:
    """The mean cost [L] of moving `predicted` to `truth`, sets [L, P, C] whose members are `valid`, bool [L, P].

    Sinkhorn's iterations on logarithms (Cuturi 2013): log M_ij = f_i + g_j - C_ij / temperature, where f and g in turn
    give rows and columns their mass, 1 / n for each of the n valid pixels.
    """
    # [L, P, P]
    cost = (predicted[:, :, None] - truth[:, None]).abs().mean(dim=-1)
    similar = -cost / temperature
    mass = torch.where(valid, -valid.sum(dim=-1, keepdim=True).clamp(min=1).log(), NEVER)
    g = torch.where(valid, 0.0, NEVER)
    for _ in range(iterations):
        f = torch.where(valid, mass - torch.logsumexp(similar + g[:, None], dim=2), NEVER)
        g = torch.where(valid, mass - torch.logsumexp(similar + f[:, :, None], dim=1), NEVER)
    plan = torch.where(valid[:, :, None] & valid[:, None], similar + f[:, :, None] + g[:, None], -math.inf).exp()
    return (plan * cost).sum(dim=(1, 2)) / plan.sum(dim=(1, 2)).clamp(min=1e-12)


def _blocks(images: Tensor, side: int) -> Tensor:
    """[B, C, H, W] as blocks [B * blocks, side^2, C]; what is missing to whole ones at the ends is zero."""
    images = F.pad(images, (0, -images.shape[-1] % side, 0, -images.shape[-2] % side))
    cut = images.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))  # [B, C, rows, side, columns, side]
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2)
