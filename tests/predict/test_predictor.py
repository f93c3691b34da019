"""Around an estimator whose answer is the photo: sizes, members, seeds, precision and what goes wrong."""

import numpy as np
import PIL.Image
import pytest
import torch
import torch.nn.functional as F

from marigold.accel.plan import Plan
from marigold.core import seeds
from marigold.core.errors import CheckpointError, ConfigError, ImageError
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from toys.identity import CARD, identity_estimator

RNG = np.random.default_rng(0)
PHOTO = RNG.random((37, 53, 3), dtype=np.float32)


def test_padding_is_undone_exactly():
    prediction = Predictor(identity_estimator(stride=8)).predict(PHOTO)
    depth = prediction.maps["depth"]
    assert depth.shape == (37, 53) and depth.dtype == np.float32
    np.testing.assert_allclose(depth, PHOTO.mean(axis=2), atol=1e-6)


def test_a_map_comes_back_at_the_photo_s_size():
    ramp = np.broadcast_to(np.linspace(0, 1, 120)[None, :, None], (90, 120, 3))
    prediction = Predictor(identity_estimator()).predict(ramp, resolution=60)
    assert prediction.report["working_size"] == {"height": 45, "width": 60}
    assert prediction.report["photo_size"] == {"height": 90, "width": 120}
    np.testing.assert_allclose(prediction.maps["depth"], ramp.mean(axis=2), atol=0.01)


def test_without_matching_the_map_and_the_photo_beside_it_are_at_the_working_size():
    prediction = Predictor(identity_estimator(leak=0.1)).predict(PHOTO, resolution=40, ensemble=3, match_input=False)
    assert prediction.maps["depth"].shape == prediction.uncertainty.shape == prediction.photo.shape[:2] == (27, 40)
    assert prediction.report["photo_size"] == {"height": 37, "width": 53}


def test_a_map_at_the_working_size_is_what_the_network_predicted():
    ramp = np.broadcast_to(np.linspace(0, 1, 24, dtype=np.float32)[None, :, None], (16, 24, 3))
    prediction = Predictor(identity_estimator()).predict(ramp, resolution=48, match_input=False)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(ramp[None, ..., 0].copy())[None], scale_factor=2, mode="bilinear"
    )
    np.testing.assert_allclose(prediction.maps["depth"], expected[0, 0], atol=1e-6)


def test_a_file_and_its_pixels_give_the_same_map(tmp_path):
    pixels = (PHOTO * 255).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "view.png")
    predictor = Predictor(identity_estimator())
    from_file = predictor.predict(str(tmp_path / "view.png"))
    np.testing.assert_array_equal(from_file.maps["depth"], predictor.predict(pixels).maps["depth"])
    assert from_file.name == "view"


def test_a_photo_is_encoded_once_whatever_the_ensemble():
    estimator = identity_estimator()
    Predictor(estimator).predict(PHOTO, ensemble=5)
    assert estimator.backbone.photos == 1


def test_the_same_seed_gives_the_same_map_and_another_seed_another():
    predictor = Predictor(identity_estimator(leak=0.1))
    first = predictor.predict(PHOTO, seed=3).maps["depth"]
    np.testing.assert_array_equal(first, predictor.predict(PHOTO, seed=3).maps["depth"])
    assert np.abs(first - predictor.predict(PHOTO, seed=4).maps["depth"]).max() > 0.01


def test_members_do_not_depend_on_their_batch():
    class Members(Depth):
        def ensemble(self, values):
            seen.append(values)
            return super().ensemble(values)

    seen = []
    for pixels_at_once in (0, 10**9):
        estimator = identity_estimator(modality=Members(), leak=0.1)
        Predictor(estimator, Plan(pixels_at_once=pixels_at_once)).predict(PHOTO, ensemble=5)
        Predictor(estimator, Plan(pixels_at_once=pixels_at_once)).predict(PHOTO, ensemble=2)
    alone, alone_of_two, together, _ = seen
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)
    torch.testing.assert_close(alone[:2], alone_of_two, atol=0, rtol=0)


def test_each_member_starts_from_its_own_stream_of_the_seed():
    predictor = Predictor(identity_estimator(stride=4, leak=0.1))
    shape = (48, 10, 14)
    noise = torch.stack([torch.randn(shape, generator=seeds.stream(7, "noise", member)) for member in range(3)])
    given = predictor.predict(PHOTO, noise=noise)
    drawn = predictor.predict(PHOTO, ensemble=3, seed=7)
    np.testing.assert_array_equal(given.maps["depth"], drawn.maps["depth"])
    assert given.report["settings"]["ensemble"] == 3


def test_noise_of_the_wrong_shape_is_refused_with_the_right_one():
    with pytest.raises(ConfigError, match=r"noise: \[1, 48, 9, 9\] does not fit .* give \[E, 48, 10, 14\]"):
        Predictor(identity_estimator(stride=4)).predict(PHOTO, noise=torch.zeros(1, 48, 9, 9))


