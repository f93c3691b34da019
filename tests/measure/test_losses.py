"""Losses on values: what they measure, and that their gradients are numbers."""

import math

import pytest
import torch

from marigold.measure import losses
from marigold.measure.alignment import align
from marigold.measure.metrics import depth_metrics

KINDS = ["masked_square", "masked_absolute", "affine_invariant", "relative", "root_square", "decibels", "angle"]
EVERYWHERE = torch.ones(1, 1, 4, dtype=torch.bool)


def test_square_and_absolute_error_are_averaged_over_the_valid_elements():
    prediction, truth = torch.tensor([[[1.0, 2, 3, 9]]]), torch.tensor([[[0.0, 0, 0, torch.nan]]])
    valid = torch.tensor([[[True, True, True, False]]])
    assert losses.masked_square(prediction, truth, valid).item() == pytest.approx((1 + 4 + 9) / 3)
    assert losses.masked_absolute(prediction, truth, valid).item() == pytest.approx((1 + 2 + 3) / 3)


def test_the_affine_invariant_error_is_that_of_the_best_line():
    # Through (0, 0), (1, 1), (2, 1), (3, 0) the least-squares line is the constant 1/2.
    prediction, truth = torch.tensor([[[0.0, 1, 2, 3]]]), torch.tensor([[[0.0, 1, 1, 0]]])
    assert losses.affine_invariant(prediction, truth, EVERYWHERE).item() == pytest.approx(0.5)


def test_the_affine_invariant_error_does_not_see_scale_and_shift_of_each_image():
    truth = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0))
    valid = torch.ones_like(truth, dtype=torch.bool)
    own = torch.tensor([0.5, 2, -1]).view(3, 1, 1)
    assert losses.affine_invariant(own * truth + own, truth, valid) < 1e-6


def test_its_gradient_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    prediction, truth = (torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    valid = torch.rand(2, 3, 4, generator=generator) < 0.8

    def loss(x: torch.Tensor) -> torch.Tensor:
        # In single precision at the end; the sum of the absolute errors is smooth away from zero errors.
        return losses.affine_invariant(x, truth, valid).double()

    step, place = 1e-3, (1, 2, 3)
    prediction.requires_grad_()
    loss(prediction).backward()
    nudge = torch.zeros_like(truth)
    nudge[place] = step
    slope = (loss(prediction.detach() + nudge) - loss(prediction.detach() - nudge)) / (2 * step)
    assert prediction.grad[place].item() == pytest.approx(slope.item(), abs=1e-3)


def test_the_root_square_error_is_a_mean_over_images_with_something_valid():
    prediction = torch.tensor([[3.0, 4, 9], [1, 9, 9], [9, 9, 9]]).view(3, 1, 1, 3)
    valid = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.bool).view(3, 1, 1, 3)
    truth = torch.where(valid, 0.0, torch.nan)
    error = losses.root_square(prediction, truth, valid)
    assert error.item() == pytest.approx((math.sqrt((9 + 16) / 2) + 1) / 2, abs=2e-3)


def test_the_relative_error_is_a_mean_over_images_of_errors_by_distance():
    prediction = torch.tensor([[[0.0, 1, 2, 3]], [[0.0, 1, 2, 3]]])
    truth = torch.tensor([[[1.0, 2, 2, 1]], [[5.0, 7, 9, 11]]])
    both = EVERYWHERE.expand(2, -1, -1)
    # The best line through 1, 2, 2, 1 is 3/2: errors of 1/2, relative to 1, 2, 2, 1.
    assert losses.relative(prediction, truth, both).item() == pytest.approx((0.5 + 0.25 + 0.25 + 0.5) / 4 / 2)


def test_the_relative_error_is_the_absrel_that_depth_is_scored_by():
    generator = torch.Generator().manual_seed(0)
    prediction, truth = (torch.rand(6, 7, generator=generator) + 1 for _ in range(2))
    valid = torch.rand(6, 7, generator=generator) < 0.8
    scored = depth_metrics(align(prediction, truth, valid), truth, valid)["abs_rel"].item()
    assert losses.relative(prediction[None], truth[None], valid[None]).item() == pytest.approx(scored, rel=1e-5)


def test_decibels_are_what_the_peak_ratio_lacks_of_forty():
    prediction = torch.tensor([0.1, 0.5]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    truth = torch.zeros_like(prediction)
    lacking = losses.decibels(prediction, truth, torch.ones(2, 1, 2, 2, dtype=torch.bool)).item()
    ratios = [-10 * math.log10(0.01), -10 * math.log10(0.25)]
    # An error of 0.1 is a hundred times the one that levels off, so that the mean is that of 40 - ratio within 0.03.
    assert lacking == pytest.approx(40 - sum(ratios) / 2, abs=0.03)


def test_the_angle_is_the_mean_angle_in_radians():
    prediction = torch.tensor([[0.0, 0, 1], [0, 0, 1], [0, 0, 1]]).T.view(1, 3, 1, 3)
    truth = torch.tensor([[0.0, 0, 1], [0, 1, 0], [0, math.sin(0.3), math.cos(0.3)]]).T.reshape(1, 3, 1, 3)
    valid = torch.ones(1, 1, 1, 3, dtype=torch.bool)
    assert losses.angle(prediction, truth, valid).item() == pytest.approx((0 + math.pi / 2 + 0.3) / 3, abs=1e-6)


def test_the_angle_has_a_gradient_of_bounded_size_near_zero():
    turn = torch.tensor([1e-4, 1e-6, 0.0], requires_grad=True)
    prediction = torch.stack([torch.zeros_like(turn), turn.sin(), turn.cos()]).view(1, 3, 1, 3)
    truth = torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
    losses.angle(prediction, truth, torch.ones(1, 1, 1, 3, dtype=torch.bool)).backward()
    # The angle of a turn is the turn: slope 1/3 each for a mean of three, and none at its lowest point.
    assert turn.grad.tolist() == pytest.approx([1 / 3, 1 / 3, 0], abs=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_valid_is_no_error_and_no_gradient(name):
    prediction = torch.rand(2, 3, 4, 5, requires_grad=True)
    truth = torch.full((2, 3, 4, 5), torch.nan)
    valid = torch.zeros(2, 1 if name == "angle" else 3, 4, 5, dtype=torch.bool)
    error = getattr(losses, name)(prediction, truth, valid)
    error.backward()
    assert error == 0
    assert not prediction.grad.any()


@pytest.mark.parametrize("name", KINDS)
def test_a_perfect_answer_has_no_error_and_a_finite_gradient(name):
    truth = torch.nn.functional.normalize(torch.rand(2, 3, 4, 5) + 0.1, dim=1)
    prediction = truth.clone().requires_grad_()
    valid = torch.ones(2, 1 if name == "angle" else 3, 4, 5, dtype=torch.bool)
    error = getattr(losses, name)(prediction, truth, valid)
    error.backward()
    assert error < 1e-6
    assert prediction.grad.isfinite().all()
