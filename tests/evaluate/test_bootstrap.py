"""Bootstrap intervals of means over images."""

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats

from marigold.core.errors import DataError
from marigold.evaluate.bootstrap import interval, paired

NAN, INFINITE = float("nan"), float("inf")


def draws(count, seed=0):
    return np.random.default_rng(seed).gamma(2.0, 3.0, count)


def test_a_single_image_and_equal_images_leave_no_doubt():
    assert interval([3.5]) == (3.5, 3.5)
    assert interval([0.25] * 7) == (0.25, 0.25)


def test_two_images_give_the_quantiles_of_all_their_draws():
    """Of 0 and 1 the mean is 0 or 1 in a quarter of all draws each, 0.5 in half of them."""
    assert interval([0.0, 1.0], level=0.95) == (0.0, 1.0)
    assert interval([0.0, 1.0], level=0.4) == (0.5, 0.5)


def test_three_images_give_the_quantiles_of_all_their_draws():
    means = [sum(drawn) / 3 for drawn in product([0.0, 1.0, 10.0], repeat=3)]
    low, high = np.quantile(means, [0.1, 0.9], method="inverted_cdf")
    assert interval([0.0, 1.0, 10.0], level=0.8, rounds=20_000) == (pytest.approx(low), pytest.approx(high))


def test_the_interval_of_many_images_is_that_of_a_normal_mean():
    values = draws(400)
    half = 1.959964 * values.std() / math.sqrt(len(values))
    low, high = interval(values, rounds=20_000)
    assert low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.06 * half)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_interval_is_that_of_scipy(level):
    values = draws(25, seed=3)
    known = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=level, method="percentile", rng=1
    ).confidence_interval
    width = known.high - known.low
    assert interval(values, level=level, rounds=20_000) == (
        pytest.approx(known.low, abs=0.04 * width),
        pytest.approx(known.high, abs=0.04 * width),
    )


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    values = draws(30)
    assert interval(values, seed=5) == interval(values, seed=5)
    assert interval(values, seed=5) != interval(values, seed=6)


def test_the_memory_is_bounded_and_rounds_are_kept():
    low, high = interval([0.0, 1.0] * 50_000, rounds=50)
    assert 0.49 < low < 0.5 < high < 0.51


def test_images_on_which_nothing_counted_are_left_out():
    assert interval([NAN, 1.0, 4.0, NAN]) == interval([1.0, 4.0])
    assert paired([1.0, NAN, 3.0], [0.0, 5.0, NAN]).difference == 1.0


@pytest.mark.parametrize("values", [[], [NAN], [1.0, INFINITE], [-INFINITE]])
def test_no_image_and_infinite_values_are_errors(values):
    with pytest.raises(DataError):
        interval(values)


def test_pairs_of_different_numbers_of_images_are_an_error():
    with pytest.raises(DataError, match="2 and 1 images"):
        paired([1.0, 2.0], [1.0])


def test_a_constant_lead_is_certain_however_hard_the_images_are():
    """0.5 can be added to these numbers without rounding."""
    second = [float(value) for value in range(100)]
    found = paired([value + 0.5 for value in second], second)
    assert (found.difference, found.low, found.high, found.share, found.is_clear) == (0.5, 0.5, 0.5, 1.0, True)


def test_equal_images_count_half():
    assert paired([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 5.0, 4.0]).share == 0.5


def test_a_mean_difference_of_nought_is_not_clear():
    found = paired([1.0, 0.0] * 20, [0.0, 1.0] * 20)
    assert found.difference == 0
    assert found.low < 0 < found.high
    assert not found.is_clear


def test_exchanged_models_give_the_mirrored_interval():
    first, second = draws(20, 1), draws(20, 2)
    one, other = paired(first, second), paired(second, first)
    assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))
    assert one.share == pytest.approx(1 - other.share)
