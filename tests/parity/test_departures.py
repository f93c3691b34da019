"""Where predictions mean something else than those of diffusers or of the published code: one test for each departure.

`docs/decisions.md` says why. That everything else agrees is tested in test_predict.py and test_published.py.
"""

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.accel.plan import Plan
from marigold.compat._merging import DIFFUSERS, merge, merge_depth
from marigold.measure.ensemble import merge_affine
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from toys.identity import identity_estimator
from toys.peers import peers, photo


def by_hand(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map [H, W] at another size by Pillow's bilinear filter, which is antialiased."""
    return np.asarray(PIL.Image.fromarray(values).resize((width, height), PIL.Image.Resampling.BILINEAR))


def test_a_map_that_shrinks_is_antialiased_which_diffusers_leaves_out():
    predictor, pipeline = peers("depth")
    image, settings = photo(32, 48), {"steps": 1, "resolution": 160}
    worked_at = predictor.predict(image[0], match_input=False, compat="diffusers", **settings).maps["depth"]
    expected = by_hand(worked_at, 32, 48)
    generator = torch.Generator().manual_seed(0)
    theirs = pipeline(image, 1, processing_resolution=160, generator=generator).prediction[0, ..., 0]
    ours = Depth().resize(torch.from_numpy(worked_at)[None, None], 32, 48)[0, 0].numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    compatible = predictor.predict(image[0], compat="diffusers", **settings).maps["depth"]
    np.testing.assert_allclose(compatible, theirs, atol=1e-4)
    assert np.abs(ours - theirs).max() > 0.01


def test_resized_normals_are_unit_vectors_which_the_published_code_leaves_shorter():
    predictor, _ = peers("normals")
    image, settings = photo(75, 101)[0], {"steps": 1, "resolution": 40}
    lengths = {
        compat: np.linalg.norm(predictor.predict(image, compat=compat, **settings).maps["normals"], axis=-1)
        for compat in ("none", "published")
    }
    np.testing.assert_allclose(lengths["none"], 1, atol=1e-5)
    assert lengths["published"].min() < 0.9


def test_the_uncertainty_is_resized_with_its_map_which_the_published_code_leaves_small():
    predictor, _ = peers("appearance")
    settings = {"steps": 1, "resolution": 40, "ensemble": 3}
    ours, published = (predictor.predict(photo(75, 101)[0], compat=it, **settings) for it in ("none", "published"))
    assert ours.uncertainty.shape == ours.maps["albedo"].shape[:2] == (75, 101)
    assert published.uncertainty.shape == (28, 40) and published.maps["albedo"].shape[:2] == (75, 101)


def test_rows_that_fill_no_cell_are_padded_which_the_published_autoencoder_drops():
    predictor, _ = peers("depth")
    settings = {"steps": 1, "resolution": 0, "match_input": False}
    ours, published = (predictor.predict(photo(37, 50)[0], compat=it, **settings) for it in ("none", "published"))
    assert ours.maps["depth"].shape == (37, 50)
    assert published.maps["depth"].shape == (36, 48)


def test_photos_are_resized_in_float_which_the_published_code_rounds_to_eight_bits():
    ramp = np.repeat(np.linspace(100, 101, 32)[None, :, None] / 255, 32, axis=0).repeat(3, axis=2)
    predictor = Predictor(identity_estimator())
    ours, published = (
        predictor.predict(ramp, resolution=16, match_input=False, compat=compat).maps["depth"]
        for compat in ("none", "published")
    )
    np.testing.assert_allclose(ours, by_hand(ramp[..., 0].astype(np.float32), 16, 16), atol=1e-6)
    assert set(np.rint(published.flatten() * 255).tolist()) == {100, 101}
    np.testing.assert_allclose(published * 255, np.rint(published * 255), atol=1e-4)


def test_members_do_not_depend_on_their_batch_which_those_of_diffusers_do():
    predictor, pipeline = peers("appearance", scheduler="LCMScheduler")
    image = photo(32, 48)
    theirs = [
        pipeline(image, 3, 2, 0, batch_size=size, generator=torch.Generator().manual_seed(0)).prediction
        for size in (1, 2)
    ]
    assert np.abs(theirs[0] - theirs[1]).max() > 0.05
    ours = [
        Predictor(predictor.estimator, Plan(pixels_at_once=pixels)).predict(image[0], steps=3, ensemble=2, resolution=0)
        for pixels in (0, 10**6)
    ]
    np.testing.assert_allclose(ours[0].maps["albedo"], ours[1].maps["albedo"], atol=1e-5)


def test_the_members_of_a_small_ensemble_are_the_first_of_a_large_one_which_a_running_generator_does_not_give():
    predictor = Predictor(identity_estimator(leak=0.1, stride=2))
    ours, theirs = (
        [
            predictor.predict(photo(10, 10)[0], ensemble=count, compat=compat, output_latent=True).latent
            for count in (2, 3)
        ]
        for compat in ("none", "diffusers")
    )
    np.testing.assert_allclose(ours[0], ours[1][:2], atol=1e-6)
    assert np.abs(theirs[0] - theirs[1][:2]).max() > 0.01


def test_depth_of_several_members_is_stable_which_the_search_of_diffusers_is_not():
    generator = torch.Generator().manual_seed(0)
    common = torch.rand(1, 30, 40, generator=generator)
    members = 0.3 + 0.5 * common + 0.02 * torch.randn(4, 30, 40, generator=generator)
    nearly = members + 1e-7 * torch.randn(members.shape, generator=generator)
    ours = [merge_affine(each)[0] for each in (members, nearly)]
    theirs = [merge_depth(each, DIFFUSERS, scale=True, shift=True)[0] for each in (members, nearly)]
    torch.testing.assert_close(ours[0], ours[1], atol=1e-5, rtol=0)
    assert (theirs[0] - theirs[1]).abs().max() > 0.003


def test_depth_keeps_the_range_of_its_members_which_diffusers_stretches_to_0_to_1():
    members = torch.linspace(0.3, 0.6, 100).view(10, 10).expand(3, 1, 10, 10)
    torch.testing.assert_close(Depth().ensemble(members)[0], members[0], atol=1e-4, rtol=0)
    stretched = merge(Depth(), members, DIFFUSERS)[0]
    torch.testing.assert_close(stretched[0], torch.linspace(0, 1, 100).view(10, 10), atol=1e-4, rtol=0)


def test_two_normals_give_their_mean_of_which_diffusers_takes_one():
    left, right = (torch.tensor([x, 0.0, 0.8]).view(3, 1, 1) for x in (-0.6, 0.6))
    members = torch.stack([left, right])
    torch.testing.assert_close(Normals().ensemble(members)[0].flatten(), torch.tensor([0.0, 0, 1]))
    one = merge(Normals(), members, DIFFUSERS)[0]
    assert any(torch.equal(one, each) for each in members)


def test_an_even_number_of_members_has_the_mean_of_the_middle_two_of_which_diffusers_takes_the_lower():
    members = torch.tensor([0.1, 0.2, 0.4, 0.9]).view(4, 1, 1, 1).expand(4, 5, 2, 2)
    torch.testing.assert_close(Appearance().ensemble(members)[0], torch.full((5, 2, 2), 0.3))
    torch.testing.assert_close(merge(Appearance(), members, DIFFUSERS)[0], torch.full((5, 2, 2), 0.2))


def test_light_of_unknown_scale_is_aligned_first_which_diffusers_does_not():
    scene = torch.rand(9, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.5
    members = torch.stack([torch.cat([scene[:3], scene[3:] * gain]) for gain in (0.7, 1.0, 1.4)])
    _, ours = Lighting().ensemble(members)
    _, theirs = merge(Lighting(), members, DIFFUSERS)
    assert ours.max() < 1e-3 < 0.02 < theirs.mean()


def test_a_vector_without_direction_faces_the_viewer_which_stays_zero_in_diffusers():
    _, pipeline = peers("normals")
    nothing = torch.zeros(1, 3, 1, 1)
    assert Normals().decode(nothing[None]).flatten().tolist() == [0, 0, 1]
    assert pipeline.normalize_normals(nothing.clone()).flatten().tolist() == [0, 0, 0]


def test_two_members_have_no_uncertainty_which_diffusers_gives():
    predictor, _ = peers("appearance")
    ours, theirs = (
        predictor.predict(photo(32, 48)[0], steps=1, resolution=0, ensemble=2, compat=compat)
        for compat in ("none", "diffusers")
    )
    assert ours.uncertainty is None and theirs.uncertainty is not None


def test_leading_times_become_trailing_ones_which_diffusers_keeps():
    predictor, pipeline = peers("depth", spacing="leading")
    image, settings = photo(32, 48), {"steps": 2, "resolution": 0, "seed": 4}
    generator = torch.Generator().manual_seed(4)
    theirs = pipeline(image, 2, processing_resolution=0, generator=generator).prediction[0, ..., 0]
    kept = predictor.predict(image[0], compat="diffusers", **settings)
    np.testing.assert_allclose(kept.maps["depth"], theirs, atol=1e-4)
    assert kept.report["notes"] == [] and kept.report["settings"]["spacing"] == "published"
    ours = predictor.predict(image[0], **settings)
    assert "took `trailing` ones" in ours.report["notes"][0]
    assert predictor.predict(image[0], spacing="published", **settings).report["notes"] == []


def test_a_transparent_photo_is_laid_on_white_which_diffusers_refuses():
    predictor, pipeline = peers("depth")
    clear = PIL.Image.fromarray(np.zeros((32, 48, 4), np.uint8))
    with pytest.raises(ValueError, match="not 1- or 3-channel"):
        pipeline(clear, 1, processing_resolution=0)
    white = predictor.predict(np.full((32, 48, 3), 255, np.uint8), steps=1, resolution=0)
    found = predictor.predict(clear, steps=1, resolution=0)
    np.testing.assert_array_equal(found.maps["depth"], white.maps["depth"])