def test_noise_may_be_a_numpy_array():
    noise = np.random.default_rng(1).standard_normal((2, 48, 10, 14), dtype=np.float32)
    predictor = Predictor(identity_estimator(stride=4, leak=0.1))
    given = predictor.predict(PHOTO, noise=noise)
    np.testing.assert_array_equal(
        given.maps["depth"], predictor.predict(PHOTO, noise=torch.from_numpy(noise)).maps["depth"]
    )
    assert given.report["settings"]["ensemble"] == 2


def test_noise_for_another_number_of_members_is_refused():
    with pytest.raises(ConfigError, match="noise: starts 2 members, not 3"):
        Predictor(identity_estimator(stride=4)).predict(PHOTO, ensemble=3, noise=torch.zeros(2, 48, 10, 14))


def test_noise_that_is_no_number_is_not_blamed_on_the_weights():
    noise = torch.zeros(1, 48, 10, 14)
    noise[0, 0, 0, 0] = torch.nan
    with pytest.raises(ConfigError, match="noise: holds NaN"):
        Predictor(identity_estimator(stride=4)).predict(PHOTO, noise=noise)


def test_uncertainty_needs_three_members():
    predictor = Predictor(identity_estimator(leak=0.1))
    assert predictor.predict(PHOTO, ensemble=1).uncertainty is None
    assert predictor.predict(PHOTO, ensemble=2).uncertainty is None
    uncertainty = predictor.predict(PHOTO, ensemble=3).uncertainty
    assert uncertainty.shape == (37, 53) and uncertainty.dtype == np.float32
    assert uncertainty.min() >= 0 and uncertainty.max() > 0


def test_members_that_agree_have_no_uncertainty():
    prediction = Predictor(identity_estimator()).predict(PHOTO, ensemble=4, resolution=40)
    np.testing.assert_allclose(prediction.uncertainty, 0, atol=1e-6)


def test_a_map_with_several_channels_has_them_last():
    prediction = Predictor(identity_estimator(modality=Normals())).predict(PHOTO, resolution=40)
    assert prediction.maps["normals"].shape == (37, 53, 3)


def test_what_is_not_asked_for_is_as_the_card_says():
    estimator = identity_estimator(card=CARD.__class__("c", "depth", defaults={"steps": 2, "resolution": 24}))
    report = Predictor(estimator).predict(PHOTO).report
    assert report["settings"] | {"device": "cpu"} == {
        "steps": 2, "ensemble": 1, "resolution": 24, "seed": 0, "match_input": True, "compat": "none",
        "spacing": "auto", "tta": "none", "sizing": "longest", "reduction": None, "resample_input": "bilinear",
        "resample_output": "bilinear", "precision": "fp32", "device": "cpu",
    }  # fmt: skip
    assert report["working_size"]["width"] == 24


def test_the_report_names_checkpoint_revision_and_stages():
    report = Predictor(identity_estimator()).predict(PHOTO, ensemble=3).report
    assert report["checkpoint"] == {"name": "identity", "revision": "r1", "licence": ""}
    assert set(report["seconds"]) == {"read", "encode", "sample", "decode", "ensemble", "resize"}
    assert report["modality"] == "depth"


@pytest.mark.parametrize("photo", [np.zeros((20, 30, 3), np.uint8), np.full((20, 30), 255, np.uint8)])
def test_a_photo_of_one_colour_has_a_map(photo):
    prediction = Predictor(identity_estimator()).predict(photo, ensemble=3)
    np.testing.assert_allclose(prediction.maps["depth"], photo.mean() / 255, atol=1e-6)
    assert np.isfinite(prediction.uncertainty).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_give_no_numbers_are_named(dtype):
    estimator = identity_estimator()
    estimator.backbone.scale.data.fill_(torch.nan)
    with pytest.raises(CheckpointError, match=r"identity: its weights give no numbers.*; fetch or train"):
        Predictor(estimator, Plan(dtype=dtype)).predict(PHOTO)


def test_infinite_latents_are_no_numbers_although_depth_has_a_range():
    estimator = identity_estimator()
    estimator.backbone.scale.data.fill_(torch.inf)
    with pytest.raises(CheckpointError):
        Predictor(estimator).predict(PHOTO / 2 + 0.5)


def test_an_overflow_in_low_precision_is_computed_again_in_full():
    estimator = identity_estimator()
    encode = estimator.backbone.encode

    def overflowing(image):
        latent = encode(image)
        return latent if latent.dtype == torch.float32 else latent * torch.inf

    estimator.backbone.encode = overflowing
    predictor = Predictor(estimator, Plan(dtype=torch.bfloat16))
    prediction = predictor.predict(PHOTO)
    assert prediction.report["notes"] == ["bf16 overflowed; computed in fp32"]
    assert prediction.report["settings"]["precision"] == "fp32"
    np.testing.assert_allclose(prediction.maps["depth"], PHOTO.mean(axis=2), atol=1e-6)


