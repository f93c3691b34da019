"""Surfaces from depth: places, cuts, orientation, in closed form."""

import math

import numpy as np
import pytest

from marigold.export._surface import Lens, surface

LENS = Lens(fov=90, near=1, far=3)
TELE = Lens(fov=10, near=1, far=3)
"""Its pixels are small beside the distances, so that depth edges are steep."""
OPEN = {"cut": 0, "detail": 0}


def test_depth_is_planar_distance_between_near_and_far():
    found = surface(np.array([[0.0, 0.5], [1.0, 0.25]], np.float32), LENS, **OPEN)
    assert found.points[:, 2].tolist() == [-1, -2, -3, -1.5]
    assert list(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_the_field_of_view_reaches_from_border_to_border_of_the_longer_side():
    for size in ((40, 60), (60, 40)):
        points = surface(np.zeros(size, np.float32), LENS, **OPEN).points.reshape(*size, 3)
        # At 90 degrees and distance 1 the longer side is 2 m wide; the outermost centres lie half a pixel inside.
        edge = 1 - 1 / 60
        longer = points[0, :, 0] if size[1] == 60 else points[:, 0, 1]
        assert sorted(longer[[0, -1]].tolist()) == pytest.approx([-edge, edge])
        assert points[0, -1, 0] > 0 and points[0, -1, 1] > 0  # the corner at the upper right


def test_points_are_those_of_a_pinhole_camera():
    depth = np.random.default_rng(0).random((9, 14)).astype(np.float32)
    found = surface(depth, Lens(60, 2, 7), **OPEN)
    metres = 2 + 5 * depth
    focal = 7 / math.tan(math.radians(30))
    for row, column in np.ndindex(depth.shape):
        ray = np.array([(column + 0.5 - 7) / focal, (4.5 - row - 0.5) / focal, -1])
        np.testing.assert_allclose(found.points[14 * row + column], metres[row, column] * ray, atol=1e-5)


def test_every_triangle_turns_its_front_to_the_camera():
    depth = np.random.default_rng(0).random((9, 14)).astype(np.float32)
    found = surface(depth, LENS, **OPEN)
    a, b, c = (found.points[corner] for corner in found.faces.T)
    towards = -(a + b + c)
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), towards) > 0).all()
    assert len(found.faces) == 2 * 8 * 13


def test_a_step_in_depth_is_cut_and_both_sides_stay_whole():
    depth = np.zeros((10, 12), np.float32)
    depth[:, 6:] = 1
    found = surface(depth, TELE, cut=3, detail=0)
    assert len(found.points) == 120 and len(found.faces) == 2 * 9 * 5 * 2
    sides = found.columns[found.faces] < 6
    assert (sides.all(axis=1) | ~sides.any(axis=1)).all()
    assert len(surface(depth, LENS, **OPEN).faces) == 2 * 9 * 11


def test_points_that_belong_to_no_triangle_are_left_out():
    depth = np.zeros((10, 12), np.float32)
    depth[4, 5] = 1
    found = surface(depth, TELE, cut=3, detail=0)
    assert len(found.points) == 119
    assert not ((found.rows == 4) & (found.columns == 5)).any()
    assert found.faces.max() == 118 and found.faces.min() == 0


@pytest.mark.parametrize("angle", [2, 5, 20, 45])
def test_a_floor_is_cut_where_it_is_seen_flatter_than_the_angle(angle):
    # A camera 1 m above a floor sees it at the angle by which the ray dips below the horizon.
    size, lens = 400, Lens(fov=120, near=0.5, far=40)
    focal = size / 2 / math.tan(math.radians(60))
    dip = (np.arange(size) + 0.5 - size / 2) / focal
    floor = np.clip(1 / np.maximum(dip, 1e-9), 0, 40)
    depth = ((floor - 0.5) / 39.5)[:, None].repeat(3, axis=1).astype(np.float32)
    found = surface(depth, lens, cut=angle, detail=0)
    seen = np.degrees(np.arctan(dip[found.rows[found.faces]].mean(axis=1)))
    seen = seen[floor[found.rows[found.faces]].max(axis=1) < 39]
    step = math.degrees(1 / focal)
    assert angle - step <= seen.min() <= angle + step


def test_detail_bounds_the_points_along_the_longer_side():
    depth = np.tile(np.linspace(0, 1, 90, dtype=np.float32), (60, 1))
    found = surface(depth, LENS, cut=0, detail=30)
    assert len(found.points) == 30 * 20
    assert found.columns[:4].tolist() == [1, 4, 7, 10] and found.rows[::30][:3].tolist() == [1, 4, 7]
    whole = surface(depth, LENS, cut=0, detail=90)
    np.testing.assert_array_equal(whole.points.reshape(60, 90, 3)[1::3, 1::3].reshape(-1, 3), found.points)


def test_a_picture_one_pixel_wide_has_no_surface():
    assert len(surface(np.zeros((9, 1), np.float32), LENS, **OPEN).faces) == 0
