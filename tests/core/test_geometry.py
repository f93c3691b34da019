"""Pinhole geometry against planes and a sphere in closed form."""

import math

import pytest
import torch

from marigold.core.geometry import depth_to_normals, pinhole, project, rays, unproject
from marigold.core.sample import Camera

CAMERA = Camera(fx=50.0, fy=40.0, cx=16.0, cy=12.0)
HEIGHT, WIDTH = 24, 32


def plane_depth(normal, distance):
    """Depth of the plane n . p = -distance under CAMERA: depth = -distance / (n . ray)."""
    direction = rays(CAMERA, HEIGHT, WIDTH).double()
    n = torch.tensor(normal, dtype=torch.float64)
    n = n / n.norm()
    return -distance / (n.view(3, 1, 1) * direction).sum(0, keepdim=True), n


def test_the_ray_through_the_principal_point_looks_straight_ahead():
    direction = rays(Camera(50.0, 40.0, 16.5, 12.5), HEIGHT, WIDTH)[:, 12, 16]
    torch.testing.assert_close(direction, torch.tensor([0.0, 0.0, -1.0]))


def test_rays_point_right_and_up_of_the_principal_point():
    direction = rays(CAMERA, HEIGHT, WIDTH)[:, 0, 31]
    torch.testing.assert_close(direction, torch.tensor([15.5 / 50, 11.5 / 40, -1.0]))


def test_a_field_of_view_of_90_degrees_has_a_focal_length_of_half_the_width():
    camera = pinhole(48, 64, 90.0)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((32.0, 32.0, 32.0, 24.0))


def test_projecting_unprojected_depth_gives_pixel_centres_and_depth():
    depth = 1 + 5 * torch.rand(2, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pixels, again = project(unproject(depth, CAMERA), CAMERA)
    torch.testing.assert_close(again, depth)
    torch.testing.assert_close(pixels[1, 0, 5], torch.arange(WIDTH) + 0.5, check_dtype=False)
    torch.testing.assert_close(pixels[1, 1, :, 7], torch.arange(HEIGHT) + 0.5, check_dtype=False)


@pytest.mark.parametrize("normal", [(0, 0, 1), (0, 1, 0.4), (0.3, -0.2, 1), (-0.5, 0.1, 0.9)])
def test_normals_of_a_plane_are_exact_up_to_the_border(normal):
    depth, n = plane_depth(normal, 2.0)
    depth = depth.where(depth > 0, torch.nan)
    normals = depth_to_normals(depth, CAMERA)
    seen = normals.isfinite().all(0)
    assert seen.sum() > 100
    torch.testing.assert_close(normals[:, seen], n.view(3, 1).expand(3, int(seen.sum())))


def test_normals_of_a_sphere_point_away_from_its_centre():
    camera = pinhole(201, 201, 40.0)
    centre = torch.tensor([0.0, 0.0, -4.0], dtype=torch.float64).view(3, 1, 1)
    direction = rays(camera, 201, 201).double()
    a, b = (direction**2).sum(0), (direction * centre).sum(0)
    root = b**2 - a * ((centre**2).sum() - 1.0)
    depth = ((b - root.sqrt()) / a)[None]
    expected = unproject(depth, camera) - centre
    inside = root > 0.5
    cosine = (depth_to_normals(depth, camera) * expected).sum(0)[inside]
    assert cosine.min() > math.cos(math.radians(0.1))
