"""Merging members that are each right up to scale and shift."""

from itertools import pairwise

import pytest
import torch

from marigold.measure.ensemble import merge_affine


def smooth_map(height: int = 48, width: int = 64) -> torch.Tensor:
    """A tilted plane with two bumps, in 0.1 to 0.9, float64."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height).double(), torch.linspace(0, 1, width).double(), indexing="ij")
    bumps = torch.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 0.02) + 0.5 * torch.exp(-((x - 0.8) ** 2) / 0.01)
    field = 1 - y + 0.3 * x - 0.5 * bumps
    return 0.1 + 0.8 * (field - field.min()) / (field.max() - field.min())


def distorted(common: torch.Tensor, scales: list[float], shifts: list[float]) -> torch.Tensor:
    return torch.stack([scale * common + shift for scale, shift in zip(scales, shifts, strict=True)])


def affine_residual(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest error of `a` after the best scale and shift to `b`."""
    design = torch.stack([a.flatten(), torch.ones_like(a.flatten())], dim=1)
    fit = torch.linalg.lstsq(design, b.flatten()[:, None]).solution
    return (design @ fit - b.flatten()[:, None]).abs().max().item()


def noisy_members(count: int = 5, noise: float = 0.02) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    scales = torch.linspace(0.6, 0.95, count).tolist()
    shifts = torch.linspace(0.05, 0.0, count).tolist()
    members = distorted(smooth_map(), scales, shifts)
    return members + noise * torch.randn(members.shape, generator=generator, dtype=torch.float64)


def test_a_noiseless_common_map_is_recovered_with_the_members_typical_scale_and_shift():
    common = smooth_map()
    merged, deviation = merge_affine(distorted(common, [0.5, 0.7, 1.0], [0.3, 0.2, 0.0]))
    # Scale and shift are the medians over the members of what they show at the common map's 5 % and 95 % quantiles.
    low, high = common.quantile(0.05).item(), common.quantile(0.95).item()
    at_low = sorted([0.5 * low + 0.3, 0.7 * low + 0.2, low])[1]
    at_high = sorted([0.5 * high + 0.3, 0.7 * high + 0.2, high])[1]
    expected = at_low + (common - low) / (high - low) * (at_high - at_low)
    torch.testing.assert_close(merged, expected, rtol=0, atol=1e-9)
    assert deviation.max() < 1e-9


