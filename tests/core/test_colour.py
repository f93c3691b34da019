"""sRGB, luminance, tone mapping and colour maps against published values and matplotlib's own tables."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from marigold.core.colour import colormap, linear_to_srgb, luminance, srgb_to_linear
from marigold.core.errors import UnknownNameError

KNOWN = [(0.0, 0.0), (0.04045, 0.0031308), (0.5, 0.2140411), (0.8, 0.6038273), (1.0, 1.0)]


@pytest.mark.parametrize(("srgb", "linear"), KNOWN)
def test_the_curve_goes_through_published_values(srgb, linear):
    assert srgb_to_linear(np.array([srgb]))[0] == pytest.approx(linear, abs=1e-6)
    assert linear_to_srgb(np.array([linear]))[0] == pytest.approx(srgb, abs=1e-5)


def test_the_two_curves_undo_each_other():
    values = torch.linspace(0, 1, 1001, dtype=torch.float64)
    torch.testing.assert_close(srgb_to_linear(linear_to_srgb(values)), values, atol=1e-6, rtol=0)


def test_numpy_and_torch_follow_the_same_curve():
    values = np.linspace(-0.1, 1.5, 64).reshape(8, 8)
    np.testing.assert_allclose(srgb_to_linear(torch.from_numpy(values)).numpy(), srgb_to_linear(values), rtol=1e-12)
    np.testing.assert_allclose(linear_to_srgb(torch.from_numpy(values)).numpy(), linear_to_srgb(values), rtol=1e-12)


def test_green_is_the_brightest_primary():
    primaries = torch.eye(3).view(3, 3, 1, 1)
    torch.testing.assert_close(luminance(primaries).flatten(), torch.tensor([0.2126, 0.7152, 0.0722]))
    assert luminance(torch.ones(2, 3, 4, 5)).shape == (2, 1, 4, 5)


def test_near_is_red_and_far_is_blue():
    assert colormap(np.array([[0.0, 1.0]])).tolist() == [[[158, 1, 66], [94, 79, 162]]]


def test_colours_are_rounded_not_truncated():
    values = np.linspace(0, 1, 256)[None]
    exact = colormaps["viridis"](values)[..., :3] * 255
    assert np.abs(colormap(values, "viridis") - exact).max() <= 0.5


def test_values_beyond_the_range_take_its_ends():
    shown = colormap(np.array([[-3.0, 0.0, 1.0, 9.0, np.inf]]))
    assert (shown[0, 0] == shown[0, 1]).all()
    assert (shown[0, 2:] == shown[0, 2]).all()


def test_a_pixel_without_a_value_is_grey():
    assert colormap(np.array([[np.nan, 0.3]]))[0, 0].tolist() == [128, 128, 128]


def test_an_unknown_colour_map_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean `Spectral`"):
        colormap(np.zeros((1, 1)), "Spectrall")
