"""The error of every pixel, in the sense of each modality's main metric."""

import math

import numpy as np
import pytest
import torch

from marigold.core import find
from marigold.core.sample import Sample
from marigold.measure.alignment import Protocol
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals


def sample(**maps: torch.Tensor) -> Sample:
    """Every pixel valid but the last of the last row."""
    valid = {name: torch.ones_like(map_[:1], dtype=torch.bool) for name, map_ in maps.items()}
    for mask in valid.values():
        mask[0, -1, -1] = False
    height, width = next(iter(maps.values())).shape[-2:]
    return Sample("scene/0", torch.full((3, height, width), 0.5), maps, valid)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_depth_errs_relative_to_the_truth_after_alignment():
    truth, prediction = random(1, 4, 5) * 9 + 1, random(1, 4, 5, seed=1)
    error = Depth().error(prediction, sample(depth=truth))
    x, y = prediction.flatten()[:-1].double().numpy(), truth.flatten()[:-1].double().numpy()
    aligned = np.polyval(np.polyfit(x, y, 1), x).clip(1e-3)
    np.testing.assert_allclose(error.flatten()[:-1].numpy(), np.abs(aligned - y) / y, rtol=1e-6)
    assert error.shape == (1, 4, 5)
    assert error[0, -1, -1].isnan()


def test_depth_errs_by_the_protocol_and_its_mean_is_the_main_metric():
    truth, prediction = random(1, 4, 5) * 9 + 1, random(1, 4, 5, seed=1) + 0.1
    scene = sample(depth=truth)
    for protocol in (Protocol("none"), Protocol("disparity"), Protocol(fit="median")):
        error = Depth().error(prediction, scene, protocol)
        mean = Depth().score(prediction, scene, protocol)["abs_rel"].mean
        assert error.nanmean().item() == pytest.approx(mean)


def test_normals_err_by_their_angle_in_degrees():
    truth = torch.zeros(3, 1, 3)
    truth[2] = 1
    angles = torch.tensor([[0.0, 30, 90]]).deg2rad()
    error = Normals().error(torch.stack([angles.sin(), 0 * angles, angles.cos()]), sample(normals=truth))
    assert error[0, 0, :2].tolist() == pytest.approx([0, 30], abs=1e-4)
    assert error[0, 0, 2].isnan()


def test_appearance_errs_by_the_mean_of_its_channels():
    maps = {"albedo": torch.full((3, 2, 2), 0.2), "roughness": torch.full((1, 2, 2), 0.5)}
    scene = sample(**maps, metallicity=torch.zeros(1, 2, 2))
    shown = 1.055 * 0.2 ** (1 / 2.4) - 0.055
    values = torch.tensor([shown + 0.1, shown, shown, 0.7, 0.3]).view(5, 1, 1).expand(5, 2, 2)
    error = Appearance().error(values, scene)
    assert error[0, 0].tolist() == pytest.approx([(0.1 + 0.2 + 0.3) / 5] * 2, abs=1e-6)
    assert error[0, 1, 1].isnan()


def test_light_errs_by_nothing_when_only_its_scale_is_wrong():
    scene = sample(albedo=random(3, 4, 5), shading=random(3, 4, 5, seed=1), residual=random(3, 4, 5, seed=2))
    found = Lighting(brightest=1).decode(Lighting(brightest=1).encode(scene)[0][None])[0]
    scaled = torch.cat([found[:3], 0.25 * found[3:6], 7 * found[6:]])
    assert Lighting(brightest=1).error(scaled, scene).nan_to_num(0).max().item() == pytest.approx(0, abs=1e-6)
    scaled[0] += 0.9
    assert Lighting(brightest=1).error(scaled, scene).nanmean().item() == pytest.approx(0.1, abs=1e-6)


def test_a_picture_errs_by_the_mean_of_its_channels():
    scene = sample(depth=torch.ones(1, 2, 2))
    assert Image().error(scene.image + torch.tensor([0.3, 0, 0]).view(3, 1, 1), scene).tolist()[0][0][0] == (
        pytest.approx(0.1, abs=1e-6)
    )


@pytest.mark.parametrize("name", find.names(Modality))
def test_the_truth_itself_has_next_to_no_error_and_nothing_is_said_without_truth(name):
    modality = find.implementation(Modality, name)()
    maps = {
        field: random(3 if field in ("albedo", "shading", "residual", "normals") else 1, 4, 5, seed=index) + 0.1
        for index, field in enumerate(modality.needs or ("depth",))
    }
    if "normals" in maps:
        maps["normals"] = torch.nn.functional.normalize(maps["normals"], dim=0)
    scene = sample(**{field: map_.clamp(max=1) for field, map_ in maps.items()})
    values = modality.decode(modality.encode(scene)[0][None])[0]
    error = modality.error(values, scene)
    assert error.shape == (1, 4, 5)
    assert error[0, 0, 0].item() == pytest.approx(0, abs=0.02 if name == "normals" else 0.12)
    assert math.isnan(error[0, -1, -1]) == bool(modality.needs)
