"""The angle between normals."""

import math

import pytest
import torch

from marigold.modalities.normals import Normals
from marigold.objectives.losses.angle import Angle
from toys.outcomes import outcome, value


def towards(degrees: float) -> torch.Tensor:
    """A normal turned to the right by an angle, as a target image [1, 1, 3, 1, 1]."""
    angle = math.radians(degrees)
    return torch.tensor([math.sin(angle), 0.0, math.cos(angle)]).view(1, 1, 3, 1, 1)


@pytest.mark.parametrize("degrees", [0.0, 1e-2, 30.0, 90.0, 150.0])
def test_it_is_the_angle_in_radians(degrees):
    found = value(Angle(), outcome(towards(degrees), towards(0)), Normals())
    assert float(found) == pytest.approx(math.radians(degrees), abs=1e-6)


def test_its_slope_is_a_number_where_the_angle_is_zero():
    predicted = towards(0).requires_grad_(True)
    value(Angle(), outcome(predicted, towards(0)), Normals()).backward()
    assert predicted.grad is not None and bool(predicted.grad.isfinite().all())


def test_it_is_the_modality_s_own_loss_in_either_way_of_encoding():
    for modality in (Normals(), Normals(target_x="left"), Normals(use_full_z_range=False)):
        shown = outcome(towards(20), towards(50))
        expected = modality.loss(modality.decode(shown.pixels), shown.truth)
        torch.testing.assert_close(value(Angle(), shown, modality), expected)
