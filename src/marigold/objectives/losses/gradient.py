"""Differences between neighbouring pixels at several scales: where surfaces end, and how they bend."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from marigold.core.config import require_within
from marigold.estimator import Estimator
from marigold.objectives.losses.base import MapLoss, Outcome

SCALES = 16
"""The largest image that can be trained on has no more."""


@dataclass(frozen=True)
class Gradient(MapLoss):
    """sum_k 1 / M_k sum_i (|dx R_k(i)| + |dy R_k(i)|), with R the error of the target images (multi-scale gradients).

    R_k has every 2^k-th pixel of R, and M_k is the number of valid ones among them, of all images together (Ranftl et
    al. 2022, eq. 11; Li and Snavely 2018, eq. 3). Both compare maps in one space: the first after a fit of scale and
    shift, the second logarithms of depth. Here that space is the target image, whose range is known. A difference
    counts where both of its pixels are valid; channels are averaged.
    """

    scales: int = 4
    """How often the image is halved, beginning with its own size."""

    def __post_init__(self) -> None:
        require_within("gradient: ", self, scales=(1, SCALES))

    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """Of the difference to the truth, in units of half the range of a target image."""
        valid = outcome.truth.valid
        error = torch.where(valid, outcome.pixels - outcome.truth.pixels, 0.0)
        steps = [2**k for k in range(self.scales)]
        return torch.stack([_slopes(error[..., ::step, ::step], valid[..., ::step, ::step]) for step in steps]).sum()


def _slopes(error: Tensor, valid: Tensor) -> Tensor:
    """The sum of absolute differences of [D, N, 3, H, W] to the right and down, over the number of valid pixels."""
    right = (error.diff(dim=-1).abs() * (valid[..., 1:] & valid[..., :-1])).sum()
    down = (error.diff(dim=-2).abs() * (valid[..., 1:, :] & valid[..., :-1, :])).sum()
    return (right + down) / (valid.sum() * error.shape[-3]).clamp(min=1)
