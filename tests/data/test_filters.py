"""Every filter gives the values of its formula, worked out by hand or by another library."""

import colorsys

import numpy as np
import PIL.Image
import pytest
import scipy.ndimage
import torch

from marigold.core.seeds import stream
from marigold.data import filters


def photo(*pixels: tuple[float, float, float]) -> torch.Tensor:
    """A photo of one row, [1, 3, 1, W]."""
    return torch.tensor(pixels).T.reshape(1, 3, 1, -1)


def pixels(image: torch.Tensor) -> list[float]:
    """The pixels of a photo of one row, one after the other."""
    return image[0, :, 0].T.flatten().tolist()


def random_photos(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=stream(0, "photos"))


def number(value: float) -> torch.Tensor:
    return torch.tensor([value])


def test_brightness_multiplies_and_white_stays_white():
    found = filters.adjust_brightness(photo((0.4, 0.2, 0.8)), number(1.5))
    assert pixels(found) == pytest.approx([0.6, 0.3, 1.0])


def test_contrast_moves_away_from_the_mean_luma():
    # The mean luma of grey 0.2 and grey 0.6 is 0.4 * (0.2989 + 0.587 + 0.114) = 0.39996.
    image = photo((0.2, 0.2, 0.2), (0.6, 0.6, 0.6))
    assert pixels(filters.adjust_contrast(image, number(0.5))) == pytest.approx([0.29998] * 3 + [0.49998] * 3)
    assert pixels(filters.adjust_contrast(image, number(3.0))) == pytest.approx([0] * 3 + [1] * 3, abs=1e-3)


def test_the_mean_luma_is_each_photo_s_own():
    found = filters.adjust_contrast(torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)]), torch.zeros(2))
    assert found.mean(dim=(1, 2, 3)).tolist() == pytest.approx([0, 0.9999])


def test_saturation_moves_away_from_the_luma():
    # Red has the luma 0.2989.
    found = filters.adjust_saturation(photo((1.0, 0.0, 0.0)), number(0.5))
    assert pixels(found) == pytest.approx([0.64945, 0.14945, 0.14945])


def test_a_grey_photo_has_its_luma_in_every_channel():
    assert pixels(filters.greyscale(photo((0.0, 1.0, 0.5)))) == pytest.approx([0.644] * 3)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (1 / 3, (0, 1, 0)),
        (-1 / 3, (0, 0, 1)),
        (0.5, (0, 1, 1)),
        (1 / 12, (1, 0.5, 0)),
        (0.0, (1, 0, 0)),
    ],
)
def test_red_is_turned_around_the_colour_circle(turn, expected):
    assert pixels(filters.adjust_hue(photo((1.0, 0.0, 0.0)), number(turn))) == pytest.approx(expected, abs=1e-6)


def test_grey_has_no_hue():
    image = photo((0.0, 0.0, 0.0), (0.3, 0.3, 0.3), (1.0, 1.0, 1.0))
    assert torch.equal(filters.adjust_hue(image, number(0.2)), image)


def test_hues_are_turned_as_by_the_standard_library():
    image, turns = random_photos(4, 5, 6), torch.tensor([-0.5, -0.15, 0.07, 0.45])
    for shown, turn, found in zip(image, turns, filters.adjust_hue(image, turns), strict=True):
        expected = []
        for pixel in shown.flatten(1).T.tolist():
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            expected.append(colorsys.hsv_to_rgb((hue + float(turn)) % 1, saturation, value))
        torch.testing.assert_close(found.flatten(1).T, torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_cast_multiplies_each_channel_by_its_own():
    found = filters.colour_cast(photo((0.5, 0.5, 0.8)), torch.tensor([[1.1, 0.9, 2.0]]))
    assert pixels(found) == pytest.approx([0.55, 0.45, 1.0])


@pytest.mark.parametrize(("height", "width"), [(40, 56), (9, 5), (1, 7)])
def test_gaussian_blur_is_that_of_scipy(height, width):
    image, sigmas = random_photos(3, height, width), torch.tensor([0.7, 2.0, 4.0])
    found = filters.gaussian_blur(image, sigmas, radius=16)
    for shown, sigma, blurred in zip(image, sigmas, found, strict=True):
        spread = (0, float(sigma), float(sigma))
        expected = scipy.ndimage.gaussian_filter(shown.double().numpy(), spread, mode="mirror", radius=(0, 16, 16))
        np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-5)


