"""Predicted values as target images, such as a refiner sees them: what `decode` reads as these values."""

import pytest
import torch

from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

WITHOUT_CHOICE = [
    Normals(),
    Normals(use_full_z_range=False),
    Normals(target_x="left"),
    Appearance(),
    Appearance(albedo_space="linear", material_space="gamma"),
    Lighting(),
    Lighting(albedo_space="srgb"),
]
SPACES = [
    Depth(),
    Depth(target_space="log", high=1.0),
    Depth(target_space="disparity", high=1.0),
    Depth(target_space="sqrt-disparity", high=1.0, shift_invariant=False),
    Depth(target_space="disparity", fixed_ratio=False, high=1.0),
]


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("modality", WITHOUT_CHOICE, ids=repr)
def test_values_are_read_back_from_their_target_images(modality):
    like = random(2, len(modality.targets), 3, 5, 7) * 2 - 1
    values = modality.decode(like)
    pixels = modality.target_images(values, torch.zeros_like(like))
    assert pixels.shape == like.shape
    assert pixels.abs().max() <= 1
    torch.testing.assert_close(modality.decode(pixels), values, atol=1e-5, rtol=0)


@pytest.mark.parametrize("modality", SPACES, ids=repr)
def test_depth_takes_its_open_range_from_a_prediction(modality):
    like = (random(2, 1, 1, 9, 11) * 1.6 - 0.7).expand(-1, -1, 3, -1, -1)
    values = modality.decode(like)
    torch.testing.assert_close(modality.target_images(values, like), like, atol=2e-4, rtol=0)
    shown = values * 0.8 + 0.1  # another scale and shift, as merging members may leave them
    torch.testing.assert_close(modality.target_images(shown, like), like, atol=2e-4, rtol=0)


def test_values_that_an_end_clips_do_not_bend_the_range():
    like = torch.linspace(-0.9, 0.8, 30).view(1, 1, 1, 5, 6).expand(-1, -1, 3, -1, -1)
    values = (Depth().decode(like) * 1.2).clamp(max=1)  # 1 from a share of 5/6 on
    pixels = Depth().target_images(values, like)
    expected = like.clamp(max=2 / 1.2 - 1)
    torch.testing.assert_close(pixels, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("values", [torch.full((1, 1, 4, 4), 0.5), torch.zeros(1, 1, 4, 4)])
def test_a_map_that_tells_no_depth_becomes_what_was_predicted(values):
    like = (random(1, 1, 1, 4, 4) * 2 - 1).expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(Depth().target_images(values, like), like)


def test_a_modality_without_a_way_back_takes_the_target_images_of_the_prediction():
    like = random(1, 1, 3, 4, 4)
    assert Image().target_images(random(1, 3, 4, 4), like) is like
