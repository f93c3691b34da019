"""A photograph keeps what the camera must keep, and each flaw has its stated size."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from marigold_scenes import camera, camera_effects, optics


def settings(**changed: float) -> torch.Tensor:
    """A camera without flaws or taste, but for what is changed (names of `camera`'s columns)."""
    row = torch.zeros(1, camera.WIDTH)
    neutral = {"KEY": 0.18, "BLUR": 0.4, "WHITE": 1.0, "SATURATION": 1.0, "QUALITY": 101.0}
    for name, value in (neutral | changed).items():
        row[0, getattr(camera, name)] = value
    return row


def drawn(count: int) -> torch.Tensor:
    rng = np.random.default_rng(11)
    return torch.from_numpy(np.stack([camera.sample(rng) for _ in range(count)]))


def scene(batch: int = 1, size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    coarse = torch.rand(batch, 3, 6, 6, generator=rng) + 0.05
    light = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return light, torch.linspace(1, 9, size).expand(batch, 1, size, size)


def seeds(batch: int) -> torch.Tensor:
    return torch.arange(batch)


def one(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), value)


def test_settings_are_finite_and_vary():
    rows = drawn(200)
    assert rows.shape == (200, camera.WIDTH)
    assert rows.isfinite().all()
    assert (rows.std(0) > 0).all()
    assert rows[:, camera.BLUR].min() >= 0.4
    assert (rows[:, camera.SATURATION] == 0).float().mean() < 0.1


def test_every_photograph_is_in_range():
    light, depth = scene(40)
    photo = camera.photograph(light * 50, depth, drawn(40), seeds(40))
    assert photo.shape == light.shape
    assert photo.isfinite().all()
    assert photo.min() >= 0
    assert photo.max() <= 1


@pytest.mark.parametrize("light", [torch.zeros(1, 3, 17, 30), torch.full((1, 3, 17, 30), 1e6), torch.ones(1, 3, 1, 1)])
def test_extreme_light_and_odd_sizes_are_photographed(light):
    photo = camera.photograph(light, light[:, :1] + 1, drawn(1), seeds(1))
    assert photo.shape == light.shape
    assert photo.isfinite().all()


def test_constant_grey_stays_constant_without_noise():
    rows = drawn(30)
    rows[:, [camera.SHOT, camera.READ, camera.VIGNETTE]] = 0
    photo = camera.photograph(torch.full((30, 3, 32, 32), 0.7), torch.ones(30, 1, 32, 32), rows, seeds(30))
    assert photo.std((2, 3)).max() < 0.01


def test_noise_is_all_that_disturbs_constant_grey():
    light, depth = torch.full((1, 3, 64, 64), 0.7), torch.ones(1, 1, 64, 64)
    photo = camera.photograph(light, depth, settings(SHOT=0.001, READ=0.005), seeds(1))
    clean = camera.photograph(light, depth, settings(), seeds(1))
    assert (photo.mean() - clean.mean()).abs() < 0.01
    assert 0.005 < photo.std() < 0.05


def test_a_neutral_camera_shows_mid_grey_at_its_key():
    photo = camera.photograph(torch.full((1, 3, 16, 16), 33.0), torch.ones(1, 1, 16, 16), settings(), seeds(1))
    # 18 % grey in sRGB is 0.4613; a bytewise picture rounds it to 118 / 255.
    torch.testing.assert_close(photo, torch.full_like(photo, 118 / 255))


def test_brighter_scenes_are_exposed_shorter():
    light, depth = scene(20)
    rows = drawn(20)
    once, again = (camera.photograph(light * gain, depth, rows, seeds(20)) for gain in (1.0, 4.0))
    assert (once - again).abs().mean() < 0.002


def test_a_stop_doubles_the_light():
    light = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = camera_effects.expose(light, one(0.18), one(0.3), one(0.0))
    torch.testing.assert_close(camera_effects.expose(light, one(0.18), one(0.3), one(1.0)), plain * 2)


def test_the_log_average_becomes_the_key():
    light = torch.exp(torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))).expand(-1, 3, -1, -1)
    exposed = camera_effects.expose(light, one(0.2), one(0.0), one(0.0))
    assert exposed[:, 0].log().mean().exp().item() == pytest.approx(0.2, rel=0.02)


def test_full_white_balance_turns_a_cast_to_grey():
    light = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 0.7, 0.4]).view(
        3, 1, 1
    )
    balanced = camera_effects.balance(light, one(1.0), one(0.0), one(0.0))
    torch.testing.assert_close(balanced[:, 0], balanced[:, 2], atol=1e-4, rtol=1e-3)


def test_sensor_noise_has_its_stated_variance():
    light = torch.full((1, 3, 128, 128), 0.25)
    noisy = camera_effects.sensor(light, torch.tensor([5]), one(0.01), one(0.02), one(0.0))
    assert noisy.std().item() == pytest.approx((0.01 * 0.25 + 0.02**2) ** 0.5, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0.25, abs=0.002)
    assert torch.equal(noisy, camera_effects.sensor(light, torch.tensor([5]), one(0.01), one(0.02), one(0.0)))
    assert not torch.equal(noisy, camera_effects.sensor(light, torch.tensor([6]), one(0.01), one(0.02), one(0.0)))