def test_a_blur_without_width_changes_nothing():
    image = random_photos(1, 6, 6)
    torch.testing.assert_close(filters.gaussian_blur(image, torch.zeros(1), radius=2), image)


@pytest.mark.parametrize(
    ("length", "degrees", "lit"),
    [
        (3, 0, ["...", "###", "..."]),
        (3, 90, [".#.", ".#.", ".#."]),
        (3, 45, ["..#", ".#.", "#.."]),
        (3, 135, ["#..", ".#.", "..#"]),
        # The ends of a diagonal of five lie 2.8 from the middle, beyond the row that was turned.
        (5, 45, [".....", "...#.", "..#..", ".#...", "....."]),
    ],
)
def test_a_line_is_turned_anticlockwise_and_its_nearest_pixels_share_the_weight(length, degrees, lit):
    expected = torch.tensor([[float(letter == "#") for letter in row] for row in lit])
    found = filters.motion_kernels(torch.tensor([length]), number(float(degrees)))[0]
    torch.testing.assert_close(found, expected / expected.sum())


@pytest.mark.parametrize("length", [3, 5, 7, 9, 11])
def test_lines_are_turned_as_by_pillow(length):
    degrees = 360 * torch.rand(40, generator=stream(0, "degrees"))
    row = np.zeros((length, length), np.uint8)
    row[length // 2] = 1
    found = filters.motion_kernels(torch.full((40,), length), degrees)
    for angle, kernel in zip(degrees.tolist(), found, strict=True):
        turned = np.array(PIL.Image.fromarray(row).rotate(angle, PIL.Image.Resampling.NEAREST), dtype=np.float32)
        np.testing.assert_allclose(kernel.numpy(), turned / turned.sum(), atol=1e-6)


def test_lines_of_several_lengths_lie_in_the_middle_of_one_kernel():
    found = filters.motion_kernels(torch.tensor([3, 5]), torch.zeros(2))
    assert found[0, 2].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0])
    assert found.sum(dim=(1, 2)).tolist() == pytest.approx([1, 1])


def test_motion_smears_a_point_and_darkens_the_border():
    point = photo((0, 0, 0), (0, 0, 0), (0.9, 0.6, 0.3), (0, 0, 0), (0, 0, 0))
    smeared = filters.motion_blur(point, torch.tensor([3]), number(0.0))
    expected = [0] * 3 + [0.3, 0.2, 0.1] * 3 + [0] * 3
    assert pixels(smeared) == pytest.approx(expected)
    white = filters.motion_blur(torch.ones(1, 3, 4, 4), torch.tensor([3]), number(0.0))
    assert white[0, 0, 0].tolist() == pytest.approx([2 / 3, 1, 1, 2 / 3])


def test_grain_has_the_deviation_of_each_photo():
    image = torch.full((2, 3, 100, 100), 0.5)
    deviations = torch.tensor([0.01, 0.05])
    found = filters.grain(image, deviations, stream(0)) - image
    # The deviation of n numbers is known to 1 / sqrt(2 n) of itself; here n is 30000.
    torch.testing.assert_close(found.std(dim=(1, 2, 3)), deviations, rtol=4 / 60000**0.5, atol=0)


def test_jpeg_keeps_the_mean_grey_of_its_colour_space():
    # A luma of 128 and no chroma are the zero of every coefficient, which no quality changes.
    image = torch.full((2, 3, 9, 17), 128 / 255)
    torch.testing.assert_close(filters.jpeg(image, torch.tensor([1, 95])), image)


def test_jpeg_of_low_quality_has_lost_more_than_that_of_high_quality():
    image = random_photos(1, 32, 48).expand(3, -1, -1, -1)
    lost = (filters.jpeg(image, torch.tensor([10, 60, 95])) - image).square().mean(dim=(1, 2, 3))
    assert lost[0] > lost[1] > lost[2] > 0


def test_jpeg_keeps_the_place_of_every_pixel():
    image = torch.zeros(1, 3, 16, 40)
    image[..., :8, 8:24] = 1.0  # whole blocks of the coding
    torch.testing.assert_close(filters.jpeg(image, torch.tensor([95])), image, atol=0.01, rtol=0)


def test_jpeg_keeps_the_order_of_the_channels():
    image = torch.tensor([0.8, 0.2, 0.4]).view(1, 3, 1, 1).expand(-1, -1, 8, 8)
    torch.testing.assert_close(filters.jpeg(image, torch.tensor([95])), image, atol=0.02, rtol=0)
