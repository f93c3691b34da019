"""Augmentation: geometry follows each field's rule, photometry touches the photo only."""

from itertools import permutations

import pytest
import torch

from marigold.core.errors import ConfigError
from marigold.core.sample import Camera, Sample
from marigold.data import filters
from marigold.data.augment import Augment, augment, geometric, photometric


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
    how = Augment(mirror=0.0, jitter=1.0, hue=0.2, blur=1.0, motion_blur=1.0, noise=1.0, grey=0.5, jpeg=1.0)
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


CHANGES = ("blur", "motion_blur", "jitter", "grey", "noise", "jpeg")
EVERYTHING = Augment(**dict.fromkeys(CHANGES, 0.5), hue=0.2, zoom=1.5, stretch=1.2, size=8)


def photos(count: int) -> torch.Tensor:
    """One photo many times, [B, 3, 8, 8]."""
    return torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(2)).repeat(count, 1, 1, 1)


def test_nothing_happens_unless_it_is_asked_for():
    before, after = sample(), augment(sample(), Augment(mirror=0.0), rng())
    assert torch.equal(after.image, before.image)
    assert all(torch.equal(after.maps[name], before.maps[name]) for name in before.maps)


@pytest.mark.parametrize("name", CHANGES)
def test_so_many_photos_are_changed(name):
    before = photos(400)
    after = photometric(before, Augment(**{name: 0.3, "hue": 0.2}), rng())
    changed = int((after != before).flatten(1).any(dim=1).sum())
    # 120 of 400, give or take four deviations of sqrt(400 * 0.3 * 0.7) = 9.2.
    assert abs(changed - 120) < 37


@pytest.mark.parametrize("name", ["blur", "motion_blur", "jitter", "noise", "jpeg"])
def test_every_photo_draws_its_own(name):
    after = photometric(photos(6), Augment(**{name: 1.0, "lowest_quality": 1}), rng()).flatten(1)
    assert len(after.unique(dim=0)) > 3


def test_a_photo_does_not_depend_on_its_neighbours():
    alone = photos(5)
    other = alone.clone()
    other[1:] = 0.5
    how = Augment(blur=1.0, motion_blur=1.0, jitter=1.0, hue=0.5, jpeg=1.0)
    torch.testing.assert_close(photometric(alone, how, rng())[0], photometric(other, how, rng())[0])


def test_geometry_and_photometry_are_the_two_parts():
    whole, draws = augment(sample(), EVERYTHING, rng()), rng()
    moved = geometric(sample(), EVERYTHING, draws)
    assert torch.equal(photometric(moved.image, EVERYTHING, draws), whole.image)
    assert torch.equal(moved.maps["normals"], whole.maps["normals"])


def test_geometry_leaves_colours_and_photometry_leaves_places():
    flat = Sample("", torch.full((3, 3, 8, 8), 0.25), {}, {})
    assert torch.allclose(geometric(flat, EVERYTHING, rng()).image, flat.image)
    how = Augment(mirror=1.0, jitter=1.0)
    ramp = torch.linspace(0.2, 0.8, 8).expand(3, 3, 8, 8)
    assert (photometric(ramp, how, rng()).diff(dim=-1) >= 0).all()


def test_a_single_sample_may_be_augmented():
    one = sample().each(lambda x: x[:1])
    for seed in range(20):
        after = augment(one, EVERYTHING, torch.Generator().manual_seed(seed))
        assert after.image.shape == (1, 3, 8, 8) and after.image.isfinite().all()


def test_a_camera_that_fits_no_more_is_left_out():
    camera = Camera(*(torch.ones(4) for _ in range(4)))
    shown = Sample("", sample().image, {}, {}, camera)
    assert augment(shown, Augment(), rng()).camera is None


def test_adjustments_of_colour_come_in_every_order(monkeypatch):
    names = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")
    for digit, name in enumerate(names, start=1):
        monkeypatch.setattr(filters, name, lambda image, strength, digit=digit: 10 * image + digit)
    after = photometric(torch.zeros(400, 3, 1, 1), Augment(jitter=1.0, cast=0.0), rng())
    orders = {int("".join(map(str, order))) for order in permutations((1, 2, 3, 4))}
    assert set(after[:, 0, 0, 0].int().tolist()) == orders


@pytest.mark.parametrize(("strength", "low", "high"), [(0.5, 0.5, 1.5), (2.0, 0.0, 3.0)])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_factors_lie_around_one_and_are_not_negative(monkeypatch, name, strength, low, high):
    drawn = []
    monkeypatch.setattr(filters, f"adjust_{name}", lambda image, factor: drawn.append(factor) or image)
    photometric(photos(400), Augment(jitter=1.0, **{name: strength}), rng())
    factors = torch.cat(drawn)
    assert len(factors) == 400 and low <= factors.min() < low + 0.1 and high - 0.1 < factors.max() <= high


def test_hues_are_turned_both_ways(monkeypatch):
    drawn = []
    monkeypatch.setattr(filters, "adjust_hue", lambda image, turn: drawn.append(turn) or image)
    photometric(photos(400), Augment(jitter=1.0, hue=0.2), rng())
    turns = torch.cat(drawn)
    assert -0.2 <= turns.min() < -0.19 and 0.19 < turns.max() <= 0.2


def test_a_blur_reaches_four_of_its_largest_deviations(monkeypatch):
    # With the published deviation of at most 4 pixels that is a kernel of 33 x 33.
    drawn = []
    monkeypatch.setattr(filters, "gaussian_blur", lambda image, sigma, radius: drawn.append((sigma, radius)) or image)
    photometric(photos(400), Augment(blur=1.0, sigma=4.0), rng())
    sigmas, radius = drawn[0]
    assert radius == 16 and 0 <= sigmas.min() < 0.1 and 3.9 < sigmas.max() <= 4


def test_lines_of_motion_are_odd_and_of_any_direction(monkeypatch):
    drawn = []
    monkeypatch.setattr(filters, "motion_blur", lambda image, *numbers: drawn.append(numbers) or image)
    photometric(photos(400), Augment(motion_blur=1.0, motion_length=11), rng())
    lengths, degrees = drawn[0]
    assert set(lengths.tolist()) == {3, 5, 7, 9, 11}
    assert 0 <= degrees.min() < 10 and 350 < degrees.max() <= 360


def test_qualities_lie_between_their_ends(monkeypatch):
    drawn = []
    monkeypatch.setattr(filters, "jpeg", lambda image, quality: drawn.append(quality) or image)
    photometric(photos(400), Augment(jpeg=1.0, lowest_quality=50, highest_quality=60), rng())
    assert set(drawn[0].tolist()) == set(range(50, 61))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"motion_blur": 1.1}, "motion_blur: .* must be 0 to 1"),
        ({"jpeg": -0.1}, "jpeg: .* must be 0 to 1"),
        ({"hue": 0.6}, "hue: .* must be 0 to 0.5"),
        ({"motion_length": 1}, "motion_length: .* must be 3 to 101"),
        ({"motion_length": 8}, "motion_length: .* must be an odd number"),
        ({"lowest_quality": 0}, "lowest_quality: .* must be 1 to 100"),
        ({"highest_quality": 101}, "highest_quality: .* must be 1 to 100"),
        ({"lowest_quality": 96}, "lowest_quality: .* must be at most `highest_quality`"),
    ],
)
def test_settings_have_ends(settings, what):
    with pytest.raises(ConfigError, match=f"augment.{what}"):
        Augment(**settings)
