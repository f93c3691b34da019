"""Layouts: viewpoints stand free, lenses and heights stay in range, solids are well formed."""

import math

import numpy as np
import pytest
import torch

from marigold_scenes import scene
from marigold_scenes.assembly import Assembly
from marigold_scenes.families import FAMILIES
from marigold_scenes.placement import Placement, rotations
from marigold_scenes.random_stream import RandomStream


@pytest.mark.parametrize("family", FAMILIES)
def test_the_camera_stands_in_nothing_and_has_a_usual_lens(family):
    scenes = scene.build(9, list(range(30)), (family,))
    degrees = 2 * torch.atan(scenes.tangent) * 180 / math.pi
    assert (degrees >= 29.9).all()
    assert (degrees <= 100.1).all()
    unit = scenes.solids.unit
    local = (unit[..., :3] @ scenes.eye.view(-1, 1, 3, 1)).squeeze(-1) + unit[..., 3]
    inside = (local.abs() < 1).all(-1)
    assert inside.any(1).float().mean() < 0.04
    identity = scenes.turn @ scenes.turn.mT
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), rtol=0, atol=1e-5)
    roll = torch.asin(scenes.turn[:, 1, 0].clamp(-1, 1)) * 180 / math.pi
    assert (roll.abs() < 16).all()


def test_frames_nest():
    outer = Placement(1.0, 2.0, 3.0, math.pi / 2, 2.0)
    inner = outer.offset(0.0, 1.0, 1.0, math.pi / 2)
    # Turned by a quarter, the outer z axis points along +x.
    np.testing.assert_allclose(inner[:3], (3.0, 4.0, 3.0), atol=1e-9)
    assert inner.yaw == pytest.approx(math.pi)
    assert inner.scale == 2.0


def test_moving_solids_is_the_same_as_building_them_there():
    made = []
    for at_once in (True, False):
        parts = Assembly(RandomStream.of_seed(0))
        parts.material("wood")
        goal = Placement(1.0, 0.5, -2.0, 0.7)
        since = parts.count()
        start = goal if at_once else Placement()
        parts.limb(start, 0, (0.1, 0.2, 0.3), (0.5, 1.0, -0.4), 0.1)
        parts.box(start, 0, (0.3, 0.0, 0.2), (1.0, 2.0, 3.0))
        if not at_once:
            parts.moved(since, goal)
        made.append(parts.finish())
    np.testing.assert_allclose(made[0].centre, made[1].centre, atol=1e-9)
    np.testing.assert_allclose(made[0].rotation, made[1].rotation, atol=1e-9)


def test_a_limb_runs_from_its_start_to_its_end():
    parts = Assembly(RandomStream.of_seed(0))
    parts.material("wood")
    start, end = np.array([0.1, 0.2, 0.3]), np.array([0.9, -0.5, 1.1])
    parts.limb(Placement(), 0, tuple(start), tuple(end), 0.05)
    solids = parts.finish()
    axis = solids.rotation[0] @ [0.0, solids.half[0, 1], 0.0]
    np.testing.assert_allclose(solids.centre[0] + axis, end, atol=1e-9)
    np.testing.assert_allclose(solids.centre[0] - axis, start, atol=1e-9)


def test_rotations_are_rotations():
    matrices = rotations(*np.random.default_rng(0).uniform(-3, 3, (3, 20)))
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (20, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1)


def test_a_taken_place_is_not_given_twice():
    parts = Assembly(RandomStream.of_seed(0))
    assert parts.claim(0.0, 0.0, 1.0)
    assert not parts.claim(1.5, 0.0, 1.0)
    assert parts.claim(2.5, 0.0, 1.0)


def test_scenes_do_not_depend_on_their_batch_mates():
    together, alone = scene.build(3, [1, 2]), scene.build(3, [2])
    assert torch.equal(together.eye[1], alone.eye[0])
    assert torch.equal(together.lights[1], alone.lights[0])
    assert together.names[1] == alone.names[0]


def test_the_scene_of_a_family_is_drawn_from_that_family():
    assert set(scene.build(0, list(range(5)), ("street",)).names) == {"street"}
