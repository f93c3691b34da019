"""Rendered clips: the same on every call, steady where nothing moves, and exact from frame to frame."""

import numpy as np
import pytest
import torch

from marigold.measure.temporal import static_pairs
from marigold_scenes.clips import render_clip


@pytest.fixture(scope="module")
def frames():
    return list(render_clip(3, 0, 3, 48, 64, ("tabletop",)))


def test_a_frame_is_the_same_whatever_is_rendered_with_it(frames):
    again = next(render_clip(3, 0, 1, 48, 64, ("tabletop",)))
    torch.testing.assert_close(again.sample.image, frames[0].sample.image, rtol=0, atol=0)
    assert len({frame.sample.key for frame in frames}) == 3


def test_the_camera_moves_and_stays_a_camera(frames):
    first, *_, last = frames
    assert torch.linalg.norm(last.pose.eye - first.pose.eye) > 0
    for frame in frames:
        np.testing.assert_allclose(frame.pose.turn @ frame.pose.turn.T, np.eye(3), atol=1e-6)


def test_some_pixels_move_and_most_do_not(frames):
    shares = [float(frame.moving.float().mean()) for frame in frames]
    assert 0 < max(shares) < 0.8


def test_static_points_are_where_poses_and_depth_say(frames):
    one, other = frames[0], frames[1]
    truth, other_truth = (frame.sample.maps["depth"][0] for frame in (one, other))
    static, other_static = (frame.sample.valid["depth"][0] & ~frame.moving[0] for frame in (one, other))
    _, seen = static_pairs(truth, other_truth, static, other_static, one.sample.camera, one.pose, other.pose)
    # What is not seen again is at outlines, behind others, or out of the picture
    assert seen.sum() > 0.6 * static.sum()
