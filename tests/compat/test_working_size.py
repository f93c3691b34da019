"""The working size is diffusers' size, or one of as many pixels as a square; what is padded is cropped off again."""

import numpy as np
import pytest
import torch
from diffusers.pipelines.marigold.marigold_image_processing import MarigoldImageProcessor

from marigold.compat.base import WorkingSize, rules
from marigold.core.errors import DeviceMemoryError

NATIVE = rules("none")
WAYS = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("size", [(480, 640), (640, 480), (37, 61), (1000, 999), (64, 900)])
@pytest.mark.parametrize("resolution", [0, 64, 100, 768])
def test_network_input_is_that_of_diffusers(size, resolution, how):
    photo = torch.from_numpy(np.random.default_rng(0).random((1, 3, *size), dtype=np.float32))
    processor = MarigoldImageProcessor(vae_scale_factor=8)
    theirs, padding, _ = processor.preprocess(photo, resolution, how)
    follow = rules("diffusers")
    working = follow.working_size(*size, resolution, "longest", 8)
    ours = follow.fill(photo, working, how)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(follow.crop(ours, working), processor.unpad_image(theirs, padding), atol=1e-5, rtol=0)
    assert follow.latent_size(working) == (theirs.shape[-2] // 8, theirs.shape[-1] // 8)
    # Ours differs only in that it stays in the range of the photo, which bicubic resampling leaves.
    torch.testing.assert_close(NATIVE.fill(photo, working, how), theirs.clamp(-1, 1), atol=1e-5, rtol=0)


def test_the_longest_side_becomes_the_resolution_for_small_photos_too():
    assert NATIVE.working_size(30, 40, 768, "longest", 8) == WorkingSize(576, 768, 8)


def test_by_area_a_square_photo_is_worked_at_the_resolution_and_a_wide_one_at_as_many_pixels():
    assert NATIVE.working_size(500, 500, 288, "area", 8) == WorkingSize(288, 288, 8)
    assert NATIVE.working_size(100, 400, 288, "area", 8) == WorkingSize(144, 576, 8)
    assert NATIVE.working_size(400, 100, 288, "area", 8) == WorkingSize(576, 144, 8)
    wide = NATIVE.working_size(375, 1242, 288, "area", 8)
    assert wide.height * wide.width == pytest.approx(288 * 288, rel=0.01)
    assert wide.width / wide.height == pytest.approx(1242 / 375, rel=0.01)


@pytest.mark.parametrize("sizing", ["longest", "area"])
def test_resolution_0_keeps_the_photo_s_size(sizing):
    assert NATIVE.working_size(37, 61, 0, sizing, 8) == WorkingSize(37, 61, 8)


@pytest.mark.parametrize("name", ["diffusers", "published"])
def test_others_know_no_area(name):
    by_area, by_side = (rules(name).working_size(100, 400, 256, sizing, 8) for sizing in ("area", "longest"))
    assert by_area == by_side == WorkingSize(64, 256, 8)


def test_a_sliver_keeps_at_least_one_pixel():
    size = NATIVE.working_size(8, 100_000, 768, "longest", 8)
    assert (size, NATIVE.latent_size(size)) == (WorkingSize(1, 768, 8), (1, 96))


def test_padding_repeats_the_edge():
    photo = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 3, 5, 5) / 4
    filled = NATIVE.fill(photo, NATIVE.working_size(5, 5, 0, "longest", 4), "bilinear")
    assert filled.shape == (1, 3, 8, 8)
    assert filled[0, 0, 0].tolist() == [-1, -0.5, 0, 0.5, 1, 1, 1, 1]


@pytest.mark.parametrize("name", ["none", "diffusers", "published"])
def test_a_working_size_beyond_every_memory_is_refused_before_it_is_allocated(name):
    with pytest.raises(DeviceMemoryError, match=r"resolution: 100000 x 75000 pixels, more than .*; choose less"):
        rules(name).working_size(30, 40, 100_000, "longest", 8)
