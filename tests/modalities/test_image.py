"""The photo as its own target."""

import numpy as np
import pytest
import torch

from marigold.core.sample import Sample
from marigold.modalities.image import Image


def test_decoding_undoes_encoding():
    photo = torch.rand(2, 3, 4, 5)
    pixels, valid = Image().encode(Sample("a", photo, {}, {}))
    assert pixels.shape == (2, 1, 3, 4, 5)
    assert valid.shape == (2, 1, 1, 4, 5)
    assert valid.all()
    torch.testing.assert_close(Image().decode(pixels), photo)


def test_black_is_minus_one_and_white_is_one():
    pixels, _ = Image().encode(Sample("a", torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1), {}, {}))
    assert pixels.flatten().tolist() == [-1, 0, 1]


def test_members_are_merged_by_their_median_and_median_deviation():
    members = torch.tensor([0.0, 0.1, 0.5]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    merged, deviation = Image().ensemble(members)
    torch.testing.assert_close(merged, torch.full((3, 2, 2), 0.1))
    # Distances to the median 0.1 are 0.1, 0 and 0.4.
    torch.testing.assert_close(deviation, torch.full((1, 2, 2), 0.1))


def test_the_score_is_the_signal_to_noise_ratio():
    photo = torch.full((3, 4, 4), 0.5)
    assert Image().score(photo + 0.01, Sample("a", photo, {}, {}))["psnr"].mean == pytest.approx(40, abs=1e-3)


def test_the_picture_is_rounded_not_truncated():
    picture = Image().colorize({"image": np.full((1, 1, 3), 0.999, dtype=np.float32)})["image"]
    assert picture.tolist() == [[[255, 255, 255]]]
