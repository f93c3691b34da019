"""What every modality promises, with its default settings and with others.

Every test takes a modality alone, so that other test files can run them on modalities of their own.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch

from marigold.core.colour import linear_to_srgb
from marigold.core.errors import DataError
from marigold.core.fields import FIELDS
from marigold.core.find import implementation, name_of, names
from marigold.core.sample import Batch, Sample, stack
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

HEIGHT, WIDTH = 24, 32


VARIANTS = {
    **{name: implementation(Modality, name)() for name in names(Modality)},
    "depth without shift": Depth(shift_invariant=False),
    "depth as disparity": Depth(target_space="disparity"),
    "depth as log": Depth(target_space="log"),
    "depth as sqrt-disparity": Depth(target_space="sqrt-disparity"),
    "normals of half the range": Normals(use_full_z_range=False),
    "normals with x to the left": Normals(target_x="left"),
    "mean of normals": Normals(reduction="mean"),
    "appearance with linear albedo": Appearance(albedo_space="linear"),
    "lighting with srgb albedo": Lighting(albedo_space="srgb"),
    "lighting of known scale": Lighting(up_to_scale=False),
}

MASKED = {name: modality for name, modality in VARIANTS.items() if modality.needs}
"""Those whose truth has a mask: of a photo itself every pixel may be used."""


@pytest.fixture(params=VARIANTS)
def modality(request: pytest.FixtureRequest) -> Modality:
    return VARIANTS[request.param]


def scene(modality: Modality, seed: int = 0) -> Sample:
    """A photo with smooth random truth for what the modality needs, a tenth of it at either end of its range."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(channels: int) -> torch.Tensor:
        coarse = torch.rand(1, channels, 4, 5, generator=generator)
        fine = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0]
        low, high = (fine.flatten(1).quantile(q, dim=1)[:, None, None] for q in (0.1, 0.9))
        return ((fine - low) / (high - low)).clamp(0, 1)

    maps = {}
    for name in modality.needs:
        field = FIELDS[name]
        if field.space == "direction":
            towards = smooth(3) * 2 - 1
            towards[2] = towards[2].abs() + 0.2
            maps[name] = torch.nn.functional.normalize(towards, dim=0)
        else:
            low, high = (1, 9) if field.space == "metric" else (field.low, min(field.high, 1))
            maps[name] = low + (high - low) * smooth(field.channels)
    valid = {name: torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool) for name in maps}
    return Sample("made/0", smooth(3), maps, valid)


def truth(modality: Modality, sample: Sample) -> torch.Tensor:
    """The values [C, H, W] of a prediction without error: the truth encoded and decoded."""
    return modality.decode(modality.encode(sample)[0][None])[0]


