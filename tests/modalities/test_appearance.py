"""Albedo and material as two pictures: colour spaces, masks, members and errors."""

import math

import numpy as np
import pytest
import torch

from marigold.core.errors import CheckpointError, ConfigError, DataError
from marigold.core.sample import Batch, Sample, stack
from marigold.modalities.appearance import Appearance


def sample(height: int = 6, width: int = 8, seed: int = 0, batch: tuple[int, ...] = ()) -> Sample:
    """Random materials, valid everywhere."""
    generator = torch.Generator().manual_seed(seed)
    maps = {
        name: torch.rand(*batch, channels, height, width, generator=generator)
        for name, channels in (("albedo", 3), ("roughness", 1), ("metallicity", 1))
    }
    valid = {name: torch.ones_like(x[..., :1, :, :], dtype=torch.bool) for name, x in maps.items()}
    return Sample("scene/0", torch.rand(*batch, 3, height, width, generator=generator), maps, valid)


def flat(albedo: float, roughness: float, metallicity: float, image: float = 0.5) -> Sample:
    """One material everywhere under one grey."""
    maps = {"albedo": torch.full((3, 5, 5), albedo), "roughness": torch.full((1, 5, 5), roughness)}
    maps["metallicity"] = torch.full((1, 5, 5), metallicity)
    valid = {name: torch.ones(1, 5, 5, dtype=torch.bool) for name in maps}
    return Sample("flat/0", torch.full((3, 5, 5), image), maps, valid)


def test_albedo_is_encoded_in_srgb():
    # Linear 0.5 is sRGB 0.735357 (IEC 61966-2-1), which is encoded 2 * 0.735357 - 1.
    pixels, _ = Appearance().encode(flat(0.5, 0, 0))
    assert pixels.shape == (2, 3, 5, 5)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([0.470714] * 3, abs=1e-5)


def test_material_is_encoded_as_roughness_metallicity_and_nothing():
    pixels, _ = Appearance().encode(flat(0, 0.25, 1))
    assert pixels[1, :, 0, 0].tolist() == pytest.approx([-0.5, 1, -1])


def test_decoding_gives_back_srgb_albedo_and_the_material():
    scene = sample(batch=(2,))
    pixels, _ = Appearance().encode(scene)
    values = Appearance().split(Appearance().decode(pixels))
    linear = scene.maps["albedo"].numpy()
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(values["albedo"].numpy(), expected, atol=1e-6)
    torch.testing.assert_close(values["roughness"], scene.maps["roughness"])
    torch.testing.assert_close(values["metallicity"], scene.maps["metallicity"])


def test_pixels_without_truth_are_black_and_may_not_be_used():
    scene = sample()
    scene.valid["albedo"][0, 0, 0] = False
    scene.maps["albedo"][1, 0, 1] = torch.nan
    scene.valid["roughness"][0, 0, 2] = False
    scene.maps["metallicity"][0, 0, 3] = torch.inf
    pixels, valid = Appearance().encode(scene)
    assert valid[0, 0, 0].tolist() == [False, False, *[True] * 6]
    assert valid[1, 0, 0].tolist() == [True, True, False, False, *[True] * 4]
    assert (pixels[0, :, 0, :2] == -1).all()
    assert (pixels[1, :, 0, 2:4] == -1).all()
    assert pixels.isfinite().all()


def test_decoding_clips_and_ignores_the_blue_of_the_material():
    pixels = torch.zeros(1, 2, 3, 1, 1, dtype=torch.bfloat16)
    pixels[0, 0, :, 0, 0] = torch.tensor([-2.0, 0.0, 2.0])
    pixels[0, 1, 2] = 1
    values = Appearance().decode(pixels)
    assert values.dtype == torch.float32
    assert values.flatten().tolist() == [0, 0.5, 1, 0.5, 0.5]


def test_members_merge_by_their_median():
    members = torch.tensor([0.1, 0.2, 0.9, 0.4]).view(4, 1, 1, 1).expand(4, 5, 2, 2)
    merged, uncertainty = Appearance().ensemble(members)
    # The median of four is 0.3; the distances 0.2, 0.1, 0.6, 0.1 have the median 0.15.
    torch.testing.assert_close(merged, torch.full((5, 2, 2), 0.3))
    torch.testing.assert_close(uncertainty, torch.full((1, 2, 2), 0.15))


