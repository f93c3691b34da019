"""Masked quantiles and the true median."""

import numpy as np
import pytest
import torch

from marigold.measure.quantiles import masked_quantiles, median


def test_quantiles_of_the_valid_elements_agree_with_numpy():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 501)).astype(np.float32)
    valid = rng.random((3, 501)) < 0.6
    got = masked_quantiles(torch.from_numpy(values), torch.from_numpy(valid), (0.0, 0.02, 0.5, 0.98, 1.0))
    for fraction, row in zip((0.0, 0.02, 0.5, 0.98, 1.0), got, strict=True):
        expected = [np.quantile(v[m], fraction) for v, m in zip(values, valid, strict=True)]
        np.testing.assert_allclose(row.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_invalid_elements_may_hold_anything():
    values = torch.tensor([[1.0, torch.nan, 3.0, torch.inf]])
    (middle,) = masked_quantiles(values, torch.tensor([[True, False, True, False]]), (0.5,))
    assert middle.item() == 2.0


def test_a_row_without_a_valid_element_gives_zero():
    low, high = masked_quantiles(torch.full((2, 4), 7.0), torch.zeros(2, 4, dtype=torch.bool), (0.02, 0.98))
    assert low.tolist() == high.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("count", range(1, 12))
def test_median_agrees_with_numpy_for_odd_and_even_counts(count):
    stack = np.random.default_rng(count).normal(size=(count, 5, 7))
    np.testing.assert_allclose(median(torch.from_numpy(stack)).numpy(), np.median(stack, axis=0), rtol=1e-12)


def test_median_leaves_its_argument_alone():
    stack = torch.tensor([3.0, 1.0, 2.0])
    median(stack)
    assert stack.tolist() == [3.0, 1.0, 2.0]


def test_the_places_of_a_large_photo_are_told_apart():
    """0, 1, 2, ... of more numbers than single precision counts; the mask leaves out the last one."""
    count = 2**24 + 3
    values, valid = torch.arange(count).double(), torch.ones(count, dtype=torch.bool)
    valid[-1] = False
    low, middle, high = masked_quantiles(values, valid, (0.02, 0.5, 1.0))
    assert low.item() == pytest.approx(0.02 * (count - 2), abs=0.01)
    assert (middle.item(), high.item()) == ((count - 2) / 2, count - 2)