def test_the_shoulder_ends_at_white_and_a_white_of_one_is_a_straight_line():
    light = torch.tensor([0.0, 0.3, 1.0, 3.0]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    torch.testing.assert_close(camera_effects.shoulder(light, one(1.0))[0, 0, 0], torch.tensor([0, 0.3, 1, 1]))
    assert camera_effects.shoulder(light, one(3.0))[0, 0, 0, 3].item() == pytest.approx(1)
    assert camera_effects.shoulder(light, one(3.0))[0, 0, 0].diff().min() > 0


def test_contrast_never_turns_tones_around():
    tones = torch.linspace(0, 1, 256).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for contrast in (-0.5, 0.0, 0.9):
        shown = camera_effects.develop(tones, one(contrast), one(0.0), one(0.0), one(1.0))
        assert shown[0, 0].flatten().diff().min() >= 0


def test_levels_stretch_a_flat_picture_over_the_range():
    flat = torch.linspace(0.35, 0.6, 64 * 64).view(1, 1, 64, 64).expand(1, 3, 64, 64)
    shown = camera_effects.develop(flat, one(0.0), one(1.0), one(0.0), one(1.0))
    # The gain is limited to 2.5 and the middle goes to (0.03 + 0.95) / 2.
    assert (shown.max() - shown.min()).item() == pytest.approx(0.25 * 2.5, abs=0.01)
    assert shown.mean().item() == pytest.approx(0.49, abs=0.01)


def test_without_saturation_a_photograph_is_grey():
    light, depth = scene()
    photo = camera.photograph(light, depth, settings(SATURATION=0.0), seeds(1))
    assert (photo.amax(1) - photo.amin(1)).max() == 0


@pytest.mark.parametrize("deviation", [0.4, 1.0])
def test_the_lens_blurs_like_a_gaussian(deviation):
    light = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    blurred = optics.lens(light, one(deviation), one(0.0), one(0.0))
    expected = gaussian_filter(light.numpy(), deviation, axes=(2, 3), mode="nearest", radius=3)
    np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-5)


def test_the_wide_blur_agrees_with_a_gaussian_away_from_the_border():
    light = torch.rand(1, 2, 40, 40, generator=torch.Generator().manual_seed(0))
    expected = gaussian_filter(light.numpy(), 2.5, axes=(2, 3), truncate=6)
    np.testing.assert_allclose(
        optics.gaussian(light, one(2.5)).numpy()[..., 15:25, 15:25], expected[..., 15:25, 15:25], atol=1e-4
    )


def test_vignetting_dims_the_corners_by_its_share():
    dimmed = optics.lens(torch.ones(1, 3, 33, 33), one(0.4), one(0.0), one(0.3))
    assert dimmed[0, 0, 16, 16].item() == pytest.approx(1, abs=1e-5)
    assert dimmed[0, 0, 0, 0].item() == pytest.approx(0.7, abs=1e-5)


def test_fringes_move_red_and_blue_apart_and_leave_green():
    edge = (torch.arange(64) > 55).float().expand(1, 3, 64, 64).contiguous()
    fringed = optics.lens(edge, one(0.4), one(0.02), one(0.0))
    plain = optics.lens(edge, one(0.4), one(0.0), one(0.0))
    torch.testing.assert_close(fringed[:, 1], plain[:, 1])
    assert fringed[:, 0].sum() > plain[:, 0].sum() > fringed[:, 2].sum()


def test_defocus_leaves_the_focal_plane_and_blurs_what_is_far_behind():
    rng = torch.Generator().manual_seed(0)
    light = torch.rand(1, 3, 64, 64, generator=rng)
    depth = torch.ones(1, 1, 64, 64)
    depth[..., 32:] = 20.0
    blurred = optics.defocus(light, depth, one(0.1), one(0.1))
    torch.testing.assert_close(blurred[..., :26], light[..., :26], atol=0.02, rtol=0)
    assert blurred[..., 40:].std() < 0.4 * light[..., 40:].std()


def test_a_pinhole_has_no_defocus_and_a_flat_scene_has_none_either():
    light, depth = scene()
    assert torch.equal(optics.defocus(light, depth, one(0.0), one(0.5)), light)
    flat = optics.defocus(light, torch.full_like(depth, 3.0), one(0.05), one(0.5))
    torch.testing.assert_close(flat, light, atol=1e-4, rtol=0)


def test_bloom_and_defocus_keep_constant_light():
    light, depth = torch.full((1, 3, 32, 32), 0.6), scene(size=32)[1]
    torch.testing.assert_close(optics.bloom(light, one(0.3)), light)
    torch.testing.assert_close(optics.defocus(light, depth, one(0.1), one(0.5)), light, atol=1e-3, rtol=0)


def test_sharpening_keeps_flat_areas_and_overshoots_at_edges():
    edge = (torch.arange(32) > 15).float().expand(1, 3, 32, 32) * 0.5 + 0.25
    sharp = optics.sharpen(edge, one(0.8))
    assert sharp[0, 0, 16, 2].item() == pytest.approx(0.25)
    assert sharp.max() > 0.8
    assert sharp.min() < 0.2


def test_photographs_repeat_and_do_not_depend_on_their_batch():
    light, depth = scene(6)
    rows = drawn(6)
    together = camera.photograph(light, depth, rows, seeds(6))
    assert torch.equal(together, camera.photograph(light, depth, rows, seeds(6)))
    alone = torch.cat(
        [camera.photograph(light[i : i + 1], depth[i : i + 1], rows[i : i + 1], seeds(6)[i : i + 1]) for i in range(6)]
    )
    assert (together - alone).abs().mean() < 1e-3


def test_no_effect_asks_the_device_for_a_number():
    on = {"device": "meta"}  # a device without values: any question raises
    light, depth = torch.empty(2, 3, 40, 33, **on), torch.empty(2, 1, 40, 33, **on)
    photo = camera.photograph(light, depth, torch.empty(2, camera.WIDTH, **on), torch.empty(2, dtype=torch.int64, **on))
    assert photo.shape == light.shape
