"""Augmentation: geometry follows each field's rule, photometry touches the photo only."""

import torch

from marigold.core.sample import Sample
from marigold.data.augment import Augment, augment


def sample() -> Sample:
    rng = torch.Generator().manual_seed(0)
    image, normals = torch.rand(4, 3, 8, 8, generator=rng), torch.randn(4, 3, 8, 8, generator=rng)
    depth = torch.rand(4, 1, 8, 8, generator=rng)
    valid = torch.rand(4, 1, 8, 8, generator=rng) > 0.5
    return Sample("", image, {"normals": normals, "depth": depth}, {"normals": valid, "depth": valid})


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_a_mirror_flips_every_map_and_negates_the_x_of_normals():
    before, after = sample(), augment(sample(), Augment(mirror=1.0), rng())
    assert torch.equal(after.image, before.image.flip(-1))
    assert torch.equal(after.maps["depth"], before.maps["depth"].flip(-1))
    assert torch.equal(after.valid["depth"], before.valid["depth"].flip(-1))
    sign = torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
    assert torch.equal(after.maps["normals"], before.maps["normals"].flip(-1) * sign)


def test_photometry_leaves_the_truth_alone():
    how = Augment(mirror=0.0, jitter=1.0, blur=1.0, noise=1.0, grey=0.5)
    before, after = sample(), augment(sample(), how, rng())
    assert not torch.equal(after.image, before.image)
    assert torch.equal(after.maps["depth"], before.maps["depth"])
    assert after.image.min() >= 0 and after.image.max() <= 1


def test_a_blur_keeps_a_constant_picture():
    flat = Sample("", torch.full((2, 3, 8, 8), 0.25), {}, {})
    after = augment(flat, Augment(mirror=0.0, blur=1.0), rng())
    assert torch.allclose(after.image, flat.image, atol=1e-6)


def test_grey_makes_the_channels_equal():
    after = augment(sample(), Augment(mirror=0.0, grey=1.0), rng()).image
    assert torch.allclose(after[:, 0], after[:, 1]) and torch.allclose(after[:, 1], after[:, 2])


def test_the_same_stream_gives_the_same_result():
    how = Augment(jitter=0.5, blur=0.5, noise=0.5)
    assert torch.equal(augment(sample(), how, rng()).image, augment(sample(), how, rng()).image)


def test_a_window_moves_every_map_alike():
    # Depth is the same image as the red channel, so after any window it still is, up to the two resize rules.
    ramp = torch.linspace(0, 1, 32).expand(4, 1, 32, 32)
    shown = Sample("", ramp.expand(-1, 3, -1, -1), {"depth": ramp}, {"depth": torch.ones_like(ramp, dtype=torch.bool)})
    after = augment(shown, Augment(mirror=0.0, zoom=2.0, stretch=1.3), rng())
    assert (after.image[:, :1] - after.maps["depth"]).abs().max() <= 0.5 / 31 + 1e-5
    assert after.valid["depth"].all()
    assert (after.image.amax((1, 2, 3)) - after.image.amin((1, 2, 3)) < 0.99).any()


def test_normals_stay_unit_in_a_window():
    shown = sample()
    normals = torch.nn.functional.normalize(shown.maps["normals"], dim=1)
    shown = Sample("", shown.image, {"normals": normals}, {"normals": shown.valid["normals"]})
    after = augment(shown, Augment(mirror=0.0, zoom=2.0), rng()).maps["normals"]
    assert torch.allclose(after.norm(dim=1), torch.ones(4, 8, 8), atol=1e-5)


def test_a_pixel_made_of_an_unusable_one_is_unusable():
    valid = torch.ones(4, 1, 8, 8, dtype=torch.bool)
    valid[..., 4] = False
    shown = Sample("", torch.zeros(4, 3, 8, 8), {"depth": torch.ones(4, 1, 8, 8)}, {"depth": valid})
    after = augment(shown, Augment(mirror=0.0, zoom=1.5), rng()).valid["depth"]
    assert (after.sum((1, 2, 3)) <= 7 * 8).all()


def test_a_smaller_size_averages_and_keeps_normals_unit():
    whole = sample()
    half = augment(whole, Augment(mirror=0.0, size=whole.image.shape[-1] // 2), rng())
    assert half.image.shape[-2:] == (whole.image.shape[-2] // 2, whole.image.shape[-1] // 2)
    assert torch.allclose(half.image.mean(), whole.image.mean(), atol=0.02)
    assert torch.allclose(half.maps["normals"].norm(dim=1), torch.ones(()), atol=1e-5)