def test_a_full_device_takes_the_members_one_by_one():
    estimator = identity_estimator(leak=0.1)
    sample, batches = estimator.sample, []

    def cramped(condition, noise, sampling, **options):
        batches.append(len(noise))
        if len(noise) > 1:
            raise torch.OutOfMemoryError("no memory left")
        return sample(condition, noise, sampling, **options)

    estimator.sample = cramped
    prediction = Predictor(estimator, Plan(pixels_at_once=10**9)).predict(PHOTO, ensemble=3)
    assert batches == [3, 1, 1, 1]
    expected = Predictor(identity_estimator(leak=0.1)).predict(PHOTO, ensemble=3)
    np.testing.assert_array_equal(prediction.maps["depth"], expected.maps["depth"])


def test_a_photo_too_large_for_the_device_is_a_setting_to_change():
    def full(image):
        raise torch.OutOfMemoryError("no memory left")

    estimator = identity_estimator()
    estimator.encode_image = full
    with pytest.raises(ConfigError, match="resolution: 53 x 37 pixels do not fit into cpu; choose less"):
        Predictor(estimator, Plan(pixels_at_once=10**9)).predict(PHOTO)


def test_a_generator_that_sees_no_photo_is_refused():
    with pytest.raises(ConfigError, match="`identity` sees no photo"):
        Predictor(identity_estimator(conditions=0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: 0"),
        ({"ensemble": 0}, "ensemble: 0"),
        ({"resolution": -1}, "resolution: -1"),
        ({"steps": 1.5}, "steps: 1.5 is not a whole number"),
        ({"seed": None}, "seed: None is not a whole number"),
        ({"resolution": True}, "resolution: True is not a whole number"),
        ({"resolution": 10**6}, "resolution: .* pixels, more than the limit"),
        ({"match_input": "no"}, "match_input: 'no' is neither true nor false"),
        ({"compat": "difusers"}, "compat: .* did you mean `diffusers`"),
        ({"spacing": "leading"}, "spacing: no choice named `leading`"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Predictor(identity_estimator()).predict(PHOTO, **settings)


def test_a_bad_file_is_an_image_error():
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        Predictor(identity_estimator()).predict("none.jpg")


def test_the_final_latents_of_all_members_are_given_out_when_asked_for():
    predictor = Predictor(identity_estimator(leak=0.1))
    prediction = predictor.predict(PHOTO, ensemble=3, output_latent=True)
    backbone, modality = predictor.estimator.backbone, predictor.estimator.modality
    assert prediction.latent.shape[:2] == (3, backbone.latent_channels)
    values = modality.decode(backbone.decode(torch.from_numpy(prediction.latent))[:, None])
    merged = modality.ensemble(values[..., : PHOTO.shape[0], : PHOTO.shape[1]])[0][0]
    np.testing.assert_allclose(prediction.maps["depth"], merged, atol=1e-6)
    assert predictor.predict(PHOTO).latent is None
    with pytest.raises(ConfigError, match=r"output_latent: .* use tta: none"):
        predictor.predict(PHOTO, ensemble=2, tta="flip-scale", output_latent=True)


@pytest.mark.parametrize("how", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_resampling_in_and_out_is_as_asked_for(how):
    photo = np.random.default_rng(0).random((24, 36, 3)).astype(np.float32)
    predictor = Predictor(identity_estimator())
    found = predictor.predict(photo, resolution=12, resample_input=how, resample_output=how).maps["depth"]
    image = torch.from_numpy(photo).permute(2, 0, 1)[None]
    antialias = how in ("bilinear", "bicubic")
    small = F.interpolate(image, (8, 12), mode=how, antialias=antialias).clamp(0, 1).mean(dim=1, keepdim=True)
    expected = F.interpolate(small, (24, 36), mode=how, antialias=antialias).clamp(0, 1)
    np.testing.assert_allclose(found, expected[0, 0], atol=1e-5)


def test_a_sliver_has_a_note_unless_it_is_worked_by_area():
    photo = np.random.default_rng(0).random((16, 512, 3)).astype(np.float32)
    predictor = Predictor(identity_estimator())  # cells of 4 x 4 pixels
    report = predictor.predict(photo, resolution=256).report
    assert report["working_size"] == {"height": 8, "width": 256}
    assert "256 x 8 pixels, whose short side has too few latent cells (2)" in report["notes"][0]
    assert predictor.predict(photo, resolution=256, sizing="area").report["notes"] == []
    assert predictor.predict(photo[:, :16], resolution=256).report["notes"] == []


def test_the_mean_of_members_is_asked_for_by_name():
    predictor = Predictor(identity_estimator(leak=0.05))
    mean, median = (predictor.predict(PHOTO, ensemble=4, reduction=how) for how in ("mean", "median"))
    assert np.abs(mean.maps["depth"] - median.maps["depth"]).max() > 1e-4
    assert mean.report["settings"]["reduction"] == "mean"
    with pytest.raises(ConfigError, match="reduction: members of depth are not merged by their closest; use median"):
        predictor.predict(PHOTO, ensemble=2, reduction="closest")


def test_a_modality_that_decodes_another_shape_is_named_and_not_stretched():
    class Half(Depth):
        def decode(self, pixels):
            return super().decode(pixels)[:, :, ::2]

    with pytest.raises(CheckpointError, match=r"modality .*: decode gives \[1, 1, \d+, \d+\], not \[1, 1, "):
        Predictor(identity_estimator(modality=Half())).predict(PHOTO)
