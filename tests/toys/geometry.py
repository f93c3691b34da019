"""Pinhole geometry, to compare with: the ray of every pixel, points from planar depth.

Camera axes: x right, y up, z towards the viewer, so everything visible has a negative z, and planar depth is -z.
"""

import math

import torch
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
