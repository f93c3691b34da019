"""How steady a clip is: planes in front of cameras whose motion is known, by hand."""

import math

import pytest
import torch

from marigold.core.sample import Camera
from marigold.measure.temporal import Pose, alignment_error, flicker, land, static_pairs

CAMERA = Camera(10.0, 10.0, 8.0, 6.0)
EVERY = torch.ones(12, 16, dtype=torch.bool)


def plane(depth):
    return torch.full((12, 16), float(depth), dtype=torch.float64)


def at(x=0.0, y=0.0, z=0.0, turn=None):
    return Pose(torch.tensor([x, y, z]), torch.eye(3) if turn is None else turn)


def test_a_step_forward_brings_points_nearer_and_outwards():
    landing = land(plane(4), CAMERA, at(), at(z=-2))  # back is +z
    torch.testing.assert_close(landing.depth, plane(2))
    # The pixel (row 6, column 10): x = (10.5 - 8) / 10 * 4 = 1 m; at 2 m it is at column 8 + 10 * 0.5 = 13
    assert landing.places[6, 10, 0] == pytest.approx(2 * 13 / 16 - 1)


def test_a_camera_that_turns_away_sees_nothing():
    about = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    assert not land(plane(4), CAMERA, at(), at(turn=about)).inside.any()


def test_the_truth_of_a_still_plane_neither_flickers_nor_is_off():
    landing, still = static_pairs(plane(4), plane(2), EVERY, EVERY, CAMERA, at(), at(z=-2))
    assert 0 < still.sum() < EVERY.sum()
    assert flicker(plane(4), plane(2), plane(4), plane(2), landing, still) == 0
    assert alignment_error(plane(4), plane(2), still, CAMERA, at(), at(z=-2)) == pytest.approx(0, abs=1e-9)


def test_flicker_is_the_change_of_the_relative_error():
    landing, still = static_pairs(plane(4), plane(2), EVERY, EVERY, CAMERA, at(), at(z=-2))
    # 4.4 of 4 is a tenth too far, 1.9 of 2 a twentieth too near
    assert flicker(plane(4.4), plane(1.9), plane(4), plane(2), landing, still) == pytest.approx(0.15)


def test_alignment_error_is_relative_to_the_other_frame():
    _, still = static_pairs(plane(4), plane(4), EVERY, EVERY, CAMERA, at(), at())
    assert alignment_error(plane(5), plane(4), still, CAMERA, at(), at()) == pytest.approx(0.25)


def test_hidden_and_moving_points_do_not_count():
    half = EVERY.clone()
    half[:, 8:] = False
    _, still = static_pairs(plane(4), plane(4), EVERY, half, CAMERA, at(), at())
    assert still.sum() == 12 * 8
    nearer = torch.where(half, plane(4), plane(3))
    assert static_pairs(plane(4), nearer, EVERY, EVERY, CAMERA, at(), at())[1].sum() == 12 * 8


def test_without_a_static_point_there_is_no_number():
    landing, _ = static_pairs(plane(4), plane(4), EVERY, EVERY, CAMERA, at(), at())
    assert math.isnan(flicker(plane(4), plane(4), plane(4), plane(4), landing, ~EVERY))
