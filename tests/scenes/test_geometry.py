"""Depth and normals of rendered scenes against closed forms, and against each other by finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F

from marigold_scenes import render, scene
from marigold_scenes.families import FAMILIES
from scenes.placed import placed

SIZE = 48
BEHIND = ("box", (0.0, 0.0, 30.0), (1.0, 1.0, 1.0))


def shot(*things, **options):
    """A picture of hand-placed solids."""
    return render.shoot(placed(*things, **options), SIZE, SIZE)


def rays(tangent=0.5):
    """Camera rays [2, H, W] of the picture: x to the right and y up at depth 1."""
    centres = (torch.arange(SIZE) + 0.5 - SIZE / 2) * (2 * tangent / SIZE)
    return torch.stack(torch.meshgrid(centres, -centres, indexing="xy"))


def test_a_sphere_has_the_depth_and_normals_of_a_sphere():
    sample = shot(("sphere", (0.3, -0.2, -4.0), (2.0, 2.0, 2.0)))
    x, y = rays()
    ray = torch.stack((x, y, -torch.ones_like(x)))
    centre = torch.tensor([0.3, -0.2, -4.0]).view(3, 1, 1)
    a, b, c = (ray * ray).sum(0), (ray * centre).sum(0), (centre * centre).sum() - 1
    discriminant = b * b - a * c
    inside = discriminant > 1e-2
    t = (b - discriminant.clamp_min(0).sqrt()) / a
    normal = t * ray - centre
    assert inside.sum() > 300
    torch.testing.assert_close(sample.maps["depth"][0, 0][inside], t[inside], rtol=0, atol=1e-4)
    torch.testing.assert_close(sample.maps["normals"][0][:, inside], normal[:, inside], rtol=0, atol=1e-4)


def test_a_level_plane_has_the_depth_of_a_plane():
    sample = shot(BEHIND, eye=(0.0, 1.5, 0.0), target=(0.0, 1.5, -1.0), floor=0.0)
    _, y = rays()
    below = y < -0.05
    torch.testing.assert_close(sample.maps["depth"][0, 0][below], (1.5 / -y)[below], rtol=1e-4, atol=1e-4)
    up = torch.tensor([0.0, 1.0, 0.0]).view(3, 1).expand(3, int(below.sum()))
    torch.testing.assert_close(sample.maps["normals"][0][:, below], up, rtol=0, atol=1e-4)
    assert not sample.valid["depth"][0, 0][y > 0].any()


def test_a_tilted_camera_sees_a_plane_at_its_planar_depth():
    pitch = math.radians(40)
    sample = shot(BEHIND, eye=(0.0, 2.0, 0.0), target=(0.0, 2.0 - math.sin(pitch), -math.cos(pitch)), floor=0.0)
    _, y = rays()
    depth = 2.0 / (math.sin(pitch) - y * math.cos(pitch))
    torch.testing.assert_close(sample.maps["depth"][0, 0], depth, rtol=1e-4, atol=1e-4)
    normal = sample.maps["normals"][0, :, 5, 7]
    torch.testing.assert_close(normal, torch.tensor([0.0, math.cos(pitch), math.sin(pitch)]), rtol=0, atol=1e-4)


def test_a_box_shows_its_front_at_the_right_depth():
    sample = shot(("box", (0.0, 0.0, -3.0), (1.0, 1.0, 2.0)))
    x, y = rays()
    front = (2 * x.abs() < 0.49) & (2 * y.abs() < 0.49)
    torch.testing.assert_close(
        sample.maps["depth"][0, 0][front], torch.full((int(front.sum()),), 2.0), rtol=0, atol=1e-4
    )
    towards = torch.tensor([0.0, 0.0, 1.0]).view(3, 1).expand(3, int(front.sum()))
    torch.testing.assert_close(sample.maps["normals"][0][:, front], towards, rtol=0, atol=1e-4)


def test_a_turned_box_shows_two_sides():
    sample = shot(("box", (0.0, 0.0, -3.0), (1.0, 4.0, 1.0), (math.pi / 4, 0.0, 0.0)))
    normals = sample.maps["normals"][0, :, SIZE // 2]
    half = math.sqrt(0.5)
    torch.testing.assert_close(normals[:, SIZE // 2 - 4], torch.tensor([-half, 0.0, half]), rtol=0, atol=1e-4)
    torch.testing.assert_close(normals[:, SIZE // 2 + 4], torch.tensor([half, 0.0, half]), rtol=0, atol=1e-4)
    # The nearest edge lies half a diagonal in front of the centre; it may pass between two pixels.
    assert abs(float(sample.maps["depth"][0, 0].min()) - (3 - half)) < 0.03


@pytest.mark.parametrize("family", FAMILIES)
def test_normals_agree_with_the_slope_of_the_unprojected_depth(family):
    size = 96
    smooth = agreeing = 0
    for index in range(3):
        scenes = scene.build(5, [index], (family,))
        sample = render.shoot(scenes, size, size)
        depth, normals = sample.maps["depth"][0], sample.maps["normals"][0]
        centres = (torch.arange(size) + 0.5 - size / 2) * (2 * scenes.tangent[0] / size)
        x, y = torch.meshgrid(centres, -centres, indexing="xy")
        points = torch.stack((x, y, -torch.ones_like(x))) * depth
        across, down = points[:, 1:-1, 2:] - points[:, 1:-1, :-2], points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
        estimate = F.normalize(torch.linalg.cross(down, across, dim=0), dim=0)
        own = normals[:, 1:-1, 1:-1]
        # Smooth: the neighbours' normals agree with the centre's, and all five pixels lie near one plane.
        flat = sample.valid["depth"][0, 0, 1:-1, 1:-1].clone()
        middle = (slice(None), slice(1, -1), slice(1, -1))
        for rows, columns in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            other, moved = (torch.roll(x, (rows, columns), (1, 2))[middle] for x in (normals, points))
            flat &= (own * other).sum(0) > 0.998
            flat &= ((moved - points[:, 1:-1, 1:-1]) * own).sum(0).abs() < 0.02 * (moved - points[:, 1:-1, 1:-1]).norm(
                dim=0
            )
        smooth += int(flat.sum())
        agreeing += int(((own * estimate).sum(0) > 0.995)[flat].sum())
    assert smooth > 0.2 * 3 * size * size
    assert agreeing > 0.999 * smooth
