"""Sums that merge."""

import math

from marigold.measure.tally import Tally, merge


def test_a_mean_does_not_depend_on_how_the_work_was_split():
    one = Tally(1, 1) + (Tally(2, 1) + Tally(6, 1))
    other = (Tally(6, 1) + Tally(1, 1)) + Tally(2, 1)
    assert one.mean == other.mean == 3


def test_the_mean_of_nothing_is_nan():
    assert math.isnan(Tally().mean)


def test_metrics_merge_by_name():
    merged = merge([{"a": Tally(1, 1)}, {"a": Tally(3, 1), "b": Tally(5, 1)}])
    assert merged == {"a": Tally(4, 2), "b": Tally(5, 1)}
