"""Crop, resize, mirror and stack by each field's own rule."""

import pytest
import torch

from marigold.core.errors import DataError
from marigold.core.sample import Camera, Sample, resize_field, shrink_mask, stack, unit, unstack


def made(height: int = 6, width: int = 8, key: str = "made/0") -> Sample:
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(3, height, width, generator=generator), dim=0)
    maps = {"depth": torch.rand(1, height, width, generator=generator) + 1, "normals": normals}
    valid = {name: torch.rand(1, height, width, generator=generator) < 0.8 for name in maps}
    return Sample(key, torch.rand(3, height, width, generator=generator), maps, valid, Camera(10.0, 11.0, 4.5, 3.0))


def test_mirroring_twice_changes_nothing():
    sample = made()
    twice = sample.mirrored().mirrored()
    assert torch.equal(twice.image, sample.image)
    assert torch.equal(twice.maps["normals"], sample.maps["normals"])
    assert twice.camera == sample.camera


def test_a_mirror_turns_the_x_axis_of_normals():
    sample = made()
    normals = sample.mirrored().maps["normals"]
    assert torch.equal(normals[0], -sample.maps["normals"][0].flip(-1))
    assert torch.equal(normals[1:], sample.maps["normals"][1:].flip(-1))


def test_a_mirror_moves_the_principal_point():
    assert made().mirrored().camera == Camera(10.0, 11.0, 3.5, 3.0)


def test_a_crop_moves_the_principal_point_and_cuts_everything():
    sample = made()
    crop = sample.cropped(1, 2, 4, 5)
    assert torch.equal(crop.maps["depth"], sample.maps["depth"][:, 1:5, 2:7])
    assert torch.equal(crop.valid["depth"], sample.valid["depth"][:, 1:5, 2:7])
    assert crop.camera == Camera(10.0, 11.0, 2.5, 2.0)


def test_a_resize_scales_the_camera():
    assert made().resized(12, 4).camera == Camera(5.0, 22.0, 2.25, 6.0)


def test_resized_depth_never_mixes_two_surfaces():
    depth = torch.tensor([[1.0, 1.0, 9.0, 9.0]])[None]
    assert set(resize_field("depth", depth, 1, 7).flatten().tolist()) == {1.0, 9.0}


def test_resized_normals_have_unit_length():
    normals = made().resized(3, 5).maps["normals"]
    torch.testing.assert_close(normals.norm(dim=0), torch.ones(3, 5))


def test_a_shrunk_pixel_is_valid_only_if_all_its_sources_are():
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    valid[0, 0, 0] = False
    assert not shrink_mask(valid, 2, 2)[0, 0, 0]
    assert shrink_mask(valid, 2, 2)[0, 1, 1]


def test_a_full_mask_stays_full():
    assert shrink_mask(torch.ones(1, 37, 53, dtype=torch.bool), 16, 24).all()


def test_stacked_samples_keep_their_order():
    samples = [made(key="a"), made(key="b").mirrored()]
    both = stack(samples)
    assert both.key == "a b"
    assert torch.equal(both.image[1], samples[1].image)
    assert torch.equal(both.valid["depth"][0], samples[0].valid["depth"])


def test_unstacking_undoes_stacking():
    samples = [made(key="a"), made(key="b").mirrored()]
    for sample, back in zip(samples, unstack(stack(samples), ["a", "b"]), strict=True):
        assert back.key == sample.key
        assert back.camera == sample.camera
        assert torch.equal(back.image, sample.image)
        assert torch.equal(back.maps["normals"], sample.maps["normals"])
        assert torch.equal(back.valid["depth"], sample.valid["depth"])


def test_a_batch_is_cut_like_its_samples():
    samples = [made(key="a"), made(key="b").mirrored()]
    cut = unstack(stack(samples).cropped(1, 2, 4, 5).resized(2, 5).mirrored(), ["a", "b"])
    for sample, back in zip(samples, cut, strict=True):
        assert back.camera == sample.cropped(1, 2, 4, 5).resized(2, 5).mirrored().camera


def test_samples_of_different_size_are_not_stacked():
    with pytest.raises(DataError, match=r"b: 8 x 7 .* a is 8 x 6"):
        stack([made(key="a"), made(height=7, key="b")])


def test_unit_vectors_are_exact_in_every_precision_and_zero_stays_zero():
    """(3, 4, 12) has the length 13; float16 rounds 3/13 to within 2^-13 of it."""
    vectors = torch.tensor([[3.0, 0.0, 3e-4], [4.0, 0.0, 4e-4], [12.0, 0.0, 12e-4]])[..., None]
    expected = torch.tensor([[3 / 13, 0, 3 / 13], [4 / 13, 0, 4 / 13], [12 / 13, 0, 12 / 13]])[..., None]
    assert torch.equal(unit(vectors.half())[:, :2], expected.half()[:, :2])
    torch.testing.assert_close(unit(vectors.half()), expected.half(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(unit(vectors), expected)
    torch.testing.assert_close(unit(vectors.double()), expected.double(), rtol=1e-6, atol=1e-7)
