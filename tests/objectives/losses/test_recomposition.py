"""Albedo, shading and residual against the photo."""

import pytest
import torch

from marigold.core.colour import linear_to_srgb
from marigold.modalities.lighting import Lighting
from marigold.objectives.losses.recomposition import Recomposition
from toys.outcomes import outcome, value


def maps(albedo: float, shading: float, residual: float) -> torch.Tensor:
    """Target images [1, 3, 3, 2, 2] of one value each."""
    return (torch.tensor([albedo, shading, residual]) * 2 - 1).view(1, 3, 1, 1, 1).expand(1, 3, 3, 2, 2)


def photo(light: torch.Tensor | float) -> torch.Tensor:
    """A photo [1, 3, 2, 2] in -1 to 1 of this linear light."""
    return linear_to_srgb(torch.as_tensor(light, dtype=torch.float32)).expand(1, 3, 2, 2) * 2 - 1


def loss(predicted: torch.Tensor, shown: torch.Tensor, modality: Lighting) -> float:
    return float(value(Recomposition(), outcome(predicted, torch.zeros(1, 3, 3, 2, 2), image=shown), modality))


def test_with_light_of_known_scale_it_is_the_difference_in_linear_light():
    known = Lighting(up_to_scale=False)
    assert loss(maps(0.5, 0.8, 0.1), photo(0.5), known) == pytest.approx(0, abs=1e-6)
    assert loss(maps(0.5, 0.8, 0.1), photo(0.3), known) == pytest.approx(0.2, abs=1e-6)


def test_light_up_to_a_scale_is_fitted_to_the_photo():
    assert loss(maps(0.5, 0.8, 0.1), photo(0.2), Lighting()) == pytest.approx(0, abs=1e-6)
    # 0.4 twice and 0.8 twice, made of equal light: the best factor of 1 is their mean, 0.6.
    shown = photo(torch.tensor([[0.4, 0.8], [0.8, 0.4]]))
    assert loss(maps(1.0, 0.9, 0.1), shown, Lighting()) == pytest.approx(0.2, abs=1e-5)


def test_where_the_photo_is_cut_off_nothing_is_asked_for():
    shown = photo(torch.tensor([[0.5, 1.0], [0.5, 0.5]]))
    assert loss(maps(0.5, 0.8, 0.1), shown, Lighting(up_to_scale=False)) == pytest.approx(0, abs=1e-6)


def test_albedo_that_is_encoded_in_srgb_is_brought_to_linear_light():
    encoded = Lighting(up_to_scale=False, albedo_space="srgb")
    predicted = maps(float(linear_to_srgb(torch.tensor(0.5))), 0.8, 0.1)
    assert loss(predicted, photo(0.5), encoded) == pytest.approx(0, abs=1e-6)
