"""The working size is diffusers' size, and what is padded is cropped off again."""

import numpy as np
import pytest
import torch
from diffusers.pipelines.marigold.marigold_image_processing import MarigoldImageProcessor

from marigold.core.errors import DeviceMemoryError
from marigold.predict.working_size import Frame, UnpaddedFrame


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (37, 61), (1000, 999), (64, 900)])
@pytest.mark.parametrize("resolution", [0, 64, 100, 768])
def test_network_input_is_that_of_diffusers(size, resolution):
    photo = torch.from_numpy(np.random.default_rng(0).random((1, 3, *size), dtype=np.float32))
    processor = MarigoldImageProcessor(vae_scale_factor=8)
    theirs, padding, _ = processor.preprocess(photo, resolution, "bilinear")
    frame = Frame.of(photo, resolution, 8)
    ours = frame.fill(photo)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(frame.crop(ours), processor.unpad_image(theirs, padding), atol=1e-5, rtol=0)
    assert frame.latent_size == (theirs.shape[-2] // 8, theirs.shape[-1] // 8)


def test_the_longest_side_becomes_the_resolution_for_small_photos_too():
    frame = Frame.of(torch.zeros(3, 30, 40), 768, 8)
    assert (frame.height, frame.width) == (576, 768)


def test_a_sliver_keeps_at_least_one_pixel():
    frame = Frame.of(torch.zeros(8, 100_000), 768, 8)
    assert (frame.height, frame.width, frame.latent_size) == (1, 768, (1, 96))


def test_padding_repeats_the_edge():
    photo = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 3, 5, 5) / 4
    filled = Frame.of(photo, 0, 4).fill(photo)
    assert filled.shape == (1, 3, 8, 8)
    assert filled[0, 0, 0].tolist() == [-1, -0.5, 0, 0.5, 1, 1, 1, 1]


@pytest.mark.parametrize("kind", [Frame, UnpaddedFrame])
def test_a_working_size_beyond_every_memory_is_refused_before_it_is_allocated(kind):
    with pytest.raises(DeviceMemoryError, match=r"resolution: 100000 x 75000 pixels, more than .*; choose less"):
        kind.of(torch.zeros(3, 30, 40), 100_000, 8)
