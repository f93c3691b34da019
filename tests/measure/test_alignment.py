"""Scale and shift by least squares, against numpy and by hand."""

import numpy as np
import pytest
import torch

from marigold.measure.alignment import STANDARD, Protocol, align, least_squares, row_ramp


def random_case(seed: int, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    prediction = rng.random(shape).astype(np.float32)
    truth = (3 * prediction + 2 + 0.3 * rng.normal(size=shape)).astype(np.float32)
    return torch.from_numpy(prediction), torch.from_numpy(truth), torch.from_numpy(rng.random(shape) < 0.7)


def test_scale_and_shift_agree_with_numpy_for_every_image_of_a_batch():
    prediction, truth, valid = random_case(0, (4, 9, 13))
    scale, shift = least_squares(prediction, truth, valid)
    for index in range(4):
        mask = valid[index].numpy()
        x, y = prediction[index].numpy()[mask].astype(np.float64), truth[index].numpy()[mask].astype(np.float64)
        expected = np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1), y, rcond=None)[0]
        np.testing.assert_allclose([scale[index], shift[index]], expected, rtol=1e-10)


def test_a_large_offset_costs_no_accuracy():
    ramp = torch.linspace(0, 1, 12).double().view(3, 4)
    scale, shift = least_squares(1e6 + ramp, 5 * ramp, torch.ones(3, 4, dtype=torch.bool))
    assert scale.item() == pytest.approx(5, rel=1e-8)
    assert shift.item() == pytest.approx(-5e6, rel=1e-8)


def test_a_constant_prediction_gets_scale_zero_and_the_mean_of_the_truth():
    truth = torch.tensor([[1.0, 2.0], [3.0, 100.0]])
    valid = torch.tensor([[True, True], [True, False]])
    scale, shift = least_squares(torch.full((2, 2), 0.1), truth, valid)
    assert (scale.item(), shift.item()) == (0.0, 2.0)


def test_an_empty_mask_gives_zero():
    scale, shift = least_squares(torch.rand(2, 2), torch.rand(2, 2), torch.zeros(2, 2, dtype=torch.bool))
    assert (scale.item(), shift.item()) == (0.0, 0.0)


def test_what_the_mask_hides_may_be_nan():
    prediction, truth = torch.tensor([[0.0, 1.0, torch.nan]]), torch.tensor([[1.0, 3.0, torch.nan]])
    scale, shift = least_squares(prediction, truth, torch.tensor([[True, True, False]]))
    assert (scale.item(), shift.item()) == (2.0, 1.0)


def test_depth_alignment_undoes_any_scale_and_shift():
    truth = torch.rand(2, 5, 6).double() * 9 + 1
    aligned = align(-0.25 * truth + 7, truth, torch.ones(2, 5, 6, dtype=torch.bool), STANDARD)
    torch.testing.assert_close(aligned, truth, rtol=1e-9, atol=1e-9)


def test_disparity_alignment_undoes_scale_and_shift_of_the_inverse():
    truth = torch.rand(1, 5, 6).double() * 9 + 1
    prediction = 4 / truth - 0.5
    aligned = align(prediction, truth, torch.ones(1, 5, 6, dtype=torch.bool), Protocol(space="disparity"))
    torch.testing.assert_close(aligned, truth, rtol=1e-9, atol=1e-9)


def test_disparities_below_the_floor_become_a_kilometre():
    truth = torch.tensor([[1.0, 2.0, 4.0]])
    prediction = torch.tensor([[1.0, 0.5, 0.25]])
    valid = torch.tensor([[True, True, False]])
    aligned = align(prediction - torch.tensor([[0, 0, 9.0]]), truth, valid, Protocol(space="disparity"))
    assert aligned[0].tolist() == pytest.approx([1, 2, 1000])


def test_the_aligned_depth_is_clipped_to_the_protocol():
    truth = torch.tensor([[0.0, 10.0, 20.0]])
    aligned = align(truth, truth, truth >= 0, Protocol(nearest=1, farthest=15))
    assert aligned[0].tolist() == [1, 10, 15]


def test_without_alignment_only_the_clip_remains():
    prediction = torch.tensor([[-1.0, 0.5]])
    aligned = align(prediction, torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool), Protocol(space="none"))
    assert aligned[0].tolist() == [1e-3, 0.5]


def test_the_aligned_row_ramp_is_the_best_affine_function_of_the_row():
    truth = torch.rand(6, 4).double()
    valid = torch.ones(6, 4, dtype=torch.bool)
    aligned = align(row_ramp(6, 4, truth), truth, valid, Protocol(nearest=0))
    rows = np.repeat(np.arange(6.0), 4)
    expected = np.polyval(np.polyfit(rows, truth.numpy().ravel(), 1), rows).reshape(6, 4)
    np.testing.assert_allclose(aligned.numpy(), expected, rtol=1e-9)


def test_a_protocol_reads_as_a_sentence():
    assert str(Protocol(farthest=80)) == "least squares scale and shift in depth, clipped to 0.001 .. 80 m"