def batch(modality: Modality, count: int = 2) -> Batch:
    sample = stack([scene(modality, seed) for seed in range(count)])
    pixels, valid = modality.encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def best_line(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Slope and offset of the least-squares line from x to y."""
    slope, offset = np.polyfit(x.flatten().double().numpy(), y.flatten().double().numpy(), 1)
    return float(slope), float(offset)


def test_its_file_name_is_its_name(modality):
    assert type(modality) is implementation(Modality, name_of(modality))


def test_its_truth_is_encoded_within_range(modality):
    pixels, valid = modality.encode(scene(modality))
    assert pixels.shape == (len(modality.targets), 3, HEIGHT, WIDTH)
    assert valid.shape == (len(modality.targets), 1, HEIGHT, WIDTH)
    assert valid.dtype == torch.bool
    assert valid.all()
    assert pixels.min() >= -1
    assert pixels.max() <= 1


def test_a_perfect_prediction_scores_perfectly(modality):
    sample = scene(modality)
    perfect = modality.score(truth(modality, sample), sample)
    grey = modality.decode(torch.zeros(1, len(modality.targets), 3, HEIGHT, WIDTH))[0]
    worse = modality.score(grey, sample)
    for metric in modality.metrics:
        # Errors reach 0, shares 1, and a peak signal-to-noise ratio ends at 100 decibel.
        best = {"dB": 100, "%": 100}.get(metric.unit, 1) if metric.higher_is_better else 0
        assert perfect[metric.name].mean == pytest.approx(best, abs=1e-3)
        assert abs(worse[metric.name].mean - best) > 0.01


def test_every_metric_that_it_states_is_scored_and_every_score_tells_the_truth_from_grey(modality):
    sample = scene(modality)
    perfect = modality.score(truth(modality, sample), sample)
    grey = modality.decode(torch.zeros(1, len(modality.targets), 3, HEIGHT, WIDTH))[0]
    assert {metric.name for metric in modality.metrics} <= perfect.keys()
    assert len({metric.name for metric in modality.metrics}) == len(modality.metrics)
    worse = modality.score(grey, sample)
    assert all(worse[name].mean != tally.mean for name, tally in perfect.items())


def test_every_reduction_that_it_states_merges_and_the_first_is_the_usual(modality):
    members = torch.stack([truth(modality, scene(modality, seed)) for seed in range(3)])
    for reduction in modality.reductions:
        merged, uncertainty = modality.ensemble(members, reduction)
        assert merged.shape == members.shape[1:]
        assert uncertainty.shape == (1, HEIGHT, WIDTH)
    usual = modality.ensemble(members)[0]
    if modality.reductions:
        torch.testing.assert_close(modality.ensemble(members, modality.reduction)[0], usual)


def test_a_score_counts_one_image(modality):
    sample = scene(modality)
    assert {tally.weight for tally in modality.score(truth(modality, sample), sample).values()} == {1}


def test_mirrored_truth_is_encoded_mirrored(modality):
    sample = scene(modality)
    there = truth(modality, sample.mirrored())
    back = Sample("back", sample.image, {k: v for k, v in modality.split(there).items() if k in FIELDS}, {}).mirrored()
    straight = modality.split(truth(modality, sample))
    for name, values in modality.split(there).items():
        unmirrored = back.maps[name] if name in FIELDS else values.flip(-1)
        torch.testing.assert_close(unmirrored, straight[name])


def test_values_of_a_mirrored_photo_come_back_mirrored(modality):
    sample = scene(modality)
    torch.testing.assert_close(modality.mirrored(truth(modality, sample.mirrored())), truth(modality, sample))


def test_a_batch_is_encoded_like_its_samples(modality):
    samples = [scene(modality, seed) for seed in range(3)]
    pixels, valid = modality.encode(stack(samples))
    for index, sample in enumerate(samples):
        alone = modality.encode(sample)
        torch.testing.assert_close(pixels[index], alone[0], rtol=0, atol=1e-6)
        assert torch.equal(valid[index], alone[1])


def test_encoding_never_waits_for_the_device(modality):
    # On the meta device no tensor has a value, so anything that would have to read one raises.
    sample = stack([scene(modality, seed) for seed in range(2)]).to("meta")
    pixels, _ = modality.encode(sample)
    values = modality.decode(pixels)
    assert modality.ensemble(values)[0].is_meta
    assert modality.resize(values, 11, 13).is_meta


def test_decoding_does_not_depend_on_batch_mates(modality):
    pixels = torch.randn(3, len(modality.targets), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    together = modality.decode(pixels)
    assert together.shape == (3, sum(modality.channels), 8, 8)
    for index in range(3):
        torch.testing.assert_close(together[index : index + 1], modality.decode(pixels[index : index + 1]))


def test_equal_members_merge_into_that_member_without_uncertainty(modality):
    member = truth(modality, scene(modality))
    merged, uncertainty = modality.ensemble(member.expand(4, -1, -1, -1))
    torch.testing.assert_close(merged, member, rtol=0, atol=1e-5)
    assert uncertainty.shape == (1, HEIGHT, WIDTH)
    assert uncertainty.abs().max() < 1e-3


def test_one_member_is_returned_as_it_is(modality):
    member = truth(modality, scene(modality))
    merged, uncertainty = modality.ensemble(member[None])
    torch.testing.assert_close(merged, member, rtol=0, atol=1e-6)
    assert uncertainty.abs().max() < 1e-6


def test_members_in_another_order_merge_into_the_same(modality):
    members = torch.stack([truth(modality, scene(modality, seed)) for seed in range(3)])
    merged, uncertainty = modality.ensemble(members)
    again = modality.ensemble(members.flip(0))
    torch.testing.assert_close(again[0], merged, rtol=0, atol=1e-6)
    torch.testing.assert_close(again[1], uncertainty, rtol=0, atol=1e-6)


def test_resized_values_stay_in_range(modality):
    values = truth(modality, scene(modality))[None]
    directions = any(FIELDS[name].space == "direction" for name in modality.needs)
    for size in ((11, 13), (50, 70)):
        resized = modality.resize(values, *size)
        assert resized.shape == (1, values.shape[1], *size)
        assert resized.min() >= (-1 if directions else 0) - 1e-6
        assert resized.max() <= 1 + 1e-6
        if directions:
            torch.testing.assert_close(resized.norm(dim=1), torch.ones(1, *size))


def test_values_of_the_wanted_size_stay_as_they_are(modality):
    values = truth(modality, scene(modality))[None]
    torch.testing.assert_close(modality.resize(values, HEIGHT, WIDTH), values)


def test_a_shrunken_mask_holds_only_what_is_valid_throughout(modality):
    sample = scene(modality)
    for place, valid in enumerate(sample.valid.values()):
        valid[:, 3 + place : 8, 9:20] = False
    _, valid = modality.encode(sample)
    _, small = modality.encode(sample.resized(HEIGHT // 2, WIDTH // 2))
    throughout = valid.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2)).all(dim=-1).all(dim=-2)
    assert not (small & ~throughout).any()
    assert small.any()


def test_resized_truth_is_encoded_within_range(modality):
    pixels, _ = modality.encode(scene(modality).resized(13, 17))
    assert pixels.isfinite().all()
    assert pixels.abs().max() <= 1
    for name, values in modality.split(modality.decode(pixels[None])[0]).items():
        if name in FIELDS and FIELDS[name].space == "direction":
            torch.testing.assert_close(values.norm(dim=0), torch.ones(13, 17))


def test_decoding_what_was_encoded_gives_the_truth(modality):
    sample = scene(modality)
    fields = {**sample.maps, "image": sample.image}
    for name, found in modality.split(truth(modality, sample)).items():
        if name not in fields:
            continue
        # A reflectance may be given in sRGB.
        known = [fields[name], linear_to_srgb(fields[name].clamp(0, 1))][: 2 if name == "albedo" else 1]
        wanted = min(known, key=lambda x: (x - found).abs().max())
        slope, offset = best_line(wanted, found)
        torch.testing.assert_close(slope * wanted + offset, found, rtol=0, atol=1e-4)
        assert slope > 0
        # Only what has no upper end of its own has lost its scale.
        if name not in FIELDS or FIELDS[name].high < float("inf"):
            assert (slope, offset) == pytest.approx((1, 0), abs=1e-4)


def test_the_truth_has_no_loss_and_anything_else_has(modality):
    shown = batch(modality)
    values = modality.decode(shown.pixels)
    assert modality.loss(values, shown).shape == ()
    assert modality.loss(values, shown) < 1e-4
    assert modality.loss(modality.decode(shown.pixels.flip(-2)), shown) > 1e-2


def test_the_loss_has_a_gradient_that_leads_to_the_truth(modality):
    shown = batch(modality)
    start = shown.pixels.flip(-2).clamp(-0.99, 0.99)
    pixels = start.clone().requires_grad_()
    loss = modality.loss(modality.decode(pixels), shown)
    loss.backward()
    assert pixels.grad.isfinite().all()
    assert pixels.grad.abs().max() > 0
    step = 0.02 * pixels.grad / pixels.grad.abs().max()
    assert modality.loss(modality.decode(start - step), shown) < loss


def test_the_loss_sees_valid_pixels_only(modality):
    shown = batch(modality)
    shown.valid[..., :5, :] = False
    spoiled = modality.decode(shown.pixels)
    spoiled[..., :5, :] = spoiled[..., :5, :].flip(-1)
    assert modality.loss(spoiled, shown) < 1e-4


def test_without_a_valid_pixel_loss_and_gradient_are_zero(modality):
    shown = batch(modality)
    shown.valid.zero_()
    pixels = shown.pixels.flip(-1).clone().requires_grad_()
    loss = modality.loss(modality.decode(pixels), shown)
    loss.backward()
    assert loss == 0
    assert not pixels.grad.any()


def test_a_tiny_change_of_the_members_changes_the_merged_values_as_little(modality):
    members = torch.stack([truth(modality, scene(modality))] * 5)
    generator = torch.Generator().manual_seed(7)
    members = modality.resize(members + 0.02 * torch.randn(members.shape, generator=generator), HEIGHT, WIDTH)
    change = 1e-7 * torch.randn(members.shape, generator=generator)
    merged, uncertainty = modality.ensemble(members)
    nudged = modality.ensemble(members + change)
    torch.testing.assert_close(nudged[1], uncertainty, rtol=0, atol=1e-5)
    torch.testing.assert_close(nudged[0], merged, rtol=0, atol=1e-5)


def test_merging_is_deterministic(modality):
    members = torch.stack([truth(modality, scene(modality, seed)) for seed in range(4)])
    once, again = modality.ensemble(members), modality.ensemble(members.clone())
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])


def test_a_checkpoint_gives_it_back(modality):
    settings = dataclasses.asdict(modality) if dataclasses.is_dataclass(modality) else {}
    assert type(modality).stored(json.loads(json.dumps({**modality.options(), **settings}))) == modality


def test_other_keys_of_a_checkpoint_are_tolerated(modality):
    assert type(modality).stored({"unheard_of": [1, 2], "default_denoising_steps": 4}) == type(modality)()


@pytest.mark.parametrize("modality", MASKED.values(), ids=MASKED)
def test_an_empty_mask_raises_and_names_the_sample(modality):
    sample = scene(modality)
    for valid in sample.valid.values():
        valid.zero_()
    with pytest.raises(DataError, match="made/0"):
        modality.score(torch.zeros(sum(modality.channels), HEIGHT, WIDTH), sample)


def test_its_maps_are_shown_as_pictures(modality):
    values = modality.split(truth(modality, scene(modality)))
    maps = {name: np.moveaxis(x.numpy(), 0, -1) if len(x) > 1 else x[0].numpy() for name, x in values.items()}
    pictures = modality.colorize(maps)
    assert pictures
    for picture in pictures.values():
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8


def test_baselines_are_values_that_can_be_scored(modality):
    sample = scene(modality)
    for values in modality.baselines(sample).values():
        assert values.shape == truth(modality, sample).shape
        assert modality.score(values, sample)


def test_its_options_fit_into_json(modality):
    assert json.loads(json.dumps(modality.options())) == modality.options()
