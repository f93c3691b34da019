"""Scale and shift from known distances: exact lines, outliers and points that tell nothing."""

import numpy as np
import pytest

from marigold.core.errors import ImageError
from marigold.measure.curve import Curve
from marigold.metric.fit import fit
from marigold.modalities.depth import Depth


def fitted(values, depth, curve=Curve(), shifted=True):  # noqa: B008
    return fit(np.array(values, float), np.array(depth, float), curve, shifted=shifted, where="points.csv")


def test_two_points_give_their_line():
    found = fitted([0.0, 0.5], [2.0, 3.0])
    assert found.metres(np.array([0.0, 0.25, 1.0])) == pytest.approx([2, 2.5, 4])
    assert found.deviation is None and found.uncertainty(np.zeros(3), None) is None


def test_wrong_points_are_told_and_do_not_count():
    values = np.linspace(0, 1, 40)
    depth = 1.5 + 6 * values
    wrong = np.array([3, 11, 17, 22, 25, 31, 38])
    depth[wrong] = [30, 0.1, 90, 40, 0.2, 25, 60]
    found = fitted(values, depth)
    assert np.flatnonzero(~found.inlier).tolist() == wrong.tolist()
    assert (found.scale, found.shift) == pytest.approx((6, 1.5))


def test_a_third_of_the_points_may_agree_on_another_line():
    values = np.linspace(0, 1, 30)
    depth = np.where(np.arange(30) % 3 == 0, 9 - 2 * values, 2 + 3 * values)
    found = fitted(values, depth)
    assert (found.scale, found.shift) == pytest.approx((3, 2))
    assert not found.inlier[0] and found.inlier[1] and found.inlier[2]


@pytest.mark.parametrize(("space", "power"), [("disparity", -1), ("log", 0), ("sqrt-disparity", -0.5)])
def test_a_map_between_the_ends_of_its_own_scene_is_fitted_in_the_quantity_of_its_checkpoint(space, power):
    modality = Depth(target_space=space, fixed_ratio=False, assumed_ratio=10)
    metres = np.array([2.0, 3, 5, 7, 8])  # the scene's far end is 4 times its near end, not 10
    line = np.log if power == 0 else lambda x: np.asarray(x, float) ** power
    share = (line(metres) - line(2)) / (line(8) - line(2))
    there = line(1) + share * (line(10) - line(1))
    values = ((np.exp(there) if power == 0 else there ** (1 / power)) - 1) / 9
    found = fitted(values, metres, modality.curve)
    assert found.metres(values) == pytest.approx(metres, rel=1e-5)
    assert found.inlier.all()


def test_a_map_without_unknown_shift_keeps_the_camera_at_zero():
    found = fitted([0.2, 0.5, 1.0], [0.8, 2.0, 4.0], shifted=False)
    assert (found.scale, found.shift) == pytest.approx((4, 0))


def test_the_uncertainty_is_that_of_a_regression_line():
    values, depth = np.array([0.0, 1, 2, 3]), np.array([1.1, 1.9, 3.1, 3.9])
    found = fitted(values, depth)
    # By hand: slope 4.8 / 5 = 0.96, residuals -0.04, 0.12, -0.12, 0.04 up to sign, s^2 = 0.032 / 2.
    assert found.scale == pytest.approx(0.96)
    assert found.deviation == pytest.approx(0.016**0.5)
    spread = found.uncertainty(np.array([1.5, 3.5]), None)
    assert spread == pytest.approx([(0.016 * 1.25) ** 0.5, (0.016 * (1.25 + 4 / 5)) ** 0.5], rel=1e-5)


def test_disagreement_is_brought_to_metres_by_the_scale():
    found = fitted([0.0, 1.0], [1.0, 5.0])
    assert found.uncertainty(np.array([0.5]), np.array([0.1])) == pytest.approx([0.4])


@pytest.mark.parametrize(
    ("values", "depth", "words"),
    [
        ([0.1, 0.9], [3.0, 3.0], "all known distances are 3 m"),
        ([0.4, 0.4, 0.4], [1.0, 2.0, 3.0], "equally deep at all known points"),
        ([0.1, 0.9], [5.0, 2.0], "nearer in the map"),
    ],
)
def test_points_that_tell_no_scale_are_refused(values, depth, words):
    with pytest.raises(ImageError, match=words):
        fitted(values, depth)
