"""Normals of depth: planes whose angles are known."""

import math

import pytest
import torch

from marigold.objectives.losses.surface import Surface
from toys.outcomes import outcome, random, value

SIDE = 6


def plane(slope: float, focal: float = 1.0) -> torch.Tensor:
    """The depth [1, 1, 6, 6] of a plane through (0, 0, 3 m) whose depth grows by `slope` a metre to the right."""
    x = (torch.arange(SIDE, dtype=torch.float64) + 0.5 - SIDE / 2) / (focal * SIDE)
    return (3 / (1 - slope * x)).expand(1, 1, SIDE, SIDE)


def shown(depth: torch.Tensor) -> torch.Tensor:
    """A target image that is read as this depth, up to scale and shift."""
    low, high = depth.min(), depth.max()
    share = (depth - low) / (high - low) if high > low else torch.full_like(depth, 0.5)
    return (share * 2 - 1).expand(-1, 3, -1, -1)[:, None]


def loss(predicted: torch.Tensor, truth: torch.Tensor, **options) -> float:
    return float(value(Surface(**options), outcome(predicted, torch.zeros_like(predicted), depth=truth)))


@pytest.mark.parametrize("focal", [0.7, 1.0])
def test_a_plane_has_one_normal_whatever_the_focal_length(focal):
    normals = Surface(focal=focal)._normals(plane(0.5, focal))
    # Its points are (x, y, -3 - x / 2), so that (1, 0, 2) stands on it and faces the viewer.
    expected = (torch.tensor([1.0, 0.0, 2.0]) / math.sqrt(5)).double().view(1, 3, 1, 1)
    torch.testing.assert_close(normals, expected.expand_as(normals))


def test_the_ground_faces_up():
    y = (torch.arange(SIDE, dtype=torch.float64) + 0.5 - SIDE / 2)[3:] / SIDE
    ground = Surface(focal=1.0)
    # A plane one metre below the camera: z y = 1 for rows below the horizon, in a window that begins there.
    depth = (1 / y)[:, None].expand(1, 1, 3, SIDE)
    rays = torch.stack(torch.broadcast_tensors(torch.arange(SIDE).double() / SIDE, -y[:, None], -torch.ones(3, 1)))
    points = depth * rays
    assert torch.allclose(points[:, 1], torch.tensor(-1.0).double())
    whole = torch.cat([torch.full((1, 1, 3, SIDE), 100.0).double(), depth], dim=-2)
    normals = ground._normals(whole)[..., 3:, :]
    torch.testing.assert_close(normals, torch.tensor([0.0, 1, 0]).double().view(1, 3, 1, 1).expand_as(normals))


def test_depth_that_is_right_up_to_scale_and_shift_has_no_error():
    truth = plane(0.5)
    assert loss(shown(truth), truth) == pytest.approx(0, abs=1e-7)


def test_a_flat_answer_to_a_slanted_wall_is_wrong_by_the_angle_between_them():
    # The constant is fitted to the mean depth, a plane that faces the viewer: the angle is that of (1, 0, 2).
    flat = torch.zeros(1, 1, 3, SIDE, SIDE, dtype=torch.float64)
    assert loss(flat, plane(0.5)) == pytest.approx(math.atan(0.5), abs=1e-6)


def test_pixels_at_a_jump_are_left_out():
    truth = torch.cat([plane(0.0)[..., :3], plane(0.0)[..., 3:] * 2], dim=-1)
    soft = torch.cat(
        [truth[..., :2], truth[..., 2:4].mean(dim=-1, keepdim=True).expand(-1, -1, -1, 2), truth[..., 4:]], -1
    )
    assert loss(shown(truth), truth) == pytest.approx(0, abs=1e-7)
    assert loss(shown(soft), truth, jump=0.1) < loss(shown(soft), truth, jump=10.0)


def test_a_constant_answer_has_a_slope_that_is_a_number():
    flat = torch.zeros(1, 1, 3, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    value(Surface(), outcome(flat, torch.zeros(1, 1, 3, SIDE, SIDE), depth=3 + random(1, 1, SIDE, SIDE))).backward()
    assert flat.grad is not None and bool(flat.grad.isfinite().all())
