"""Frames brought together: drifts that are known go, edges and motion stay."""

import numpy as np
import pytest

from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.video.steady import smoothed, steadied

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
SCENE = np.random.default_rng(1).uniform(0.3, 0.7, (40, 60)).astype(np.float32)


def drifting(count=12, seed=2):
    rng = np.random.default_rng(seed)
    return [(SCENE * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1)).astype(np.float32) for _ in range(count)]


def together(modality, maps):
    solved = steadied(modality, [(one, PHOTO) for one in maps], len(maps))
    return [solved.applied(modality, index, one) for index, one in enumerate(maps)]


def test_an_affine_drift_of_depth_is_gone():
    found = np.stack([one["depth"] for one in together(Depth(), [{"depth": map_} for map_ in drifting()])])
    assert np.ptp(np.stack(drifting()), axis=0).max() > 0.1
    assert np.ptp(found, axis=0).max() < 1e-3
    assert found.min() >= 0 and found.max() <= 1


def test_a_range_that_drifts_out_of_the_map_is_shrunk_for_all_frames():
    maps = [{"depth": np.clip(SCENE * 1.4, 0, 1)}, {"depth": SCENE}, {"depth": SCENE / 2}] * 3
    found = together(Depth(), maps)
    assert all(one["depth"].min() >= 0 and one["depth"].max() <= 1 for one in found)


def test_light_shares_one_scale_and_albedo_stays():
    light = np.stack([SCENE] * 3, axis=2)
    factors = [0.5, 1.0, 0.8, 0.6]
    maps = [{"albedo": light * f, "shading": light * f, "residual": light * f / 4} for f in factors]
    found = together(Lighting(), maps)
    for one, given in zip(found, maps, strict=True):
        np.testing.assert_array_equal(one["albedo"], given["albedo"])
        np.testing.assert_allclose(one["shading"], found[0]["shading"], rtol=1e-3)
        np.testing.assert_allclose(one["residual"] * 4, one["shading"], rtol=1e-5)


def test_normals_stay_as_they_are():
    normals = np.zeros((40, 60, 3), np.float32)
    assert together(Normals(), [{"normals": normals}])[0]["normals"] is normals


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_frame_is_smoothed_once(count):
    frames = [({"depth": SCENE}, PHOTO)] * count
    found = list(smoothed(Depth(), iter(frames), 2))
    assert len(found) == count
    for one in found:
        np.testing.assert_allclose(one["depth"], SCENE, atol=1e-6)


def test_smoothing_takes_noise_away_where_the_photo_stands_still():
    rng = np.random.default_rng(3)
    noise = [rng.normal(0, 0.004, SCENE.shape).astype(np.float32) for _ in range(5)]
    found = list(smoothed(Depth(), [({"depth": SCENE + one}, PHOTO) for one in noise], 2))
    assert (found[2]["depth"] - SCENE).std() < 0.6 * noise[2].std()


def test_smoothing_keeps_what_the_photo_shows_to_have_changed():
    frames = [({"depth": np.full_like(SCENE, 0.5)}, PHOTO)] * 2
    middle = ({"depth": np.full_like(SCENE, 0.505)}, 255 - PHOTO)
    found = list(smoothed(Depth(), [*frames, middle, *frames], 2))
    far = np.abs(PHOTO.astype(int) - 127).mean(axis=2) > 100
    np.testing.assert_allclose(found[2]["depth"][far], 0.505, atol=5e-4)


def test_smoothed_normals_stay_unit_vectors():
    angles = np.random.default_rng(4).normal(0, 0.02, (5, 40, 60))
    maps = [np.stack([np.sin(a), np.zeros_like(a), np.cos(a)], 2).astype(np.float32) for a in angles]
    found = list(smoothed(Normals(), [({"normals": one}, PHOTO) for one in maps], 2))
    np.testing.assert_allclose(np.linalg.norm(found[2]["normals"], axis=2), 1, atol=1e-5)