def test_one_member_is_returned_as_it_is():
    member = torch.rand(1, 8, 8)
    merged, deviation = merge_affine(member)
    assert torch.equal(merged, member[0])
    assert not deviation.any()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_equal_members_are_returned_as_they_are(count):
    member = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    merged, deviation = merge_affine(member.expand(count, -1, -1))
    torch.testing.assert_close(merged, member, rtol=0, atol=1e-6)
    assert deviation.max() < 1e-6


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_order_of_the_members_does_not_matter(count):
    members = noisy_members(count)
    merged, deviation = merge_affine(members)
    again = merge_affine(members.flip(0))
    torch.testing.assert_close(again[0], merged, rtol=0, atol=1e-12)
    torch.testing.assert_close(again[1], deviation, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tiny_change_of_the_members_changes_the_result_as_little(dtype):
    members = noisy_members(6).to(dtype)
    change = 1e-7 * torch.randn(members.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    merged, _ = merge_affine(members)
    nudged, _ = merge_affine(members + change)
    assert (nudged - merged).abs().max() < 2e-6


@pytest.mark.parametrize("kind", ["inverted", "noise", "constant"])
def test_one_outlier_of_five_does_little_harm(kind):
    members = noisy_members(5, noise=0.0)
    members[2] = {
        "inverted": 1 - members[2],
        "noise": torch.rand(48, 64, generator=torch.Generator().manual_seed(3)).double(),
        "constant": torch.full((48, 64), 0.5).double(),
    }[kind]
    merged, _ = merge_affine(members)
    assert affine_residual(merged, smooth_map()) < 1e-3


def test_hot_pixels_in_every_member_do_not_disturb_the_fit():
    common = smooth_map()
    members = distorted(common, [0.5, 0.7, 0.9], [0.3, 0.2, 0.0])
    for index in range(3):
        members[index, 7 * index : 7 * index + 3, 11:14] = 1.0
    merged, _ = merge_affine(members)
    assert affine_residual(merged, common) < 1e-3


def test_merging_ten_noisy_members_is_better_than_one():
    members = noisy_members(10, noise=0.05)
    merged, _ = merge_affine(members)
    clean = smooth_map()

    def error(estimate: torch.Tensor) -> float:
        design = torch.stack([estimate.flatten(), torch.ones_like(estimate.flatten())], dim=1)
        fit = torch.linalg.lstsq(design, clean.flatten()[:, None]).solution
        return (design @ fit - clean.flatten()[:, None]).std()

    # The median of ten has about 0.37 of the spread of one.
    typical = sum(error(member) for member in members) / len(members)
    assert error(merged) < 0.42 * typical


def test_noise_does_not_collapse_the_scale():
    merged, _ = merge_affine(noisy_members(10, noise=0.05))
    middle = noisy_members(10, noise=0.0)[4:6].mean(dim=0)
    spread = (merged.quantile(0.9) - merged.quantile(0.1)) / (middle.quantile(0.9) - middle.quantile(0.1))
    assert spread.item() == pytest.approx(1, abs=0.05)


def test_the_deviation_is_the_median_distance_to_the_median():
    common = smooth_map()
    members = torch.stack([common, common, common])
    members[0, 10, 10] += 0.05
    members[1, 10, 10] -= 0.04
    _, deviation = merge_affine(members)
    # Distances 0.05, 0.04 and 0 at that pixel, 0 elsewhere.
    assert deviation[10, 10].item() == pytest.approx(0.04, abs=1e-4)
    assert deviation[30, 30].item() < 1e-4


def test_without_scale_and_shift_members_are_compared_as_they_are():
    members = torch.stack([torch.full((4, 4), value) for value in (0.1, 0.2, 0.9, 0.4)])
    merged, deviation = merge_affine(members, scale=False, shift=False)
    assert merged.unique().tolist() == pytest.approx([0.3])
    assert deviation.unique().tolist() == pytest.approx([0.15])


def test_scale_alone_is_recovered():
    common = smooth_map()
    merged, deviation = merge_affine(distorted(common, [0.5, 0.8, 1.0], [0, 0, 0]), shift=False)
    torch.testing.assert_close(merged, 0.8 * common, rtol=0, atol=1e-9)
    assert deviation.max() < 1e-9


def test_shift_alone_is_recovered():
    common = 0.5 * smooth_map()
    merged, deviation = merge_affine(distorted(common, [1, 1, 1], [0.0, 0.1, 0.3]), scale=False)
    torch.testing.assert_close(merged, common + 0.1, rtol=0, atol=1e-9)
    assert deviation.max() < 1e-9


def test_constant_members_stay_constant():
    merged, deviation = merge_affine(torch.full((3, 8, 8), 0.25))
    torch.testing.assert_close(merged, torch.full((8, 8), 0.25))
    assert deviation.max() < 1e-6


def test_the_result_stays_in_range():
    generator = torch.Generator().manual_seed(4)
    merged, deviation = merge_affine(torch.rand(4, 32, 32, generator=generator))
    assert merged.min() >= 0
    assert merged.max() <= 1
    assert deviation.isfinite().all()


@pytest.mark.parametrize("kind", ["inverted", "noise", "constant"])
def test_an_outlier_of_three_leaves_the_mean_of_the_two_others(kind):
    members = noisy_members(3)
    expected = (members[0] + members[1]) / 2
    members[2] = {
        "inverted": 1 - members[2],
        "noise": torch.rand(48, 64, generator=torch.Generator().manual_seed(3)).double(),
        "constant": torch.full((48, 64), 0.5).double(),
    }[kind]
    merged, _ = merge_affine(members)
    # Up to the scales of the two: 0.6 and 0.775, so one counts a little more.
    assert affine_residual(merged, expected) < 0.15 * affine_residual(members[0], expected)


def test_a_member_that_becomes_odd_is_given_up_gradually():
    others = noisy_members(4)
    noise = torch.rand(48, 64, generator=torch.Generator().manual_seed(5)).double()
    merged = [
        merge_affine(torch.cat([others, torch.lerp(others[0], noise, share)[None]]))[0]
        for share in torch.linspace(0, 1, 51, dtype=torch.float64)
    ]
    steps = torch.stack([(after - before).abs().max() for before, after in pairwise(merged)])
    # In 50 steps of 0.02, none changes the result by more than two of them.
    assert steps.max() < 0.04
