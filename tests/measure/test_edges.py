"""Edges of depth: by hand, by loops, and against scikit-image and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import sobel
from scipy.spatial.distance import cdist
from skimage.feature import canny as published_canny

from marigold.measure import edges
from marigold.measure.edges import (
    boundary_errors,
    boundary_f1,
    canny,
    flying_pixel_rate,
    gradient_edges,
    soft_edge_errors,
)


def step(near: float = 1.0, far: float = 2.0, at: int = 10, height: int = 20, width: int = 20) -> torch.Tensor:
    """Near on the left, far from column `at` on."""
    depth = torch.full((height, width), float(near))
    depth[:, at:] = far
    return depth


def everywhere(depth: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(depth, dtype=torch.bool)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double()


def lines(*columns: int, height: int = 5, width: int = 40) -> torch.Tensor:
    edge = torch.zeros(height, width, dtype=torch.bool)
    edge[:, list(columns)] = True
    return edge


def test_canny_is_scikit_images_on_the_stretched_map():
    # Noise has edges of all strengths, so that every setting counts.
    depth = random(12, 12).repeat_interleave(6, 0).repeat_interleave(6, 1)
    shown = ((depth - depth.min()) / (depth.max() - depth.min())).numpy()
    expected = published_canny(shown, sigma=2**0.5, low_threshold=0.15, high_threshold=0.3)
    assert expected.any()
    assert np.array_equal(canny(depth, everywhere(depth)).numpy(), expected)
    for settings in ({"low_threshold": 0.2}, {"high_threshold": 0.36}, {"sigma": 1.5}):
        other = published_canny(shown, **{"sigma": 2**0.5, "low_threshold": 0.15, "high_threshold": 0.3} | settings)
        assert not np.array_equal(other, expected)
    assert torch.equal(canny(4 * depth + 8, everywhere(depth)), canny(depth, everywhere(depth)))


def test_canny_finds_no_edge_where_nothing_is_valid_or_all_is_flat():
    depth = step()
    assert not canny(depth, torch.zeros_like(depth, dtype=torch.bool)).any()
    assert not canny(torch.ones(20, 20), everywhere(depth)).any()
    valid = everywhere(depth)
    valid[:, 8:12] = False
    depth[:, 8:12] = torch.nan
    assert not canny(depth, valid)[:, 7:13].any()


def test_shifted_edges_are_off_by_the_shift():
    found = boundary_errors(lines(12), lines(10))
    assert found == {"dbe_accuracy": 2, "dbe_completeness": 2, "dbe_completeness_symmetric": 2}


def test_a_missing_edge_costs_completeness_and_an_extra_one_only_the_symmetric_one():
    missing = boundary_errors(lines(10), lines(10, 30))
    assert missing == {"dbe_accuracy": 0, "dbe_completeness": 5, "dbe_completeness_symmetric": 10 / 3}
    extra = boundary_errors(lines(10, 30), lines(10))
    assert extra == {"dbe_accuracy": 0, "dbe_completeness": 0, "dbe_completeness_symmetric": 10 / 3}


def test_edges_at_the_threshold_do_not_belong_together():
    near, far = boundary_errors(lines(19), lines(10)), boundary_errors(lines(20), lines(10))
    assert set(near.values()) == {9}
    assert set(far.values()) == {10}


def test_without_a_predicted_edge_all_are_ten_and_without_a_true_one_nothing_counts():
    assert set(boundary_errors(lines(), lines(10)).values()) == {10}
    assert all(math.isnan(value) for value in boundary_errors(lines(10), lines()).values())


def test_boundary_errors_are_those_of_all_pairs_of_points():
    predicted, true = random(30, 30) > 0.99, random(30, 30, seed=1) > 0.99
    y, y_true = (np.argwhere(edge.numpy()) for edge in (predicted, true))
    apart = cdist(y, y_true)
    to_true, to_predicted = apart.min(axis=1), apart.min(axis=0).clip(max=10)
    found = boundary_errors(predicted, true)
    assert found["dbe_accuracy"] == pytest.approx(to_true[to_true < 10].mean())
    assert found["dbe_completeness"] == pytest.approx(to_predicted.mean())


def test_gradients_are_scipys():
    truth, prediction = random(12, 14) / 2, random(12, 14, seed=1) / 2
    both = [np.hypot(sobel(depth.numpy(), 0), sobel(depth.numpy(), 1))[1:-1, 1:-1] for depth in (prediction, truth)]
    found = gradient_edges(prediction, truth, everywhere(truth))
    for threshold in (0.25, 0.5, 1.0):
        edge, wanted = (gradient > threshold for gradient in both)
        precision, recall = (edge & wanted).sum() / edge.sum(), (edge & wanted).sum() / wanted.sum()
        assert found[f"edge_precision_{threshold:g}"] == pytest.approx(precision)
        assert found[f"edge_recall_{threshold:g}"] == pytest.approx(recall)
        assert found[f"edge_f1_{threshold:g}"] == pytest.approx(2 * precision * recall / (precision + recall))


def test_gradient_edges_of_a_blurred_step():
    # A step of 1 m has gradients of 4 in two columns; three steps of a third have 4/3, 8/3, 8/3 and 4/3 in four.
    truth, prediction = step(1, 2), step(1, 2)
    prediction[:, 9], prediction[:, 10] = 4 / 3, 5 / 3
    found = gradient_edges(prediction, truth, everywhere(truth))
    assert (found["edge_precision_1"], found["edge_recall_1"]) == (0.5, 1)
    assert found["edge_f1_1"] == pytest.approx(2 / 3)


def test_gradients_at_holes_do_not_count():
    truth, valid = step(1, 2), everywhere(step())
    valid[:, 10] = False
    truth[:, 10] = torch.nan
    assert all(math.isnan(value) for value in gradient_edges(step(), truth, valid).values())


def test_no_predicted_edge_has_a_recall_of_nothing_and_no_precision():
    found = gradient_edges(torch.ones(20, 20), step(), everywhere(step()))
    assert math.isnan(found["edge_precision_0.5"])
    assert (found["edge_recall_0.5"], found["edge_f1_0.5"]) == (0, 0)


def depth_pro(prediction, truth):
    """The formula with loops over directions and thresholds, on inverse depth."""
    total = weights = 0.0
    for t in np.linspace(1.05, 1.25, 10):
        precision = recall = 0.0
        for axis in (0, 1):
            for sign in (1, -1):
                maps = []
                for depth in (prediction, truth):
                    u = 1 / depth.numpy()
                    here, there = (np.moveaxis(u, axis, 0)[1:], np.moveaxis(u, axis, 0)[:-1])[::sign]
                    maps.append(there / here > t)
                precision += (maps[0] & maps[1]).sum() / max(maps[0].sum(), 1) / 4
                recall += (maps[0] & maps[1]).sum() / max(maps[1].sum(), 1) / 4
        total += t * (2 * precision * recall / (precision + recall) if precision + recall else 0)
        weights += t
    return total / weights


def test_the_boundary_score_is_the_published_formula():
    truth = random(15, 18) + 1
    prediction = truth + 0.1 * random(15, 18, seed=1)
    assert boundary_f1(prediction, truth, everywhere(truth)) == pytest.approx(depth_pro(prediction, truth))


def test_the_boundary_score_depends_on_a_shift_and_not_on_a_scale():
    truth = random(15, 18) + 1
    prediction = truth + 0.1 * random(15, 18, seed=1)
    score = boundary_f1(prediction, truth, everywhere(truth))
    assert boundary_f1(5 * prediction, truth, everywhere(truth)) == pytest.approx(score)
    assert boundary_f1(5 + prediction, truth, everywhere(truth)) < score - 0.1


def test_boundary_scores_of_the_truth_of_nothing_and_of_holes():
    truth = step()
    # A step from left to right is an edge in one of four directions; the others have none and score 0.
    assert boundary_f1(truth, truth, everywhere(truth)) == pytest.approx(1 / 4)
    assert boundary_f1(torch.ones(20, 20), truth, everywhere(truth)) == 0
    assert math.isnan(boundary_f1(truth, torch.ones(20, 20), everywhere(truth)))
    valid = everywhere(truth)
    valid[:, 9] = False
    assert math.isnan(boundary_f1(truth, truth, valid))


def soft(prediction, truth, valid, side):
    """The definition with loops."""
    reach, found = side // 2, []
    height, width = truth.shape
    for i in range(height):
        for j in range(width):
            beside = [(i + a, j + b) for a, b in ((0, 1), (0, -1), (1, 0), (-1, 0))]
            beside = [p for p in beside if 0 <= p[0] < height and 0 <= p[1] < width and valid[p]]
            if valid[i, j] and any(abs(1 / truth[i, j] - 1 / truth[p]) > 0.05 for p in beside):
                rows = range(max(0, i - reach), min(height, i + reach + 1))
                columns = range(max(0, j - reach), min(width, j + reach + 1))
                patch = [truth[p, q] for p in rows for q in columns if valid[p, q]]
                found.append(min(abs(prediction[i, j] - depth) for depth in patch))
    return np.mean(found)


def test_soft_edge_errors_are_the_least_in_a_patch():
    truth, prediction = 3 + 2 * random(9, 11), 3 + 3 * random(9, 11, seed=1)
    valid = random(9, 11, seed=2) > 0.2
    found = soft_edge_errors(prediction, torch.where(valid, truth, torch.nan), valid)
    for side in (3, 5, 7):
        assert found[f"see_{side}"] == pytest.approx(soft(prediction.numpy(), truth.numpy(), valid.numpy(), side))


def test_an_edge_in_the_wrong_place_is_forgiven_within_the_patch():
    truth = step(1, 2, at=10)
    found = soft_edge_errors(step(1, 2, at=11), truth, everywhere(truth))
    assert set(found.values()) == {0}
    flying = truth.clone()
    flying[:, 9:11] = 1.5
    assert set(soft_edge_errors(flying, truth, everywhere(truth)).values()) == {0.5}
    assert all(math.isnan(x) for x in soft_edge_errors(truth, torch.ones(20, 20), everywhere(truth)).values())


def test_pixels_between_foreground_and_background_fly():
    truth = step(1, 2, at=10)
    prediction = truth.clone()
    prediction[:5, 9], prediction[:10, 13] = 1.5, 1.91
    # Pixels within 3 of columns 9 and 10: columns 6 to 13. Five fly; what is near one end does not.
    assert flying_pixel_rate(prediction, truth, everywhere(truth)) == pytest.approx(5 / (8 * 20))
    prediction[:10, 13] = 1.89
    assert flying_pixel_rate(prediction, truth, everywhere(truth)) == pytest.approx(15 / (8 * 20))
    prediction[:, 14] = 1.5
    assert flying_pixel_rate(prediction, truth, everywhere(truth)) == pytest.approx(15 / (8 * 20))


def test_the_truth_itself_never_flies():
    truth = step(1, 3, at=10)
    truth[:, 8:12] = torch.tensor([1.0, 1.5, 2.2, 3.0])
    valid = everywhere(truth)
    assert flying_pixel_rate(truth, truth, valid) == 0
    hidden = truth.clone()
    hidden[3, 3], valid[3, 3] = torch.nan, False
    assert flying_pixel_rate(hidden, hidden, valid) == 0


def test_without_a_jump_nothing_can_fly():
    smooth = torch.linspace(1, 1.5, 20).expand(20, 20)
    assert math.isnan(flying_pixel_rate(smooth, smooth, everywhere(smooth)))


def test_the_thresholds_are_ten_from_1_05_to_1_25():
    np.testing.assert_allclose(edges.RATIOS, np.linspace(1.05, 1.25, 10))


def test_a_hole_hides_the_gradients_of_its_neighbours_alone():
    truth, valid = step(1, 2, height=3), everywhere(step(height=3))
    prediction = truth.clone()
    prediction[:, 9] = 2
    # Of the middle row, the truth has edges in columns 9 and 10, the prediction in 8 and 9.
    assert gradient_edges(prediction, truth, valid)["edge_recall_1"] == 0.5
    # A hole in column 12 hides columns 11 to 13; one in column 11 hides the edge in column 10 too.
    for hole, recall in ((12, 0.5), (11, 1)):
        some = valid.clone()
        some[1, hole] = False
        assert gradient_edges(prediction, truth, some)["edge_recall_1"] == recall


def test_thresholds_are_outside():
    # Steps of exactly 1 / 16 m have Sobel gradients of exactly 0.25 m.
    truth = step(1, 2)
    small = step(1, 1 + 1 / 16)
    found = gradient_edges(small, truth, everywhere(truth))
    assert math.isnan(found["edge_precision_0.25"])
    assert found["edge_recall_0.25"] == 0
