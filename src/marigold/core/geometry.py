"""Pinhole geometry: the ray of every pixel, points from planar depth, normals from points.

Camera axes: x right, y up, z towards the viewer, so everything visible has a negative z, and planar depth is -z.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.sample import Camera


def pinhole(height: int, width: int, field_of_view: float) -> Camera:
    """A camera with square pixels that looks through the picture's centre; horizontal field of view in degrees."""
    focal = 0.5 * width / math.tan(math.radians(field_of_view) / 2)
    return Camera(focal, focal, 0.5 * width, 0.5 * height)


def rays(camera: Camera, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Where each pixel's centre looks, [3, H, W], scaled to z = -1: depth times ray is the point."""
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5 - camera.cx) / camera.fx
    y = (camera.cy - torch.arange(height, device=device, dtype=torch.float32) - 0.5) / camera.fy
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y, -torch.ones_like(x)])


def unproject(depth: Tensor, camera: Camera) -> Tensor:
    """Planar depth [..., 1, H, W] to points [..., 3, H, W] in camera axes, in the unit of the depth."""
    return depth * rays(camera, *depth.shape[-2:], device=depth.device).to(depth.dtype)


def project(points: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Points [..., 3, H, W] before the camera to pixels [..., 2, H, W], x and y, and depth [..., 1, H, W]."""
    x, y, z = points.split(1, dim=-3)
    depth = -z
    return torch.cat([camera.cx + camera.fx * x / depth, camera.cy - camera.fy * y / depth], dim=-3), depth


def depth_to_normals(depth: Tensor, camera: Camera) -> Tensor:
    """Unit normals [..., 3, H, W] that face the camera, from planar depth [..., 1, H, W].

    The cross product of differences between neighbouring points: central ones inside, one-sided ones at the border.
    Exact on planes; across a depth edge they describe the slope of the jump.
    """
    points = unproject(depth, camera)
    right = _difference(points, dim=-1)
    down = _difference(points, dim=-2)
    return F.normalize(torch.linalg.cross(down, right, dim=-3), dim=-3, eps=1e-20)


def _difference(x: Tensor, dim: int) -> Tensor:
    """The difference of the two neighbours along a dimension; at the ends, of the end and its neighbour."""
    size = x.shape[dim]
    index = torch.arange(size, device=x.device)
    after, before = (index + 1).clamp(max=size - 1), (index - 1).clamp(min=0)
    return x.index_select(dim, after) - x.index_select(dim, before)
