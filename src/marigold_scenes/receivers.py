"""The receivers of light: the pixels, all or every second of every second row, that shadow rays start from.

What a few rays find is noisy; it is smoothed over the surface and enlarged to all pixels along it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.culling import Boxes
from marigold_scenes.gbuffer import GBuffer
from marigold_scenes.shapes import MISS
from marigold_scenes.tiles import TILE, from_tiles, to_tiles
from marigold_scenes.vectors import dot

_TAPS = {-2: 0.5, -1: 1.0, 1: 1.0, 2: 0.5}
"""Weights of the neighbours by their distance in `smooth`; the middle has weight 1."""


@dataclass(frozen=True)
class RayStarts:
    """T groups of P points that rays start from, just off the surface."""

    owner: Tensor
    """[T] the scene of each group."""
    origin: Tensor
    """[T, 3, P]."""
    normal: Tensor
    """[T, 3, P]."""
    hit: Tensor
    """[T, 1, P] bool: there is a surface."""
    boxes: Boxes
    """Around the origins of each group."""


@dataclass(frozen=True)
class Receivers:
    """Where light is asked for, pictures [B, C, h, w]."""

    t: Tensor
    point: Tensor
    normal: Tensor
    hit: Tensor
    stride: int
    """Pixels from one receiver to the next."""

    @classmethod
    def of(cls, gbuffer: GBuffer, stride: int) -> "Receivers":
        """The pixels of a picture, all of them or every second of every second row."""
        t, point, normal, hit = (
            x[..., ::stride, ::stride] for x in (gbuffer.t, gbuffer.point, gbuffer.normal, gbuffer.hit)
        )
        return cls(t, point, normal, hit, stride)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.t.shape[-2], self.t.shape[-1]

    def reduced(self, picture: Tensor) -> Tensor:
        """A whole picture at the receivers alone."""
        return picture[..., :: self.stride, :: self.stride]

    def groups(self, picture: Tensor) -> Tensor:
        """A picture [B, C, h, w] as [T, C, P]."""
        return to_tiles(picture, TILE // self.stride)

    def picture(self, groups: Tensor) -> Tensor:
        """Groups [T, C, P] as a picture [B, C, h, w]."""
        return from_tiles(groups, *self.size, TILE // self.stride)

    def starts(self) -> RayStarts:
        """Where the rays of all receivers start."""
        points, normals, hit = (self.groups(x) for x in (self.point, self.normal, self.hit))
        batch = len(self.t)
        owner = torch.arange(batch, device=points.device).repeat_interleave(len(points) // batch)
        # Far pixels are known less precisely, so rays start further off them.
        origin = points + normals * (1e-3 + 2e-4 * self.groups(self.t))
        return RayStarts(owner, origin, normals, hit, boxes_around(origin, hit))


def boxes_around(point: Tensor, hit: Tensor) -> Boxes:
    """Boxes around the points [T, 3, P] of each group where `hit` [T, 1, P]; a speck at 0 for groups without any."""
    low = torch.where(hit, point, MISS).amin(-1)
    high = torch.where(hit, point, -MISS).amax(-1)
    some = hit.any(-1)
    return Boxes(torch.where(some, 0.5 * (low + high), 0.0), torch.where(some, 0.5 * (high - low), 0.0))


def smooth(values: Tensor, receivers: Receivers, stride: int) -> Tensor:
    """Averages noisy values [B, C, h, w] over five by five receivers, `stride` apart, of the same surface."""
    guide = torch.cat((receivers.normal, receivers.point), 1)
    scale = 1 / (0.005 + 0.01 * receivers.t)
    for axis in (-1, -2):
        total, weight = values, torch.ones_like(receivers.t)
        for step, tap in _TAPS.items():
            moved, other = (x.roll(step * stride, axis) for x in (values, guide))
            share = tap * _alike(guide, other, scale)
            # sum of w v, and sum of w
            total, weight = torch.addcmul(total, share, moved), weight + share
        values = total / weight
    return values


def enlarged(values: Tensor, receivers: Receivers, gbuffer: GBuffer) -> Tensor:
    """Values of every second pixel [B, C, h, w] for all pixels: from the nearest four that lie on the same surface."""
    guide = torch.cat((gbuffer.normal, gbuffer.point), 1)
    coarse = torch.cat((values, receivers.normal, receivers.point), 1)
    scale = 1 / (0.005 + 0.01 * gbuffer.t)
    total, weight = 0.0, 1e-6
    for down in (0, 1):
        for right in (0, 1):
            # [B, C + 6, H, W] each coarse pixel, or its neighbour, four times
            near = coarse.roll((-down, -right), (-2, -1)).repeat_interleave(2, -2).repeat_interleave(2, -1)
            share = _alike(guide, near[:, -6:], scale) + 1e-4
            total, weight = total + share * near[:, :-6], weight + share
    return total / weight


def _alike(guide: Tensor, other: Tensor, scale: Tensor) -> Tensor:
    """How far the pixels `other` lie on the surface of `guide`, 0 to 1; both [B, 6, H, W], normal and point."""
    # n . n', and the distance n . (p' - p) from the tangent plane
    facing = dot(guide[:, :3], other[:, :3], 1)
    apart = dot(guide[:, :3], other[:, 3:] - guide[:, 3:], 1).abs() * scale
    return ((facing - 0.8) * 5).clamp(0, 1) * (1 - apart).clamp(0, 1)
