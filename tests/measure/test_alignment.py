"""What a protocol says of scale and shift, against numpy and by hand."""

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError
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


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol("none"), "no alignment, clipped to 0.001 .. inf m"),
        (Protocol("disparity", 1, 80, "l1"), "least absolute deviations scale and shift in disparity, clipped to 1 .."),
        (Protocol("log", fit="ransac"), "RANSAC scale and shift in log depth, clipped"),
        (Protocol("log", fit="median"), "median shift in log depth, clipped"),
        (Protocol(fit="median"), "median scale in depth, clipped"),
        (Protocol(fit="scale"), "least squares scale alone in depth, clipped"),
        (Protocol(longest=1024), "in depth on at most 1024 pixels a side, clipped"),
        (Protocol(pooling="pixel"), "clipped to 0.001 .. inf m, pooled over the pixels of all images"),
    ],
)
def test_every_part_of_a_protocol_is_read(protocol, words):
    assert words in str(protocol)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(space="metric"), "space"),
        (dict(fit="ransack"), "did you mean `ransac`"),
        (dict(pooling="pixels"), "did you mean `pixel`"),
        (dict(space="none", fit="median"), "fit"),
        (dict(space="none", longest=640), "longest"),
        (dict(space="log", fit="scale"), "depends on its unit"),
        (dict(nearest=10.0, farthest=10.0), "nearest, farthest"),
        (dict(nearest=float("nan")), "nearest"),
        (dict(farthest=float("nan")), "farthest"),
        (dict(nearest=-1.0), "nearest"),
        (dict(longest=-1), "longest"),
        (dict(longest=2.5), "longest"),
    ],
)
def test_a_protocol_that_means_nothing_is_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        Protocol(**settings)


TRUTH = torch.tensor([[1.0, 2.0, 4.0], [5.0, 8.0, 10.0]]).double()
EVERYWHERE = torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize("fit", ["least-squares", "l1", "ransac"])
@pytest.mark.parametrize(
    ("space", "to"),
    [("depth", lambda depth: depth), ("disparity", lambda depth: 1 / depth), ("log", torch.log)],
)
def test_scale_and_shift_are_undone_in_every_space(space, to, fit):
    truth = torch.rand(7, 9, generator=torch.Generator().manual_seed(1)).double() * 9 + 1
    aligned = align(-3 * to(truth) + 0.5, truth, torch.ones(7, 9, dtype=torch.bool), Protocol(space, fit=fit))
    torch.testing.assert_close(aligned, truth, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("fit", ["median", "scale"])
def test_a_scale_alone_is_undone_and_a_shift_is_not(fit):
    for space, prediction in (("depth", TRUTH / 4), ("disparity", 0.2 / TRUTH)):
        torch.testing.assert_close(align(prediction, TRUTH, EVERYWHERE, Protocol(space, fit=fit)), TRUTH)
        assert not torch.allclose(align(prediction + 1, TRUTH, EVERYWHERE, Protocol(space, fit=fit)), TRUTH, rtol=0.01)


def test_the_median_in_log_depth_is_a_shift():
    torch.testing.assert_close(align((TRUTH * 7).log(), TRUTH, EVERYWHERE, Protocol("log", fit="median")), TRUTH)
    # Differences log 1 - 0, log 2 - 0, log 4 - 0, ...: the median of six is halfway between log 4 and log 5.
    aligned = align(torch.zeros(2, 3), TRUTH, EVERYWHERE, Protocol("log", fit="median"))
    assert aligned[0, 0].item() == pytest.approx(np.sqrt(20))


def test_the_median_is_that_of_the_ratios_and_leaves_predictions_of_zero_out():
    # Ratios 1, 2, 4 and 5, 8; the prediction 0 has none.
    prediction = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    assert align(prediction, TRUTH, EVERYWHERE, Protocol(fit="median"))[0].tolist() == [4, 4, 4]


def test_the_scale_alone_is_that_of_least_squares():
    prediction = torch.tensor([[1.0, 1, 2], [3, 3, 9]])
    valid = torch.tensor([[True, True, True], [True, True, False]])
    expected = (1 * 1 + 1 * 2 + 2 * 4 + 3 * 5 + 3 * 8) / (1 + 1 + 4 + 9 + 9)
    assert align(prediction, TRUTH, valid, Protocol(fit="scale"))[0, 0].item() == pytest.approx(expected)


@pytest.mark.parametrize("fit", ["l1", "ransac"])
def test_a_robust_fit_does_not_see_outliers(fit):
    truth = torch.rand(30, 40, generator=torch.Generator().manual_seed(2)).double() * 9 + 1
    wrong = truth.clone()
    wrong[:, :10] = 50 + truth[:, :10].square()
    aligned = align(truth / 10, wrong, torch.ones(30, 40, dtype=torch.bool), Protocol(fit=fit))
    torch.testing.assert_close(aligned, truth, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(align(truth / 10, wrong, wrong > 0), truth, rtol=0.5)


@pytest.mark.parametrize("fit", ["l1", "ransac", "median", "scale"])
def test_every_image_of_a_batch_is_fitted_alone(fit):
    prediction, truth, valid = random_case(3, (2, 9, 13))
    together = align(prediction, truth, valid, Protocol(fit=fit))
    for index in range(2):
        alone = align(prediction[index], truth[index], valid[index], Protocol(fit=fit))
        torch.testing.assert_close(together[index], alone, rtol=0, atol=0)


@pytest.mark.parametrize("fit", ["least-squares", "l1", "ransac", "median", "scale"])
def test_no_fit_looks_outside_the_mask(fit):
    prediction, truth, valid = random_case(4, (9, 13))
    expected = align(prediction, truth, valid, Protocol(fit=fit))
    hidden = torch.where(valid, truth, torch.nan)
    torch.testing.assert_close(align(prediction, hidden, valid, Protocol(fit=fit)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("fit", ["least-squares", "l1", "ransac"])
def test_a_constant_prediction_becomes_a_constant_near_the_truth(fit):
    aligned = align(torch.full((2, 3), 0.25), TRUTH, EVERYWHERE, Protocol(fit=fit))
    assert aligned.std().item() == pytest.approx(0, abs=1e-9)
    assert 4 <= aligned[0, 0].item() <= 5


def test_the_fit_is_made_on_both_sides_shrunk_by_nearest_pixels():
    # Of 4 x 8 at most 4 a side: rows 0 and 2, columns 0, 2, 4 and 6; everywhere else the truth is nonsense.
    prediction = torch.arange(32.0).view(4, 8)
    truth = torch.full((4, 8), 500.0)
    truth[::2, ::2] = 3 * prediction[::2, ::2] + 2
    aligned = align(prediction, truth, truth > 0, Protocol(longest=4))
    torch.testing.assert_close(aligned, 3 * prediction.double() + 2, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(align(prediction, truth, truth > 0, Protocol(longest=8)), aligned)


def test_a_mask_that_shrinking_empties_is_an_error():
    valid = torch.zeros(4, 8, dtype=torch.bool)
    valid[1, 1] = True
    with pytest.raises(DataError, match="longest"):
        align(torch.rand(4, 8), torch.rand(4, 8) + 1, valid, Protocol(longest=4))


def test_a_logarithm_without_bound_gives_a_finite_depth():
    prediction = torch.tensor([[0.0, 1.0, 1e6]])
    valid = torch.tensor([[True, True, False]])
    aligned = align(prediction, torch.tensor([[1.0, 2.0, 1.0]]), valid, Protocol("log"))
    assert aligned[0].tolist() == pytest.approx([1, 2, 1e6])
