"""Every modality says what an interval of its maps has to hold."""

import pytest
import torch

from contract.test_modalities import scene, truth
from marigold.checkpoints.calibration import Calibration, Spread
from marigold.core.errors import DataError
from marigold.core.find import implementation, names
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.predict.interval import bounds, covered

MODALITIES = {
    name: implementation(Modality, name)() for name in names(Modality) if implementation(Modality, name)().needs
}


def calibration(modality, scale=1.0, floor=0.0):
    outputs = {name: Spread(scale, floor, (1.0, 2.0)) for name in modality.outputs}
    return Calibration(1, 3, 24, "longest", "none", 10, "toy", (0.5, 0.9), outputs)


@pytest.fixture(params=MODALITIES)
def modality(request):
    return MODALITIES[request.param]


def test_a_perfect_prediction_needs_no_width(modality):
    # All but the depths that the encoding clips, which are as far off as they are beyond the ends.
    sample = scene(modality)
    values = truth(modality, sample)
    wanted, valid = modality.counterpart(values, sample)
    error = (wanted - modality.centre(values)).abs()[valid]
    assert error.quantile(0.8) < 0.01 * (modality.extent[1] - modality.extent[0])


def test_shapes_and_ranges_fit(modality):
    sample = scene(modality)
    values = truth(modality, sample)
    channels = sum(modality.interval_channels)
    wanted, valid = modality.counterpart(values, sample)
    assert wanted.shape == valid.shape == modality.centre(values).shape == (channels, *values.shape[-2:])
    assert valid.dtype == torch.bool and wanted.min() >= modality.extent[0] and wanted.max() <= modality.extent[1]
    lower, upper = bounds(values, torch.full_like(values[:1], 0.02), calibration(modality), 0.5, modality)
    assert lower.shape == upper.shape == wanted.shape
    assert (lower <= modality.centre(values)).all() and (modality.centre(values) <= upper).all()


def test_an_interval_over_everything_holds_everything(modality):
    sample = scene(modality)
    values = truth(modality, scene(modality, seed=1))
    held, valid = covered(
        bounds(values, torch.ones_like(values[:1]), calibration(modality, 180.0), 0.9, modality),
        values,
        sample,
        modality,
    )
    assert held[valid].all() and valid.all()


def test_a_sample_without_the_truth_is_named():
    sample = scene(MODALITIES["appearance"])
    del sample.maps["roughness"]
    with pytest.raises(DataError, match="made/0: has no roughness to compare intervals with; give it"):
        MODALITIES["appearance"].counterpart(torch.rand(5, 24, 32), sample)


def test_unknown_truth_is_not_counted(modality):
    sample = scene(modality)
    for name in modality.needs:
        sample.valid[name][..., :5] = False
        sample.maps[name][..., :3] = torch.nan
    values = truth(modality, scene(modality))
    wanted, valid = modality.counterpart(values, sample)
    assert not valid[..., :5].any() and valid[..., 5:].all() and wanted.isfinite().all()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (7.0, 2.0), (0.01, 30.0)])
def test_depth_in_metres_is_read_in_the_units_of_the_map(scale, shift):
    values = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    sample = scene(Depth())
    sample.maps["depth"], sample.valid["depth"] = scale * values + shift + 1e-3, torch.ones(1, 8, 8, dtype=torch.bool)
    torch.testing.assert_close(Depth().counterpart(values, sample)[0], values, atol=1e-4, rtol=0)


def test_depth_that_tells_nothing_of_the_truth_holds_it_nowhere():
    sample = scene(Depth())
    values = torch.full_like(sample.maps["depth"], 0.5)
    held, valid = covered((values - 0.1, values + 0.1), values, sample, Depth())
    assert valid.all() and held.float().mean() < 0.01


def test_a_true_depth_beyond_what_the_map_can_show_is_held_by_an_open_end():
    values = torch.linspace(0, 1, 64).view(1, 8, 8)
    sample = scene(Depth())
    depth = 3 * values + 1
    depth[0, -1, -1] = 4.5
    sample.maps["depth"], sample.valid["depth"] = depth, torch.ones(1, 8, 8, dtype=torch.bool)
    held, _ = covered(((values - 0.05).clamp(0, 1), (values + 0.05).clamp(0, 1)), values, sample, Depth())
    assert held.all()


@pytest.mark.parametrize("factor", [1.0, 0.02, 50.0])
def test_light_is_read_at_one_scale_for_shading_and_residual(factor):
    sample = scene(Lighting())
    values = torch.cat([sample.maps[name] for name in ("albedo", "shading", "residual")])
    for name in ("shading", "residual"):
        sample.maps[name] = factor * sample.maps[name]
    torch.testing.assert_close(Lighting().counterpart(values, sample)[0], values, atol=1e-5, rtol=0)


def test_light_of_known_scale_is_read_as_it_is():
    sample = scene(Lighting())
    values = torch.cat([sample.maps[name] for name in ("albedo", "shading", "residual")])
    sample.maps["shading"] = 0.5 * sample.maps["shading"]
    found, _ = Lighting(up_to_scale=False).counterpart(values, sample)
    torch.testing.assert_close(found[3:6], values[3:6] / 2)


def test_the_cone_of_normals_is_an_angle_in_degrees():
    normals = MODALITIES["normals"]
    sample = scene(normals)
    sample.maps["normals"] = torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, 24, 32).clone()
    tilted = torch.tensor([0.6, 0.0, 0.8])[:, None, None].expand(3, 24, 32)
    angle, _ = normals.counterpart(tilted, sample)
    torch.testing.assert_close(angle, torch.full((1, 24, 32), 36.8699), atol=1e-3, rtol=0)
    lower, upper = bounds(tilted, torch.full((1, 24, 32), 0.1), calibration(normals, 180.0, 0.05), 0.5, normals)
    # 180 * (0.1 + 0.05) degrees, once; at 0.9 twice.
    assert lower.max() == 0 and upper.allclose(torch.tensor(27.0))