def test_errors_are_those_worked_out_by_hand():
    truth = flat(0.5, 0.25, 1)
    values = Appearance().decode(Appearance().encode(truth)[0][None])[0]
    score = Appearance().score(values + torch.tensor([0.1, 0.1, 0.1, 0.2, -0.3]).view(5, 1, 1), truth)
    # An error of 0.1 everywhere is 20 decibel below the peak 1.
    assert score["albedo_psnr"].mean == pytest.approx(20, abs=1e-3)
    assert score["roughness_error"].mean == pytest.approx(0.2, abs=1e-6)
    assert score["metallicity_error"].mean == pytest.approx(0.3, abs=1e-6)


def test_each_field_is_scored_over_its_own_mask():
    truth = flat(0.5, 0.25, 1)
    values = Appearance().decode(Appearance().encode(truth)[0][None])[0]
    values[:, 0, 0] = 0
    truth.valid["albedo"][0, 0, 0] = False
    score = Appearance().score(values, truth)
    assert score["albedo_psnr"].mean == pytest.approx(100)
    assert score["roughness_error"].mean == pytest.approx(0.25 / 25)


def test_a_missing_roughness_is_an_error_that_names_the_sample():
    truth = flat(0.5, 0.25, 1)
    truth.valid["roughness"].zero_()
    with pytest.raises(DataError, match="flat/0: appearance"):
        Appearance().score(torch.zeros(5, 5, 5), truth)


def test_the_photo_is_the_answer_where_light_is_white_and_even():
    scene = flat(0.5, 0.25, 1, image=0.735357)
    for values in Appearance().baselines(scene).values():
        score = Appearance().score(values, scene)
        assert score["albedo_psnr"].mean > 90
        assert score["roughness_error"].mean == 0


def test_dividing_by_the_blur_takes_out_a_slow_change_of_light():
    generator = torch.Generator().manual_seed(0)
    albedo = (0.3 + 0.2 * torch.rand(1, 64, 64, generator=generator)).expand(3, -1, -1)
    light = torch.linspace(0.2, 1, 64).expand(3, 64, 64)
    scene = sample(64, 64)
    scene.maps["albedo"] = albedo
    lit = Sample("lit/0", (albedo * light) ** (1 / 2.2), scene.maps, scene.valid)
    scores = {name: Appearance().score(x, lit)["albedo_psnr"].mean for name, x in Appearance().baselines(lit).items()}
    assert scores["photo over blurred luminance"] > scores["photo"] + 6


def test_constants_are_medians():
    scene = sample()
    for name, values in Appearance().baselines(scene).items():
        found = Appearance().split(values)
        assert found["roughness"].unique().item() == pytest.approx(np.median(scene.maps["roughness"].numpy())), name
        assert found["metallicity"].unique().item() == pytest.approx(np.median(scene.maps["metallicity"].numpy()))


def test_pictures_show_albedo_as_it_is_and_materials_grey():
    maps = {"albedo": np.full((2, 2, 3), 0.5), "roughness": np.full((2, 2), 0.2), "metallicity": np.ones((2, 2))}
    pictures = Appearance().colorize(maps)
    assert {name: picture[0, 0].tolist() for name, picture in pictures.items()} == {
        "albedo": [128] * 3,
        "roughness": [51] * 3,
        "metallicity": [255] * 3,
    }


def test_options_are_those_of_the_published_checkpoint():
    properties = Appearance().options()["target_properties"]
    assert properties["target_names"] == ["albedo", "material"]
    assert properties["albedo"] == {"prediction_space": "srgb", "up_to_scale": False}
    assert properties["material"]["prediction_space"] == "stack"
    assert properties["material"]["sub_target_names"] == ["roughness", "metallicity", None]
    assert properties["roughness"] == properties["metallicity"] == {"prediction_space": "linear", "up_to_scale": False}


def test_the_stored_properties_of_a_checkpoint_are_honoured():
    linear = {"target_properties": {"albedo": {"prediction_space": "linear"}}}
    assert Appearance.stored(linear) == Appearance(albedo_space="linear")
    assert Appearance.stored(Appearance().options()) == Appearance()


