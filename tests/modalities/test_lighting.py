"""Albedo, shading and residual as three pictures: one scale for the light, members and errors."""

import math

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError
from marigold.core.sample import Batch, Sample, stack
from marigold.modalities.lighting import Lighting


def sample(height: int = 6, width: int = 8, seed: int = 0) -> Sample:
    """Random albedo, shading up to 5 and residual up to 2, valid everywhere."""
    generator = torch.Generator().manual_seed(seed)
    maps = {
        name: bright * torch.rand(3, height, width, generator=generator)
        for name, bright in (("albedo", 1), ("shading", 5), ("residual", 2))
    }
    valid = {name: torch.ones(1, height, width, dtype=torch.bool) for name in maps}
    return Sample("scene/0", torch.rand(3, height, width, generator=generator), maps, valid)


def perfect(scene: Sample) -> torch.Tensor:
    """The values [9, H, W] of a prediction without error."""
    return Lighting().decode(Lighting().encode(scene)[0][None])[0]


def test_light_is_divided_by_the_larger_of_the_two_quantiles():
    scene = sample()
    pixels, valid = Lighting().encode(scene)
    maps = {name: x.numpy() for name, x in scene.maps.items()}
    scale = max(np.quantile(maps["shading"], 0.98), np.quantile(maps["residual"], 0.98))
    for index, (name, divisor) in enumerate((("albedo", 1), ("shading", scale), ("residual", scale))):
        expected = np.clip(maps[name] / divisor, 0, 1) * 2 - 1
        np.testing.assert_allclose(pixels[index].numpy(), expected, atol=1e-6)
    assert valid.all()


def test_a_residual_brighter_than_the_shading_sets_the_scale():
    scene = sample()
    scene.maps["residual"] *= 10
    pixels, _ = Lighting().encode(scene)
    assert pixels[1].max() < 0
    assert pixels[2].max() == 1


def test_pixels_without_truth_are_black_and_do_not_set_the_scale():
    scene = sample()
    expected, _ = Lighting().encode(scene)
    wide = Sample(
        "wide/0",
        torch.nn.functional.pad(scene.image, (0, 3)),
        {name: torch.nn.functional.pad(x, (0, 3), value=math.nan) for name, x in scene.maps.items()},
        {name: torch.nn.functional.pad(x, (0, 3)) for name, x in scene.valid.items()},
    )
    wide.maps["shading"][..., -1] = 1e5
    pixels, valid = Lighting().encode(wide)
    torch.testing.assert_close(pixels[..., :-3], expected)
    assert (pixels[..., -3:] == -1).all()
    assert not valid[..., -3:].any()


def test_each_image_of_a_batch_has_its_own_scale():
    scenes = [sample(seed=seed) for seed in range(3)]
    scenes[1].maps["shading"] *= 7
    together, _ = Lighting().encode(stack(scenes))
    for pixels, scene in zip(together, scenes, strict=True):
        torch.testing.assert_close(pixels, Lighting().encode(scene)[0])


def test_darkness_is_encoded_black():
    scene = sample()
    for name in ("shading", "residual"):
        scene.maps[name].zero_()
    pixels, _ = Lighting().encode(scene)
    assert (pixels[1:] == -1).all()


def test_decoding_gives_back_the_maps_up_to_the_scale_of_the_light():
    scene = sample()
    values = Lighting(brightest=1).decode(Lighting(brightest=1).encode(scene)[0][None])[0]
    found = Lighting().split(values)
    torch.testing.assert_close(found["albedo"], scene.maps["albedo"])
    brightest = scene.maps["shading"].max()
    torch.testing.assert_close(found["shading"] * brightest, scene.maps["shading"])
    torch.testing.assert_close(found["residual"] * brightest, scene.maps["residual"])


def test_members_of_different_exposure_agree():
    values = perfect(sample(32, 32))
    members = torch.stack([torch.cat([values[:3], values[3:] * factor]) for factor in (0.8, 0.5, 1.0)])
    merged, uncertainty = Lighting().ensemble(members)
    torch.testing.assert_close(merged, members[0], rtol=0, atol=1e-5)
    assert uncertainty.shape == (1, 32, 32)
    assert uncertainty.max() < 1e-5


def test_albedo_has_one_scale_only():
    values = perfect(sample(16, 16))
    members = torch.stack([torch.cat([values[:3] * factor, values[3:]]) for factor in (0.8, 0.5, 1.0)])
    merged, uncertainty = Lighting().ensemble(members)
    torch.testing.assert_close(merged[:3], 0.8 * values[:3])
    # The distances to 0.8 are 0, 0.3 and 0.2 times the albedo; the median 0.2 is a third of what all channels average.
    torch.testing.assert_close(uncertainty[0], 0.2 * values[:3].mean(dim=0) / 3, rtol=0, atol=1e-5)


def test_the_scale_of_shading_and_residual_does_not_count():
    scene = sample()
    scale = torch.tensor([1.0] * 3 + [0.3] * 3 + [0.7] * 3).view(9, 1, 1)
    maps = torch.cat([scene.maps[name] for name in ("albedo", "shading", "residual")])
    score = Lighting().score(maps * scale, scene)
    assert {name: tally.mean for name, tally in score.items()} == pytest.approx(
        {"albedo_psnr": 100, "shading_psnr": 100, "residual_psnr": 100}
    )


def test_albedo_is_compared_at_display_gamma():
    scene = sample()
    scene.maps["albedo"] = torch.full((3, 6, 8), 0.5**2.2)
    values = perfect(scene)
    values[:3] = 0.4**2.2
    assert Lighting().score(values, scene)["albedo_psnr"].mean == pytest.approx(20, abs=1e-4)


