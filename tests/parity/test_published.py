"""`compat: published` against the published code's steps around the networks, written down here once more in NumPy."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from marigold.compat.base import WorkingSize, rules
from marigold.core.errors import ConfigError
from toys.peers import MODALITIES, peers


def triangles(before: int, after: int) -> np.ndarray:
    """The weights [after, before] of antialiased bilinear resampling: triangles over pixels of the coarser grid."""
    scale = before / after
    centres = (np.arange(after) + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(before) + 0.5 - centres[:, None]) / max(scale, 1), 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def resized(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """[..., H, W] at another size."""
    return triangles(maps.shape[-2], height) @ maps @ triangles(maps.shape[-1], width).T


def prepared(photo: np.ndarray, resolution: int) -> np.ndarray:
    """[H, W, 3] uint8 as network input [3, h, w] in -1 to 1, resized in 8 bits."""
    levels = photo.transpose(2, 0, 1).astype(np.float64)
    height, width = photo.shape[:2]
    if resolution:
        factor = min(resolution / width, resolution / height)
        levels = np.rint(resized(levels, int(height * factor), int(width * factor)))
    return levels / 255 * 2 - 1


@torch.no_grad()
def members(theirs, photo: np.ndarray, resolution: int, steps: int, count: int, seed: int) -> np.ndarray:
    """Pictures [E, T, 3, h, w] about -1 to 1, as the networks output them, one member after the other."""
    image = torch.from_numpy(prepared(photo, resolution)).float()[None]
    condition = theirs.vae.encode(image).latent_dist.mean * theirs.vae.config.scaling_factor
    generator = torch.Generator().manual_seed(seed)
    scheduler = DDIMScheduler.from_config({**theirs.scheduler.config, "_class_name": "DDIMScheduler"})
    predicted = []
    for _ in range(count):
        scheduler.set_timesteps(steps)
        latent = torch.randn(1, theirs.unet.config.out_channels, *condition.shape[-2:], generator=generator)
        for t in scheduler.timesteps:
            output = theirs.unet(
                torch.cat([condition, latent], dim=1), t, encoder_hidden_states=theirs.empty_text_embedding
            )
            latent = scheduler.step(output.sample, t, latent).prev_sample
        targets = latent.split(4, dim=1)
        pictures = [theirs.vae.decode(each / theirs.vae.config.scaling_factor).sample[0] for each in targets]
        predicted.append(torch.stack(pictures).numpy().astype(np.float64))
    return np.stack(predicted)


def lower_median(values: np.ndarray) -> np.ndarray:
    return np.sort(values, axis=0)[(len(values) - 1) // 2]


def merged_depth(predicted):
    assert len(predicted) == 1
    return (predicted[0].mean(axis=1).clip(-1, 1) + 1) / 2, None


def merged_normals(predicted):
    vectors = predicted[:, 0].clip(-1, 1)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    if len(vectors) == 1:
        return vectors[0], None
    mean = vectors.mean(axis=0)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=0), 1e-6)
    cosine = (mean * vectors).sum(axis=1).clip(-1, 1)
    closest = np.take_along_axis(vectors, cosine.argmax(axis=0)[None, None], axis=0)[0]
    return closest, np.arccos(cosine).mean(axis=0) / np.pi


def merged_images(predicted, used):
    values = ((predicted.clip(-1, 1) + 1) / 2).reshape(len(predicted), -1, *predicted.shape[-2:])[:, :used]
    if len(values) == 1:
        return values[0], None
    merged = lower_median(values)
    return merged, lower_median(np.abs(values - merged)).mean(axis=0)


MERGED = {
    "depth": merged_depth,
    "normals": merged_normals,
    "appearance": lambda predicted: merged_images(predicted, 5),
    "lighting": lambda predicted: merged_images(predicted, 9),
}


@pytest.mark.parametrize("match", [True, False])
# Sizes at which no resampled level lies half way between two numbers, where single precision may round either way.
@pytest.mark.parametrize(("size", "resolution"), [((75, 101), 64), ((37, 50), 0), ((31, 23), 59)])
@pytest.mark.parametrize(
    ("modality", "count", "steps"),
    [("depth", 1, 1), ("depth", 1, 4), ("normals", 1, 2), ("normals", 3, 1), ("appearance", 4, 1), ("lighting", 3, 2)],
)
def test_maps_are_those_of_the_published_steps(modality, count, steps, size, resolution, match):
    predictor, theirs = peers(modality)
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    predicted = members(theirs, photo, resolution, steps, count, seed=3)
    expected, uncertainty = MERGED[modality](predicted)
    expected = resized(expected, *size) if match else expected
    ours = predictor.predict(
        photo, steps=steps, ensemble=count, resolution=resolution, seed=3, match_input=match, compat="published"
    )
    found = np.concatenate([np.atleast_3d(each) for each in ours.maps.values()], axis=-1).transpose(2, 0, 1)
    # Where two normals are equally close to the mean, rounding takes one.
    apart = np.abs(found - expected).max(axis=0) > 1e-4
    assert apart.mean() <= (1e-2 if modality == "normals" and count > 1 else 0)
    if count > 1:
        assert ours.uncertainty.shape == predicted.shape[-2:]
        np.testing.assert_allclose(ours.uncertainty, uncertainty, atol=1e-3)


@pytest.mark.parametrize("name", MODALITIES)
def test_every_modality_can_be_predicted_as_published(name):
    prediction = peers(name)[0].predict(np.zeros((20, 31, 3), np.uint8), steps=1, resolution=24, compat="published")
    assert all(each.shape[:2] == (20, 31) for each in prediction.maps.values())


@pytest.mark.parametrize(("width", "found"), [(147, 767), (307, 767), (640, 768), (1024, 768)])
def test_the_longest_side_misses_the_resolution_by_a_pixel_for_some_widths(width, found):
    assert rules("published").working_size(100, width, 768, "longest", 8).width == found


def test_photos_are_resized_in_eight_bits():
    photo = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(1, 3, 2, 2)
    filled = rules("published").fill(photo, WorkingSize(1, 1, 1), "bilinear")
    assert (
        filled.flatten().tolist() == [pytest.approx(128 / 255 * 2 - 1, abs=1e-6)] * 3
    )  # 127.5 is rounded to the even number


def test_a_photo_smaller_than_a_cell_is_refused():
    with pytest.raises(ConfigError, match="hold no latent cell of 8 x 8"):
        rules("published").working_size(9, 900, 768, "longest", 8)


def test_an_autoencoder_that_keeps_every_row_is_refused():
    with pytest.raises(ConfigError, match="multiples of 4"):
        peers("depth", "tiny")[0].predict(np.zeros((21, 31, 3), np.uint8), resolution=0, compat="published")
