"""Layout and seams of refined maps, by values worked out by hand."""

import math

import pytest
import torch

from marigold.measure.refinement import layout_change, seam_ratio


def test_scale_shift_and_size_change_no_layout():
    coarse = torch.rand(32, 24, generator=torch.Generator().manual_seed(0))
    large = (3 * coarse + 2).repeat_interleave(4, dim=0).repeat_interleave(4, dim=1)
    assert layout_change(large, coarse) == pytest.approx(0, abs=1e-6)


def test_what_is_finer_than_a_cell_is_no_layout():
    coarse = torch.linspace(0, 1, 32).expand(32, 32)
    fine = torch.tensor([1.0, -1.0]).repeat(32)  # whose mean in a cell of 2 pixels is 0
    large = coarse.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1) + fine
    assert layout_change(large, coarse) == pytest.approx(0, abs=1e-6)


def test_what_the_coarse_map_does_not_have_is_the_share_that_is_left():
    # Four cells: x = (0, 0, 1, 1) and y = (0, 1, 0, 1) vary independently. The fit of x + y to x has scale 1/2: what is
    # left is (x - y) / 2 without its mean, whose root mean square is sqrt(1/8), by a deviation of 1/2.
    x, y = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0, 1.0]])
    assert layout_change(x + y, x, cells=4) == pytest.approx(math.sqrt(0.5))
    assert layout_change(y, x, cells=4) == pytest.approx(1)
    assert layout_change(torch.ones_like(x), x, cells=4) == pytest.approx(1)


def test_a_flat_coarse_map_has_no_layout_to_change():
    assert math.isnan(layout_change(torch.rand(8, 8), torch.full((4, 4), 0.3)))


def columns(*chosen: int) -> torch.Tensor:
    beside = torch.zeros(6, 6, dtype=torch.bool)
    beside[:, list(chosen)] = True
    return beside


def test_an_even_slope_has_no_seam():
    ramp = torch.arange(6.0) + torch.arange(6.0)[:, None]
    assert seam_ratio(ramp, columns(2, 3)) == pytest.approx(1)


def test_a_seam_is_the_larger_by_its_step():
    # Columns 0 1 2 | 5 6 7: across the border the step is 3. Beside it lie 6 such steps and 2 * 5 downwards of 0;
    # elsewhere 24 steps of 1 and 4 * 5 of 0.
    values = torch.tensor([0.0, 1, 2, 5, 6, 7]).expand(6, 6)
    assert seam_ratio(values, columns(2, 3)) == pytest.approx((18 / 16) / (24 / 44))
    assert seam_ratio(values.T, columns(2, 3).T) == pytest.approx((18 / 16) / (24 / 44))


def test_a_border_where_the_map_is_smoother_is_below_one():
    values = torch.tensor([0.0, 2, 4, 5, 7, 9]).expand(6, 6)
    assert seam_ratio(values, columns(2, 3)) < 1


@pytest.mark.parametrize("chosen", [(), range(6)])
def test_without_borders_or_without_anything_else_there_is_nothing_to_compare(chosen):
    assert math.isnan(seam_ratio(torch.rand(6, 6), columns(*chosen)))
    assert math.isnan(seam_ratio(torch.zeros(6, 6), columns(2, 3)))
