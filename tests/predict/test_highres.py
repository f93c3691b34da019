"""Maps at high resolution: what a refiner is shown, how its tiles become one map, and what is said of it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from marigold.accel import runtime
from marigold.accel.plan import Plan
from marigold.core import seeds
from marigold.core.errors import CheckpointError, ConfigError, DeviceMemoryError
from marigold.core.images import to_photo
from marigold.diffusion.tiles import Tiling
from marigold.predict.predictor import Predictor
from marigold.predict.refiner import RefinerSource
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.apple import MPS, apple_gpu
from toys.identity import identity_estimator
from toys.peers import photo as smooth
from toys.refining import REFINER_CARD, networks, refined_by

PHOTO = np.random.default_rng(0).random((80, 120, 3), dtype=np.float32)
ASKED = {"hr": True, "resolution": 60, "tile": 32}


def the_coarse_map(photo, coarse, x):
    return coarse


def the_photo(photo, coarse, x):
    return photo


def noisy(photo, coarse, x):
    return photo + 0.1 * x


def upsampled(array, height, width):
    return F.interpolate(torch.from_numpy(array)[None, None], (height, width), mode="bilinear")[0, 0].numpy()


def test_a_refiner_that_says_what_it_is_given_gives_the_global_map_at_twice_its_size():
    coarse = Predictor(identity_estimator()).predict(PHOTO, resolution=60, match_input=False).maps["depth"]
    found = refined_by(the_coarse_map).predict(PHOTO, **ASKED, match_input=False)
    assert found.maps["depth"].shape == (80, 120)
    np.testing.assert_allclose(found.maps["depth"], upsampled(coarse, 80, 120), atol=1e-5)
    assert found.report["refinement"]["global_size"] == {"height": 40, "width": 60}
    assert found.report["working_size"] == {"height": 80, "width": 120}
    down = F.interpolate(torch.from_numpy(found.maps["depth"])[None, None], (40, 60), mode="bilinear", antialias=True)
    scale, shift = np.polyfit(down.numpy().ravel(), coarse.ravel(), 1)
    change = np.sqrt(np.mean((scale * down[0, 0].numpy() + shift - coarse) ** 2))
    np.testing.assert_allclose(found.report["refinement"]["change"], change, atol=2e-6)


def test_a_refiner_that_sees_the_photo_s_detail_brings_it_back_without_seams():
    predictor = refined_by(the_photo)
    found = predictor.predict(PHOTO, **ASKED)
    assert found.report["refinement"]["tiles"] == 4 * 7  # of 8 cells, on 20 x 30
    np.testing.assert_allclose(found.maps["depth"], PHOTO.mean(axis=2), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (300, 9), (33, 47), (64, 64), (61, 127)])
def test_photos_of_every_size_are_refined_to_their_last_pixel(size):
    photo = np.random.default_rng(1).random((*size, 3), dtype=np.float32)
    found = refined_by(the_photo).predict(photo, hr=True, resolution=max(size) // 2, tile=32)
    assert found.maps["depth"].shape == size
    if found.report["working_size"] == dict(zip(("height", "width"), size, strict=True)):
        np.testing.assert_allclose(found.maps["depth"], photo.mean(axis=2), atol=1e-5)


def test_a_photo_of_a_single_row_at_the_working_size_is_refined():
    photo = np.random.default_rng(1).random((20, 3000, 3), dtype=np.float32)
    found = refined_by(the_photo).predict(photo, hr=True, resolution=300, tile=64)
    assert found.report["refinement"]["global_size"] == {"height": 2, "width": 300}
    assert found.maps["depth"].shape == (20, 3000)


def test_what_differs_from_tile_to_tile_leaves_no_seam():
    photo = np.random.default_rng(2).random((24, 32, 1), dtype=np.float32).repeat(4, 0).repeat(4, 1).repeat(3, 2)

    def own_brightness(photo, coarse, x):
        return photo.mean(dim=(1, 2, 3), keepdim=True).expand_as(photo)

    found = refined_by(own_brightness).predict(photo, hr=True, resolution=64, tile=32)
    cells, borders = torch.from_numpy(found.maps["depth"][::4, ::4]), Tiling(24, 32, 8).borders()
    assert cells.shape == borders.shape
    steps, beside = cells.diff(dim=1).square(), borders[:, 1:] & borders[:, :-1]
    assert steps[~beside].mean() > 0
    assert steps[beside].mean() <= steps[~beside].mean()


@torch.no_grad()
@pytest.mark.parametrize("modality", ["depth", "normals", "appearance", "lighting"])
def test_one_tile_that_covers_everything_is_a_plain_pass_of_the_refiner(modality):
    photo = smooth(36, 44)[0]
    predictor, refiner = Predictor(networks(modality)), networks(modality, refines=True)
    predictor.refine_by(RefinerSource.given(networks(modality, refines=True)))
    found = predictor.predict(photo, hr=True, resolution=22, tile=64, seed=5, steps=1, match_input=False)

    base = networks(modality)
    coarse = Predictor(networks(modality)).predict(photo, resolution=22, steps=1, seed=5, match_input=False)
    values = np.concatenate([map_.reshape(*map_.shape[:2], -1) for map_ in coarse.maps.values()], axis=2)
    values = torch.from_numpy(values).permute(2, 0, 1)[None]
    sized = F.interpolate(photo[None], (18, 22), mode="bilinear", antialias=True) * 2 - 1
    noise = torch.randn(1, 4 * base.backbone.targets, 5, 6, generator=seeds.stream(5, "noise", 0))
    latent = base.sample(base.encode_image(F.pad(sized, (0, 2, 0, 2), mode="replicate")), noise, 1)
    like = base.decode_pixels(latent)[..., :18, :22]
    pixels = base.modality.target_images(values, like)[0]
    up = F.interpolate(pixels, (36, 44), mode="bilinear").clamp(-1, 1)
    condition = torch.cat([refiner.encode_image(photo[None] * 2 - 1), refiner.encode_target(up[None])], dim=1)
    noise = torch.randn(1, 4 * base.backbone.targets, 9, 11, generator=seeds.stream(5, "refine", 0))
    refined = refiner.decode(refiner.sample(condition, noise, 2))
    expected, _ = refiner.modality.ensemble(refined)
    for name, map_ in refiner.modality.split(expected).items():
        ours = found.maps[name]
        torch.testing.assert_close(
            torch.from_numpy(ours.reshape(*ours.shape[:2], -1)).permute(2, 0, 1), map_, atol=2e-4, rtol=0
        )


def test_the_number_of_tiles_that_run_at_once_changes_nothing_but_rounding():
    photo = smooth(48, 64)[0]
    predictor = Predictor(networks())
    predictor.refine_by(RefinerSource.given(networks(refines=True)))
    request = Request(hr=True, resolution=32, tile=32, refiner_ensemble=2)
    alone, *others = (predictor.predict_request(photo, request, batch=batch) for batch in (1, 3, 100))
    assert alone.report["plan"]["batch"] == 1
    assert [one.report["plan"]["batch"] for one in others] == [3, 12]
    for one in others:
        np.testing.assert_allclose(one.maps["depth"], alone.maps["depth"], atol=3e-5)


def test_a_plan_fills_batches_of_tiles_by_pixels():
    predictor = Predictor(identity_estimator(), Plan(pixels_at_once=3 * 32 * 32))
    predictor.refine_by(refined_by(the_photo)._source)
    predictor.predict(PHOTO, **ASKED)
    assert {shape[0] for shape in predictor.refiner.runtime.estimator.backbone.seen} == {3, 1}
    assert {shape[2:] for shape in predictor.refiner.runtime.estimator.backbone.seen} == {(8, 8)}


def test_noise_comes_from_the_seed_and_each_member_has_its_own():
    predictor = refined_by(noisy)
    first = predictor.predict(PHOTO, **ASKED, seed=3).maps["depth"]
    np.testing.assert_array_equal(first, predictor.predict(PHOTO, **ASKED, seed=3).maps["depth"])
    assert np.abs(first - predictor.predict(PHOTO, **ASKED, seed=4).maps["depth"]).max() > 0.01
    three = predictor.predict(PHOTO, **ASKED, seed=3, refiner_ensemble=3, output_latent=True)
    assert three.latent.shape == (3, 48, 20, 30)
    assert three.uncertainty.shape == (80, 120)
    assert predictor.predict(PHOTO, **ASKED, refiner_ensemble=2).uncertainty is None
    expected = torch.randn(48, 20, 30, generator=seeds.stream(3, "refine", 1))
    photo = F.pixel_unshuffle(torch.from_numpy(PHOTO).permute(2, 0, 1) * 2 - 1, 4)
    np.testing.assert_allclose(three.latent[1], (photo + 0.1 * expected).numpy(), atol=1e-5)


def test_the_uncertainties_of_both_passes_add_up_as_variances():
    def predictor():
        return refined_by(noisy, base=identity_estimator(leak=0.1))

    both = predictor().predict(PHOTO, **ASKED, ensemble=3, refiner_ensemble=3)
    refined = refined_by(noisy).predict(PHOTO, **ASKED, refiner_ensemble=3)
    coarse = predictor().predict(PHOTO, **ASKED, ensemble=3)
    # The toy's refined map does not depend on the coarse one.
    expected = np.sqrt(refined.uncertainty**2 + coarse.uncertainty**2)
    np.testing.assert_allclose(both.uncertainty, expected, atol=1e-6)


def test_a_refined_map_is_no_larger_than_the_photo_unless_that_is_asked_for():
    predictor = refined_by(the_coarse_map)
    for asked, size, words in (
        ({}, (40, 60), []),
        ({"upscale": 1.5}, (45, 68), ["beyond the photo's own 60 x 40"]),
        ({"upscale": 4}, (120, 180), ["beyond the photo's own 60 x 40", "4 times the global pass"]),
    ):
        found = predictor.predict(PHOTO[:40, :60], hr=True, resolution=45, tile=32, match_input=False, **asked)
        assert found.maps["depth"].shape == size
        assert [word in note for word, note in zip(words, found.report["notes"], strict=True)] == [True] * len(words)


def test_a_small_photo_is_refined_at_the_working_size():
    found = refined_by(the_coarse_map).predict(PHOTO[:20, :30], hr=True, resolution=60, tile=32, match_input=False)
    assert found.maps["depth"].shape == (40, 60)
    assert found.report["notes"] == []


def test_what_is_to_be_said_of_the_size_is_known_beforehand():
    predictor = refined_by(the_coarse_map)
    large = to_photo(np.zeros((2100, 2100, 3), np.uint8))
    request = Request(hr=True, resolution=1050)
    (note,) = predictor.foreseen(large, request)
    assert note == "refined at 2100 x 2100 pixels (4.4 megapixels): beyond 4 the global shape may get lost"
    assert predictor.foreseen(large, Request(resolution=1050)) == ()
    assert MultiPredictor([predictor]).foreseen(large, request) == (note,)


def test_the_report_states_how_a_map_was_refined():
    settings = refined_by(the_photo).predict(PHOTO, **ASKED).report["settings"]
    assert settings["refinement"] == {
        "upscale": None,
        "tile": 32,
        "steps": 1,
        "ensemble": 1,
        "refiner": "sharper@r2",
    }
    assert "refinement" not in refined_by(the_photo).predict(PHOTO).report["settings"]


def test_without_an_own_autoencoder_that_of_the_global_pass_encodes_and_decodes():
    photo, request = smooth(48, 64)[0], Request(hr=True, resolution=32, tile=32)
    shared = Predictor(networks())
    shared.refine_by(RefinerSource.given(networks(refines=True)))
    assert shared.refiner.autoencoder is shared.runtime
    assert sum(weights.numel() for weights in shared.refiner.runtime.estimator.backbone.vae.parameters()) == 0
    own = Predictor(networks())
    own.refine_by(RefinerSource.given(networks(refines=True)))
    other = networks(refines=True)
    other.backbone.take_autoencoder = lambda _: False
    own.refine_by(RefinerSource.given(other))
    assert own.refiner.autoencoder is own.refiner.runtime
    np.testing.assert_allclose(
        shared.predict_request(photo, request).maps["depth"],
        own.predict_request(photo, request).maps["depth"],
        atol=1e-5,
    )


def test_a_refiner_with_another_autoencoder_keeps_it():
    predictor = Predictor(networks())
    predictor.refine_by(RefinerSource.given(networks(refines=True, autoencoder=8)))
    assert predictor.refiner.autoencoder is predictor.refiner.runtime
    assert predictor.predict(smooth(48, 64)[0], hr=True, resolution=32, tile=32).maps["depth"].shape == (48, 64)


def test_a_photo_is_encoded_once_at_the_size_of_the_canvas_by_all_that_share_the_autoencoder():
    predictors = [Predictor(networks(modality, defaults={"steps": 1})) for modality in ("depth", "normals")]
    assert MultiPredictor(predictors)._autoencoders != {}
    for predictor, modality in zip(predictors, ("depth", "normals"), strict=True):
        predictor.refine_by(RefinerSource.given(networks(modality, refines=True)))
    photo = smooth(48, 64)[0]
    together = MultiPredictor(predictors).predict(photo, Request(hr=True, resolution=32, tile=32))
    for predictor, (modality, found) in zip(predictors, together.items(), strict=True):
        alone = predictor.predict(photo, hr=True, resolution=32, tile=32)
        np.testing.assert_array_equal(found.maps[modality], alone.maps[modality])


def full(predictor, most):
    """Memory holds no more tiles than these at once."""
    backbone, batches = predictor.refiner.runtime.estimator.backbone, []
    denoise = backbone.denoise

    def bounded(x, t, condition):
        batches.append(len(x))
        if len(x) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return denoise(x, t, condition)

    backbone.denoise = bounded
    return batches


def test_a_batch_of_tiles_that_memory_does_not_hold_is_halved():
    predictor = refined_by(the_photo)
    batches = full(predictor, 3)
    found = predictor.predict_request(PHOTO, Request(**ASKED), batch=8)
    assert batches[:4] == [8, 4, 2, 2]
    assert max(batches[2:]) == 2
    assert found.report["notes"] == [
        "cpu had no memory for a batch of 8; took 4",
        "cpu had no memory for a batch of 4; took 2",
    ]
    np.testing.assert_allclose(found.maps["depth"], PHOTO.mean(axis=2), atol=1e-5)


def test_a_single_tile_that_memory_does_not_hold_is_an_error():
    predictor = refined_by(the_photo)
    full(predictor, 0)
    with pytest.raises(DeviceMemoryError, match="tile: 32 x 32 pixels do not fit into cpu; choose less"):
        predictor.predict(PHOTO, **ASKED)


def test_a_canvas_that_memory_cannot_hold_is_refused_before_the_global_pass():
    predictor = refined_by(the_photo)
    with pytest.raises(DeviceMemoryError, match=r"upscale: refining at .* needs about .* choose a smaller upscale"):
        predictor.predict(PHOTO, hr=True, resolution=200, upscale=50, tile=32, refiner_ensemble=10_000)
    assert predictor.estimator.backbone.photos == 0


def test_what_half_precision_makes_no_number_of_is_computed_again_in_float32():
    def overflowing(photo, coarse, x):
        return photo if backbone.scale.dtype == torch.float32 else torch.full_like(photo, torch.inf)

    predictor = Predictor(identity_estimator(), Plan(dtype=torch.bfloat16))
    predictor.refine_by(refined_by(overflowing)._source)
    backbone = predictor.refiner.runtime.estimator.backbone
    found = predictor.predict(PHOTO, **ASKED)
    assert "bf16 overflowed; computed in fp32" in found.report["notes"]
    np.testing.assert_allclose(found.maps["depth"], PHOTO.mean(axis=2), atol=1e-5)


def test_weights_that_give_no_numbers_are_the_refiner_s():
    with pytest.raises(CheckpointError, match="sharper: its weights give no numbers"):
        refined_by(lambda photo, coarse, x: x * torch.nan).predict(PHOTO, **ASKED)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tile": 30}, "tile: 30 pixels are not a multiple of a latent cell's 4, at least 32; use 32"),
        ({"tile": 16}, "tile: 16 pixels are not .* use 32"),
        ({"tile": 0}, "tile: 0 is too small; use 8 or more"),
        ({"upscale": 0.5}, "upscale: 0.5 is no factor; use a number from 1 to 64, as 2"),
        ({"upscale": True}, "upscale: True is no factor"),
        ({"refiner_steps": 0}, "refiner_steps: 0 is too small"),
        ({"hr": False}, "tile: counts at high resolution alone; add --hr, or leave it out"),
        ({"hr": "yes"}, "hr: 'yes' is neither true nor false"),
        ({"compat": "diffusers"}, "hr: a refined map is not what compat: diffusers does"),
        ({"interval": 0.9, "ensemble": 3}, "interval: no checkpoint is calibrated for refined maps"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(asked, words):
    with pytest.raises(ConfigError, match=words):
        refined_by(the_photo).predict(PHOTO, **{**ASKED, **asked})


def test_high_resolution_without_a_refiner_is_an_error():
    with pytest.raises(CheckpointError, match="checkpoint `identity`: has no refiner here; leave hr out"):
        Predictor(identity_estimator()).predict(PHOTO, hr=True)


def test_a_refiner_does_not_predict_alone():
    with pytest.raises(CheckpointError, match=r"`refiner`: is a refiner, which sees a coarse map .* --hr --refiner"):
        Predictor(networks(refines=True))


def test_what_is_no_refiner_does_not_refine():
    predictor = Predictor(networks())
    predictor.refine_by(RefinerSource.given(networks(name="plain")))
    with pytest.raises(CheckpointError, match=r"plain: is no refiner: its network takes 1 latents .* depth takes 2"):
        predictor.predict(smooth(32, 32)[0], hr=True)


def test_the_card_of_a_refiner_recommends_tile_steps_and_members():
    card = REFINER_CARD
    settings = Request(hr=True).settings({}, card).refinement
    assert (settings.tile, settings.steps, settings.ensemble) == (64, 1, 1)
    asked = Request(hr=True, tile=32, refiner_steps=3, refiner_ensemble=4).settings({}, card).refinement
    assert (asked.tile, asked.steps, asked.ensemble) == (32, 3, 4)
    assert Request().settings({}, card).refinement is None


def on(plan, modality, **asked):
    predictor = Predictor(networks(modality), plan)
    predictor.refine_by(RefinerSource.given(networks(modality, refines=True)))
    settings = {"hr": True, "resolution": 32, "tile": 32, "steps": 1, "ensemble": 2, **asked}
    return predictor, predictor.predict(smooth(48, 64)[0].numpy().transpose(1, 2, 0), **settings)


@pytest.mark.parametrize(("modality", "offload"), [("depth", True), ("normals", False)])
def test_maps_on_a_gpu_are_those_of_the_processor(monkeypatch, modality, offload):
    _, expected = on(Plan(), modality, refiner_ensemble=3, refiner_steps=1)
    with apple_gpu(monkeypatch):
        predictor, found = on(Plan(MPS, offload=offload), modality, refiner_ensemble=3, refiner_steps=1)
    assert predictor.refiner.runtime.plan.offload is offload
    for name, map_ in expected.maps.items():
        np.testing.assert_allclose(found.maps[name], map_, atol=1e-3)
    np.testing.assert_allclose(found.uncertainty, expected.uncertainty, atol=1e-3)


def test_a_canvas_is_encoded_and_decoded_in_stripes_that_change_nothing(monkeypatch):
    _, expected = on(Plan(), "depth")
    monkeypatch.setattr(runtime, "CPU_ACTIVATIONS", 10**4)
    monkeypatch.setattr(runtime, "CPU_UNCUT", 0)
    _, found = on(Plan(), "depth")
    assert (expected.report["plan"]["autoencoder"], found.report["plan"]["autoencoder"]) == ("whole", "stripes")
    np.testing.assert_allclose(found.maps["depth"], expected.maps["depth"], atol=1e-4)