def test_a_scene_without_residual_counts_for_the_other_maps_only():
    scene = sample()
    scene.maps["residual"].zero_()
    score = Lighting().score(perfect(scene), scene)
    assert {name: tally.weight for name, tally in score.items()} == {
        "albedo_psnr": 1,
        "shading_psnr": 1,
        "residual_psnr": 0,
    }


def test_a_prediction_of_no_number_is_not_left_out():
    scene = sample()
    score = Lighting().score(torch.full((9, 6, 8), math.nan), scene)
    assert all(tally.weight == 1 and math.isnan(tally.mean) for tally in score.values())


def test_every_baseline_explains_a_photo_that_it_is_right_about():
    light = torch.linspace(0.2, 0.8, 8).expand(3, 6, 8)
    scene = sample()
    shown = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    grey = {"albedo": torch.full((3, 6, 8), 0.5), "shading": 2 * light, "residual": torch.zeros(3, 6, 8)}
    baselines = Lighting().baselines(Sample("grey/0", shown, grey, scene.valid))
    score = Lighting().score(baselines["photo as shading"], Sample("grey/0", shown, grey, scene.valid))
    assert score["albedo_psnr"].mean > 90
    assert score["shading_psnr"].mean > 90
    even = {"albedo": light, "shading": torch.full((3, 6, 8), 3.0), "residual": torch.zeros(3, 6, 8)}
    baselines = Lighting().baselines(Sample("even/0", shown, even, scene.valid))
    score = Lighting().score(baselines["photo as albedo"], Sample("even/0", shown, even, scene.valid))
    assert score["albedo_psnr"].mean > 90
    assert score["shading_psnr"].mean == pytest.approx(100)


def test_light_is_shown_at_one_exposure_for_shading_and_residual():
    # Both together are 0, 0.01, ..., 1, so that the 90th percentile, 0.9, is shown as 0.8.
    light = np.linspace(0, 1, 101, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    pictures = Lighting().colorize(
        {"albedo": np.full_like(light, 0.5), "shading": 0.5 * light, "residual": 0.5 * light}
    )
    assert pictures["albedo"][0, 0].tolist() == [188] * 3  # linear 0.5 is sRGB 0.735357, which is 187.5 of 255
    for name in ("shading", "residual"):
        assert pictures[name][0, 0].tolist() == [0] * 3
        assert pictures[name][0, 90].tolist() == [170] * 3  # linear 0.4 is sRGB 0.665185


def test_light_beyond_white_is_white_and_no_light_is_black():
    bright = np.full((1, 100, 3), 2.0, np.float32)
    bright[0, 0] = 50
    shown = Lighting().colorize({"albedo": bright, "shading": bright, "residual": 0 * bright})
    assert shown["shading"][0, 0].tolist() == [255] * 3 and shown["shading"][0, 1].tolist() == [231] * 3  # 0.8
    assert not shown["residual"].any()
    assert not Lighting().colorize({"albedo": bright, "shading": 0 * bright, "residual": 0 * bright})["shading"].any()


def test_options_are_those_of_the_published_checkpoint():
    assert Lighting().options() == {
        "prediction_type": "intrinsics",
        "target_properties": {
            "target_names": ["albedo", "shading", "residual"],
            "albedo": {"prediction_space": "linear", "up_to_scale": False},
            "shading": {"prediction_space": "linear", "up_to_scale": True},
            "residual": {"prediction_space": "linear", "up_to_scale": True},
        },
    }


def test_the_stored_properties_of_a_checkpoint_are_honoured():
    srgb = {"prediction_space": "srgb", "up_to_scale": False}
    known = {"prediction_space": "linear", "up_to_scale": False}
    found = Lighting.stored({"target_properties": {"albedo": srgb, "shading": known, "residual": known}})
    assert found == Lighting(albedo_space="srgb", up_to_scale=False)
    assert Lighting.stored(Lighting().options()) == Lighting()


def test_light_of_known_scale_is_encoded_as_it_is():
    scene = sample()
    pixels, _ = Lighting(up_to_scale=False).encode(scene)
    torch.testing.assert_close(pixels[1], scene.maps["shading"].clamp(0, 1) * 2 - 1)


def test_members_of_known_scale_are_merged_as_they_are():
    members = torch.rand(3, 9, 4, 5, generator=torch.Generator().manual_seed(0))
    merged, _ = Lighting(up_to_scale=False).ensemble(members)
    np.testing.assert_allclose(merged.numpy(), np.median(members.numpy(), axis=0), atol=1e-6)


def test_albedo_encoded_in_srgb_is_read_as_linear():
    # An albedo of linear 0.5 is sRGB 0.735357.
    modality, scene = Lighting(albedo_space="srgb"), sample()
    scene.maps["albedo"].fill_(0.5)
    pixels, _ = modality.encode(scene)
    assert pixels[0].mean().item() == pytest.approx(2 * 0.735357 - 1, abs=1e-5)
    assert modality.decode(pixels[None])[0, :3].mean().item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_loss_does_not_see_the_scale_of_light_unless_it_is_known(factor):
    scene = stack([sample()])
    for modality, blind in ((Lighting(), True), (Lighting(up_to_scale=False), False)):
        pixels, valid = modality.encode(scene)
        values = modality.decode(pixels)
        values[:, 3:] *= factor
        loss = modality.loss(values, Batch(scene.image, pixels, valid, scene)).item()
        assert (loss < 1e-10) == blind


def test_an_unknown_space_is_refused():
    with pytest.raises(ConfigError, match="did you mean `linear`"):
        Lighting(albedo_space="liner")
