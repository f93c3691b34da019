"""The moments of an image's channels, gathered a stripe at a time, and what a group norm makes of them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CACHED = 2**20
"""Values that a processor's caches hold while they are passed over several times."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Of so many places of each channel the mean [C], and the sum of squares of what differs from it [C], float32."""

    count: int
    mean: Tensor
    squares: Tensor

    def joined(self, other: "Moments") -> "Moments":
        """Of the places of both (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart.square() * (self.count * other.count / count)
        return Moments(count, self.mean + apart * (other.count / count), squares)

    def affine(self, layer: nn.GroupNorm) -> tuple[Tensor, Tensor]:
        """What each channel is multiplied by, and what is added then, to be normalised with its group (float32)."""
        means = self.mean.view(layer.num_groups, -1)
        centre = means.mean(1, keepdim=True)
        within = self.squares.view_as(means) / self.count
        variance = (within + (means - centre).square()).mean(1, keepdim=True)
        scale = layer.weight.float() * (variance + layer.eps).rsqrt().expand_as(means).flatten()
        return scale, layer.bias.float() - centre.expand_as(means).flatten() * scale


def moments(x: Tensor) -> Moments:
    """Of an image [1, C, h, w], by two passes over what a processor's caches hold, so that nothing is lost."""
    values = x[0].permute(1, 2, 0).flatten(0, 1)
    at_once = max(1, CACHED // values.shape[1]) if x.device.type == "cpu" else len(values)
    first, *others = map(_of_part, values.split(at_once))
    for other in others:
        first = first.joined(other)
    return first


def _of_part(values: Tensor) -> Moments:
    """Of values [N, C]."""
    apart = values.to(torch.float32, copy=True)
    mean = apart.mean(0)
    return Moments(len(values), mean, apart.sub_(mean).square_().sum(0))
