"""Layouts: viewpoints stand free, lenses and heights stay in range, solids are well formed."""

import math

import pytest
import torch

from marigold_scenes import scene
from marigold_scenes.families import FAMILIES


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


def test_the_scene_of_a_family_is_drawn_from_that_family():
    assert set(scene.build(0, list(range(5)), ("street",)).names) == {"street"}
