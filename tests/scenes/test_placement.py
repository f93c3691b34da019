"""Placements nest, rods lean, and rotations are rotations."""

import math

import numpy as np
import pytest

from marigold_scenes.placement import Placement, leaning, ring, rotations

QUARTER = math.pi / 2


def test_a_placement_that_is_left_out_changes_nothing():
    assert Placement().point(1.0, 2.0, 3.0) == (1.0, 2.0, 3.0)


def test_a_quarter_turn_sends_z_to_x_and_x_to_minus_z():
    at = Placement(yaw=QUARTER)
    assert at.point(0.0, 0.0, 1.0) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)
    assert at.point(1.0, 0.0, 0.0) == pytest.approx((0.0, 0.0, -1.0), abs=1e-12)


def test_a_scale_grows_offsets_and_not_the_place_itself():
    assert Placement(10.0, 20.0, 30.0, scale=2.0).point(1.0, 1.0, 1.0) == (12.0, 22.0, 32.0)


def test_placements_nest():
    outer = Placement(1.0, 2.0, 3.0, QUARTER, 2.0)
    inner = outer.offset(0.0, 1.0, 1.0, QUARTER)
    # Turned by a quarter, the outer z axis points along +x.
    assert inner[:3] == pytest.approx((3.0, 4.0, 3.0))
    assert inner.yaw == pytest.approx(math.pi)
    assert inner.scale == 2.0


def test_a_point_of_a_nested_placement_is_the_point_of_the_point():
    outer, inner = Placement(1.0, -2.0, 0.5, 0.7, 1.5), Placement(0.3, 0.1, -0.8, -1.9, 0.5)
    nested = outer.offset(inner.x, inner.y, inner.z, inner.yaw, inner.scale)
    assert nested.point(0.2, 0.4, 0.6) == pytest.approx(outer.point(*inner.point(0.2, 0.4, 0.6)))


def test_points_of_a_ring_have_its_radius_and_height():
    assert ring(0.0, 2.0, 5.0) == (2.0, 5.0, 0.0)
    assert ring(QUARTER, 2.0) == pytest.approx((0.0, 0.0, 2.0), abs=1e-12)


def test_a_rod_that_does_not_lean_is_upright_and_one_that_leans_fully_lies():
    assert leaning((1.0, 1.0, 1.0), 0.4, 0.0, 2.0) == (1.0, 3.0, 1.0)
    assert leaning((0.0, 0.0, 0.0), 0.0, QUARTER, 2.0) == pytest.approx((2.0, 0.0, 0.0), abs=1e-12)


def test_a_rod_keeps_its_length_and_its_angle():
    tip = np.array(leaning((0.0, 0.0, 0.0), 1.1, 0.6, 3.0))
    assert np.linalg.norm(tip) == pytest.approx(3.0)
    assert tip[1] == pytest.approx(3.0 * math.cos(0.6))
    assert math.atan2(tip[2], tip[0]) == pytest.approx(1.1)


def test_rotations_are_rotations():
    matrices = rotations(*np.random.default_rng(0).uniform(-3, 3, (3, 20)))
    identity = np.broadcast_to(np.eye(3), (20, 3, 3))
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), identity, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1)


@pytest.mark.parametrize(
    ("angles", "moved"),
    [((QUARTER, 0, 0), (0, 0, -1)), ((0, QUARTER, 0), (1, 0, 0)), ((0, 0, QUARTER), (0, 1, 0))],
    ids=["yaw", "pitch", "roll"],
)
def test_where_the_x_axis_goes_under_each_angle(angles, moved):
    (matrix,) = rotations(*(np.array([angle]) for angle in angles))
    np.testing.assert_allclose(matrix @ [1.0, 0.0, 0.0], moved, atol=1e-12)


def test_roll_comes_first_then_pitch_then_yaw():
    yaw, pitch, roll = 0.3, -0.8, 1.4
    parts = [rotations(*np.array([turn]).T)[0] for turn in ((yaw, 0, 0), (0, pitch, 0), (0, 0, roll))]
    (whole,) = rotations(*np.array([[yaw, pitch, roll]]).T)
    np.testing.assert_allclose(parts[0] @ parts[1] @ parts[2], whole, atol=1e-12)
