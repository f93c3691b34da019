"""Maps as pictures: encoding, decoding, bytes, and the split into quotient and blur."""

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from marigold.core import pictures


def test_zero_to_one_becomes_minus_one_to_one_and_back():
    values = torch.tensor([-0.5, 0.0, 0.25, 1.0, 1.5, 0.5])
    valid = torch.tensor([True, True, True, True, True, False])
    pixels = pictures.to_pixels(values, valid)
    assert pixels.tolist() == [-1, -1, -0.5, 1, 1, -1]
    assert pictures.to_values(pixels).tolist() == [0, 0, 0.25, 1, 1, 0]


def test_values_of_pixels_are_clipped():
    assert pictures.to_values(torch.tensor([-3.0, 3.0], dtype=torch.float16)).tolist() == [0, 1]


def test_bytes_are_rounded_and_clipped():
    assert pictures.to_bytes(np.array([[[-1.0, 0.5, 2.0]]])).tolist() == [[[0, 128, 255]]]


def test_a_grey_map_becomes_three_equal_channels():
    picture = pictures.to_bytes(np.array([[0.0, 0.2]], dtype=np.float32))
    assert picture.tolist() == [[[0, 0, 0], [51, 51, 51]]]


def test_an_even_photo_is_all_light():
    quotient, blurred = pictures.divided_by_blurred_luminance(torch.full((3, 20, 30), 0.3))
    torch.testing.assert_close(quotient, torch.ones(3, 20, 30))
    torch.testing.assert_close(blurred, torch.full((1, 20, 30), 0.3))


def test_the_blur_is_three_box_filters_inside_the_picture():
    photo = torch.rand(1, 60, 80, generator=torch.Generator().manual_seed(0)).expand(3, -1, -1)
    _, blurred = pictures.divided_by_blurred_luminance(photo)
    expected, inside = photo[0].numpy().astype(np.float64), np.ones((60, 80))
    for _ in range(3):  # a tenth of 60 pixels is a box of 7
        expected = uniform_filter(expected, 7, mode="constant") / uniform_filter(inside, 7, mode="constant")
    np.testing.assert_allclose(blurred[0].numpy(), expected, rtol=1e-5)


def test_a_black_photo_has_a_finite_quotient():
    quotient, _ = pictures.divided_by_blurred_luminance(torch.zeros(3, 4, 5))
    assert not quotient.any()


@pytest.mark.parametrize("size", [(3, 5), (40, 30)])
def test_resized_values_stay_between_zero_and_one(size):
    values = torch.rand(2, 5, 12, 16, generator=torch.Generator().manual_seed(0)).round()
    resized = pictures.resize(values, *size)
    assert resized.shape == (2, 5, *size)
    assert 0 <= resized.min() <= resized.max() <= 1
