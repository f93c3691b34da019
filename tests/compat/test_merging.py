"""Merging as the public implementations do it: the same results from the same members, the weak search included."""

import sys

import pytest
import torch
from diffusers import MarigoldDepthPipeline, MarigoldIntrinsicsPipeline, MarigoldNormalsPipeline

from marigold.compat._merging import DIFFUSERS, OFFICIAL, merge, merge_depth, merge_directions, merge_values
from marigold.core.errors import ConfigError, MissingExtraError
from marigold.measure.ensemble import merge_affine
from marigold.modalities.appearance import Appearance
from marigold.modalities.normals import Normals


def members(count: int, height: int = 18, width: int = 25) -> torch.Tensor:
    """One map at `count` scales and shifts of its own, with noise, [E, H, W] in 0 to 1."""
    generator = torch.Generator().manual_seed(count)
    common = torch.rand(1, height, width, generator=generator)
    gain = 0.4 + 0.4 * torch.rand(count, 1, 1, generator=generator)
    offset = 0.2 * torch.rand(count, 1, 1, generator=generator)
    return (gain * common + offset + 0.02 * torch.randn(count, height, width, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize(
    ("search", "settings"), [(DIFFUSERS, {}), (OFFICIAL, {"max_iter": 50, "tol": 1e-6})], ids=["diffusers", "official"]
)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_depth_is_that_of_diffusers(count, search, settings, shift):
    depth = members(count)
    expected = MarigoldDepthPipeline.ensemble_depth(depth[:, None], True, shift, True, **settings)
    merged, deviation = merge_depth(depth, search, scale=True, shift=shift)
    torch.testing.assert_close(merged, expected[0][0, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(deviation, expected[1][0, 0], atol=1e-6, rtol=0)


def test_large_depth_is_searched_at_the_size_of_diffusers():
    depth = members(2, 16, 1300)
    expected = MarigoldDepthPipeline.ensemble_depth(depth[:, None])[0][0, 0]
    torch.testing.assert_close(merge_depth(depth, DIFFUSERS, scale=True, shift=True)[0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_normals_are_those_of_diffusers(count):
    vectors = torch.nn.functional.normalize(torch.randn(count, 3, 9, 11, generator=torch.Generator().manual_seed(0)))
    expected = MarigoldNormalsPipeline.ensemble_normals(vectors, output_uncertainty=True)
    merged, angle = merge_directions(vectors)
    torch.testing.assert_close(merged, expected[0][0])
    torch.testing.assert_close(angle, expected[1][0])


def test_of_two_middle_values_the_lower_is_the_median():
    merged, deviation = merge_values(torch.tensor([1.0, 2.0, 4.0, 8.0]).view(4, 1, 1))
    assert (merged.item(), deviation.item()) == (2, 1)  # deviations 1, 0, 2, 6


def test_the_published_search_leaves_the_scales_where_they_start():
    depth = torch.tensor([[0.0, 0.5, 1.0, 0.25], [0.1, 0.2, 0.3, 0.15]]).view(2, 2, 2)
    # Minimum and maximum of both members are brought to 0 and 1; there they agree, and nothing is left to search.
    merged, deviation = merge_depth(depth, OFFICIAL, scale=True, shift=True)
    torch.testing.assert_close(merged, depth[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(deviation, torch.zeros(2, 2), atol=1e-6, rtol=0)


def test_one_hot_pixel_spoils_the_published_merging_and_not_ours():
    truth = torch.linspace(0.2, 0.6, 400).view(20, 20)
    spoiled = truth.expand(3, 20, 20).clone()
    spoiled[[0, 1, 2], [0, 9, 19], [5, 5, 5]] = torch.tensor([1.0, 0.8, 0.9])
    published = merge_depth(spoiled, DIFFUSERS, scale=True, shift=True)[0]
    ours = merge_affine(spoiled)[0]
    design = torch.stack([truth.flatten(), torch.ones(400)], dim=1)
    errors = [
        (design @ torch.linalg.lstsq(design, found.flatten()[:, None]).solution - found.flatten()[:, None]).abs().mean()
        for found in (published, ours)
    ]
    assert errors[1] < 1e-4 < errors[0]


def test_members_without_freedom_are_merged_as_they_are():
    depth = members(3)
    merged, _ = merge_depth(depth, DIFFUSERS, scale=False, shift=False)
    torch.testing.assert_close(merged, depth.median(dim=0).values)


def test_a_shift_without_a_scale_is_refused():
    with pytest.raises(ConfigError, match="leave compat out"):
        merge_depth(members(3), DIFFUSERS, scale=False, shift=True)


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r"marigold-dense\[eval\]"):
        merge_depth(members(3), DIFFUSERS, scale=True, shift=True)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_mean_of_depth_is_that_of_diffusers(count):
    depth = members(count)
    expected = MarigoldDepthPipeline.ensemble_depth(depth[:, None], True, True, True, reduction="mean")
    merged, deviation = merge_depth(depth, DIFFUSERS, scale=True, shift=True, reduction="mean")
    torch.testing.assert_close(merged, expected[0][0, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(deviation, expected[1][0, 0], atol=1e-5, rtol=0)


def test_the_mean_of_directions_and_of_intrinsics_is_that_of_diffusers():
    vectors = torch.nn.functional.normalize(torch.randn(3, 3, 9, 11, generator=torch.Generator().manual_seed(0)))
    expected = MarigoldNormalsPipeline.ensemble_normals(vectors, output_uncertainty=True, reduction="mean")
    for found, wanted in zip(merge(Normals(), vectors, DIFFUSERS, "mean"), expected, strict=True):
        torch.testing.assert_close(found, wanted[0])
    values = torch.rand(3, 5, 9, 11, generator=torch.Generator().manual_seed(0))
    targets = torch.cat([values, values[:, :1]], dim=1).unflatten(1, (2, 3))
    theirs, deviation = MarigoldIntrinsicsPipeline.ensemble_intrinsics(targets, True, "mean")
    merged, uncertainty = merge(Appearance(), values, DIFFUSERS, "mean")
    torch.testing.assert_close(merged, theirs.flatten(0, 1)[:5])
    torch.testing.assert_close(uncertainty[0], deviation.flatten(0, 1)[:5].mean(dim=0))


def test_the_reduction_that_a_checkpoint_states_is_followed():
    vectors = torch.nn.functional.normalize(torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(0)))
    stated = merge(Normals(reduction="mean"), vectors, DIFFUSERS)
    asked = merge(Normals(), vectors, DIFFUSERS, "mean")
    for one, other in zip(stated, asked, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(stated[0], merge(Normals(), vectors, DIFFUSERS)[0])
