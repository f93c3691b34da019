"""Albedo at points and in regions, by hand and against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from marigold.core.colour import linear_to_srgb
from marigold.core.errors import DataError
from marigold.measure.reflectance import lab, region_errors, region_means, whdr

ALBEDO = torch.tensor([[0.2, 0.21, 0.4, 0.0]]).expand(3, 1, 4)
"""Four pixels in a row."""


def judged(first: float, second: float, darker: int, weight: float = 1.0) -> list[float]:
    """A judgement about the middles of two pixels of four."""
    return [(first + 0.5) / 4, 0.5, (second + 0.5) / 4, 0.5, darker, weight]


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [(0, 1, 0), (1, 0, 0), (0, 2, 1), (2, 0, 2), (1, 2, 1), (3, 0, 1), (0, 3, 2), (3, 3, 0)],
)
def test_an_albedo_says_which_point_is_darker(first, second, answer):
    for darker in (0, 1, 2):
        wrong, weight = whdr(ALBEDO, torch.tensor([judged(first, second, darker)]))
        assert (wrong, weight) == (float(darker != answer), 1)


def test_judgements_weigh_as_stated():
    rows = [judged(0, 1, 0, 0.5), judged(0, 2, 2, 0.25), judged(2, 0, 0, 1.5)]
    assert whdr(ALBEDO, torch.tensor(rows)) == (1.75, 2.25)


def test_the_threshold_is_the_deltas():
    row = torch.tensor([judged(0, 1, 1)])
    assert whdr(ALBEDO, row, delta=0.10)[0] == 1
    assert whdr(ALBEDO, row, delta=0.04)[0] == 0


def test_reflectance_is_the_mean_of_the_channels_at_the_pixel_that_holds_the_point():
    albedo = torch.zeros(3, 2, 2)
    albedo[:, 1, 0] = torch.tensor([0.9, 0.0, 0.0])
    albedo[:, 1, 1] = torch.tensor([0.3, 0.3, 0.3])
    equal = torch.tensor([[0.49, 0.51, 0.99, 0.99, 0, 1.0]])
    assert whdr(albedo, equal) == (0, 1)
    # x comes before y: the first of these points is the black pixel above.
    darker = torch.tensor([[0.51, 0.49, 0.0, 1.0, 1, 1.0]])
    assert whdr(albedo, darker) == (0, 1)


def test_no_judgement_has_no_weight():
    assert whdr(ALBEDO, torch.zeros(0, 6)) == (0, 0)


def test_a_region_has_the_mean_of_its_pixels():
    albedo = torch.arange(12.0).view(3, 1, 4)
    means = region_means(albedo, torch.tensor([[[1, 2, 1, 0]]]), 3)
    assert means[:2].tolist() == [[1, 5, 9], [1, 5, 9]]
    assert means[2].isnan().all()


def test_lab_is_scikit_images():
    linear = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).double().square()
    linear[0] = 0
    expected = rgb2lab(linear_to_srgb(linear).numpy()[None])[0]
    np.testing.assert_allclose(lab(linear).numpy(), expected, atol=0.02)


def test_intensity_is_compared_after_the_best_scale_of_the_photo():
    measured = torch.tensor([[0.2, 0.2, 0.2], [0.4, 0.4, 0.4]])
    assert region_errors(3 * measured, measured)["intensity"].item() == pytest.approx(0, abs=1e-12)
    # Own intensities 1 and 1: the best scale is 0.3, which is off by 0.1 twice.
    assert region_errors(torch.ones(2, 3), measured)["intensity"].item() == pytest.approx(100 * 0.01)


def test_chromaticity_does_not_see_intensity_but_colour():
    measured = torch.tensor([[0.3, 0.2, 0.1], [0.4, 0.4, 0.4]])
    found = measured * torch.tensor([[5.0], [0.1]])
    assert region_errors(found, measured)["chromaticity"].item() == pytest.approx(0, abs=1e-3)
    grey = torch.full((2, 3), 0.7)
    # The first region is off, as a grey of its intensity 0.2 is from it; the second is right.
    colours = linear_to_srgb(torch.tensor([[[0.3, 0.2, 0.1], [0.2, 0.2, 0.2]]]).double()).numpy()
    expected = np.linalg.norm(np.subtract(*rgb2lab(colours)[0])) / 2
    assert region_errors(grey, measured)["chromaticity"].item() == pytest.approx(expected, abs=0.02)


def test_regions_without_pixels_do_not_count_unless_there_is_no_other():
    measured = torch.tensor([[0.2, 0.2, 0.2], [0.9, 0.1, 0.1]])
    found = torch.tensor([[0.1, 0.1, 0.1], [torch.nan] * 3])
    assert region_errors(found, measured)["chromaticity"].item() == pytest.approx(0, abs=1e-3)
    with pytest.raises(DataError, match="regions"):
        region_errors(found[1:], measured[1:])


def test_a_black_region_is_compared_as_grey():
    errors = region_errors(torch.zeros(1, 3), torch.full((1, 3), 0.5))
    assert errors["chromaticity"].item() == pytest.approx(0, abs=1e-2)
    assert errors["intensity"].item() == pytest.approx(100 * 0.25)