def test_a_material_picture_with_other_channels_is_refused():
    swapped = {"material": {"prediction_space": "stack", "sub_target_names": ["metallicity", "roughness", None]}}
    with pytest.raises(CheckpointError, match="roughness in red"):
        Appearance.stored({"target_properties": swapped})


def test_albedo_encoded_in_linear_light_is_read_as_srgb():
    # Linear 0.5 is sRGB 0.735357.
    values = Appearance(albedo_space="linear").decode(torch.zeros(1, 2, 3, 2, 2))
    assert values[0, 0, 0, 0].item() == pytest.approx(0.735357, abs=1e-5)
    assert values[0, 3:].unique().tolist() == [0.5]


PUBLISHED = Appearance(albedo_space="gamma", material_space="gamma")


def test_gamma_is_the_power_of_1_over_2_2_and_values_are_the_same():
    scene = sample(batch=(2,))
    pixels, _ = PUBLISHED.encode(scene)
    shown = (pixels.numpy() + 1) / 2
    np.testing.assert_allclose(shown[:, 0], scene.maps["albedo"].numpy() ** (1 / 2.2), atol=1e-6)
    for place, name in enumerate(("roughness", "metallicity")):
        np.testing.assert_allclose(shown[:, 1, place], scene.maps[name].numpy()[:, 0] ** (1 / 2.2), atol=1e-6)
    assert (shown[:, 1, 2] == 0).all()
    usual = Appearance().decode(Appearance().encode(scene)[0])
    torch.testing.assert_close(PUBLISHED.decode(pixels), usual, atol=2e-6, rtol=0)


def test_gamma_decodes_to_what_a_hand_computes():
    # Half of the range is 0.5 ^ 2.2 = 0.217638 in linear light, which is 0.503867 in sRGB.
    values = PUBLISHED.decode(torch.zeros(1, 2, 3, 1, 1)).flatten().tolist()
    assert values == pytest.approx([0.503867] * 3 + [0.217638] * 2, abs=1e-6)


def test_what_is_stored_of_gamma_is_read_with_a_card_and_without():
    properties = PUBLISHED.options()["target_properties"]
    # As a screen shows them, so that diffusers applies no second display curve.
    assert {name: properties[name]["prediction_space"] for name in ("albedo", "roughness", "metallicity")} == {
        "albedo": "srgb",
        "roughness": "srgb",
        "metallicity": "srgb",
    }
    assert Appearance.stored(PUBLISHED.options()) == Appearance(material_space="gamma")
    assert Appearance.stored({**PUBLISHED.options(), "albedo_space": "gamma", "material_space": "gamma"}) == PUBLISHED


def test_an_unknown_space_of_materials_is_an_error():
    with pytest.raises(ConfigError, match="material_space"):
        Appearance(material_space="srgb")  # pyright: ignore[reportArgumentType]


def test_the_loss_weighs_each_map_over_its_own_valid_pixels():
    scene = stack([sample()])
    scene.valid["albedo"][:] = False
    pixels, valid = Appearance().encode(scene)
    shown = Batch(scene.image, pixels, valid, scene)
    values = Appearance().decode(pixels)
    values[:, :3] += 0.5
    assert Appearance().loss(values, shown) == 0
    values[:, 3] += 0.2
    # Roughness is half of the material.
    assert Appearance().loss(values, shown).item() == pytest.approx(0.2 / 2, rel=1e-4)


def test_roughness_and_metallicity_have_a_ratio_of_their_own_channels():
    truth = flat(0.5, 0.4, 0.2)
    values = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.2]).view(5, 1, 1).expand(5, *truth.image.shape[-2:])
    score = Appearance().score(values, truth)
    assert score["material_psnr"].mean == pytest.approx(-10 * math.log10(0.1**2 / 2), abs=1e-4)
    assert list(score) == [metric.name for metric in Appearance().metrics]


def test_pictures_that_are_compared_are_named():
    truth = flat(0.5, 0.4, 0.2)
    values = torch.full((5, *truth.image.shape[-2:]), 0.3)
    pairs = Appearance().compared(values, truth)
    assert tuple(pairs) == Appearance().pictures
    material, wanted, _ = pairs["material"]
    assert material[:, 0, 0].tolist() == pytest.approx([0.3, 0.3, 0])
    assert wanted[:, 0, 0].tolist() == pytest.approx([0.4, 0.2, 0])
