"""Sums that merge."""

import itertools
import math

import numpy as np
import pytest
import torch

from marigold.measure.tally import Tally, each, histogram, merge


def test_a_mean_does_not_depend_on_how_the_work_was_split():
    one = Tally(1, 1) + (Tally(2, 1) + Tally(6, 1))
    other = (Tally(6, 1) + Tally(1, 1)) + Tally(2, 1)
    assert one.mean == other.mean == 3


def test_the_mean_of_nothing_is_nan():
    assert math.isnan(Tally().mean)


def test_metrics_merge_by_name():
    merged = merge([{"a": Tally(1, 1)}, {"a": Tally(3, 1), "b": Tally(5, 1)}])
    assert merged == {"a": Tally(4, 2), "b": Tally(5, 1)}


def test_every_order_and_grouping_gives_the_same_bits():
    values = [1e16, 1.0, -1e16, 0.1, 1e-9]
    means = set()
    for order in itertools.permutations(values):
        left, right = merge([{"a": Tally(x, 1)} for x in order[:2]]), merge([{"a": Tally(x, 1)} for x in order[2:]])
        means.add((left["a"] + right["a"]).mean)
    assert means == {math.fsum(values) / 5}


def test_a_root_is_taken_of_the_mean_of_all():
    assert (Tally(9.0, 1, "root") + Tally(7 * 16.0 + 7.0, 7, "root")).mean == pytest.approx(4)


def test_a_deviation_is_that_of_all_values():
    left, right = np.array([1.0, 4.0]), np.array([1e6, 2.0, 7.0])
    tallies = [Tally(part.sum(), len(part), "deviation", np.square(part).sum()) for part in (left, right)]
    assert (tallies[0] + tallies[1]).mean == pytest.approx(np.concatenate([left, right]).std(), rel=1e-12)


def test_equal_values_deviate_by_nothing():
    assert Tally(3 * 0.5, 3, "deviation", 3 * 0.25).mean == 0


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1001])
def test_a_median_is_exact_to_half_a_bin(count):
    values = np.random.default_rng(count).random(count) * 180
    parts = [histogram(torch.from_numpy(part)) for part in np.array_split(values, 3) if len(part)]
    found = merge([{"a": part} for part in parts])["a"].mean
    assert found == pytest.approx(np.median(values), abs=0.00501)


def test_a_median_of_equal_values_is_the_centre_of_their_bin():
    assert histogram(torch.full((6,), 3.2), width=0.5).mean == 3.25


@pytest.mark.parametrize("full", [Tally(4.0, 1, "root"), Tally(2.0, 1, "deviation", 4.0), histogram(torch.ones(2))])
def test_an_empty_tally_changes_nothing_whatever_its_kind(full):
    assert Tally() + full == full == full + Tally()


def test_tallies_of_two_kinds_do_not_mix():
    with pytest.raises(ValueError, match="cannot be added"):
        Tally(1, 1) + Tally(1, 1, "root")
    with pytest.raises(ValueError, match="cannot be added"):
        histogram(torch.ones(1), 0.1) + histogram(torch.ones(1), 0.2)


def test_what_is_not_finite_stays_visible():
    assert math.isnan((Tally(1, 1) + Tally(math.nan, 1)).mean)
    assert (Tally(1, 1) + Tally(math.inf, 1)).mean == math.inf
    assert math.isnan((Tally(1, 1, "deviation", 1) + Tally(math.inf, 1, "deviation", math.inf)).mean)


def test_each_metric_of_an_image_counts_once():
    assert each({"a": torch.tensor(2.0), "b": torch.tensor(3.0)}) == {"a": Tally(2, 1), "b": Tally(3, 1)}
