"""Groups of metrics: what every one promises, and what each takes from an answer and a sample."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm, spearmanr

from marigold.core import find
from marigold.core.colour import linear_to_srgb
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.evaluate.measures.edges import Edges
from marigold.evaluate.measures.images import Images
from marigold.evaluate.measures.intrinsic import Intrinsic
from marigold.evaluate.measures.recomposition import Recomposition
from marigold.evaluate.measures.regions import Regions
from marigold.evaluate.measures.uncertainty import Uncertainty
from marigold.evaluate.measures.whdr import Whdr
from marigold.measure import perceptual
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.tally import merge
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

HEIGHT, WIDTH = 40, 48


def random(channels: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(channels, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def scene() -> Sample:
    """Every map and annotation that a measure may ask for; depth has a step of 1 to 2 metres."""
    maps = {
        "depth": torch.full((1, HEIGHT, WIDTH), 1.0),
        "normals": torch.nn.functional.normalize(random(3, 1) - 0.5, dim=0),
        "albedo": random(3, 2) * 0.8 + 0.1,
        "roughness": random(1, 3),
        "metallicity": random(1, 4),
        "shading": random(3, 5) * 4,
        "residual": random(3, 6),
        "regions": torch.zeros(1, HEIGHT, WIDTH),
    }
    maps["depth"][:, :, 24:] = 2
    maps["depth"] += 0.05 * random(1, 7)
    maps["regions"][:, :10], maps["regions"][:, 10:20] = 1, 2
    valid = {name: torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool) for name in maps}
    means = [maps["albedo"][:, rows].flatten(1).mean(dim=1) for rows in (slice(0, 10), slice(10, 20))]
    annotations = {
        "judgements": torch.tensor([[0.1, 0.1, 0.9, 0.9, 0, 2.0]]),
        "region_albedo": torch.stack(means).double(),
    }
    image = linear_to_srgb((maps["albedo"] * maps["shading"] + maps["residual"]).clamp(0, 1) * 0.9)
    return Sample("scene/0", image, maps, valid, annotations=annotations)


def truth(modality: Modality, sample: Sample) -> torch.Tensor:
    """The values [C, H, W] of a perfect prediction, up to what is encoded."""
    return modality.decode(modality.encode(sample)[0][None])[0]


def answer(modality: Modality, sample: Sample) -> Answer:
    """A good one with an uncertainty and intervals around what they are put around."""
    values = truth(modality, sample)
    centre = modality.centre(values)
    half = 0.1 * (1 if math.isinf(modality.extent[1]) else modality.extent[1])
    return Answer(values, 0.02 * random(1, 8), (centre - half, centre + half), level=0.9)


PAIRS = [
    (measure, modality)
    for measure in find.names(Measure)
    for modality in find.names(Modality)
    if set(find.implementation(Measure, measure).outputs) <= set(find.implementation(Modality, modality).outputs)
    and find.implementation(Modality, modality).needs
]


@pytest.mark.parametrize(("measure", "modality"), PAIRS)
def test_a_group_gives_the_metrics_that_it_states_and_they_are_numbers(measure, modality):
    group, kind, sample = find.implementation(Measure, measure)(), find.implementation(Modality, modality)(), scene()
    tallies = group.score(answer(kind, sample), sample, kind, STANDARD)
    assert set(tallies) == {metric.name for metric in group.metrics(kind)}
    assert all(tally.weight == 0 or math.isfinite(tally.mean) for tally in tallies.values())


@pytest.mark.parametrize(("measure", "modality"), PAIRS)
def test_no_group_lets_an_empty_mask_pass(measure, modality):
    group, kind, sample = find.implementation(Measure, measure)(), find.implementation(Modality, modality)(), scene()
    found = answer(kind, sample)
    nothing = {name: torch.zeros_like(mask) for name, mask in sample.valid.items()}
    empty = replace(sample, valid=nothing)
    if measure in ("recomposition", "whdr") or not group.metrics(kind):
        # They look at the photo, or at judgements, and at no mask.
        tallies = group.score(found, empty, kind, STANDARD)
        assert {name: tally.mean for name, tally in tallies.items()} == {
            name: tally.mean for name, tally in group.score(found, sample, kind, STANDARD).items()
        }
        return
    with pytest.raises(DataError, match="scene/0"):
        group.score(found, empty, kind, STANDARD)


def means(group, found, sample, modality, protocol=STANDARD):
    return {name: tally.mean for name, tally in group.score(found, sample, modality, protocol).items()}


def test_edges_of_the_truth_itself_are_right():
    sample = scene()
    found = means(Edges(), Answer(sample.maps["depth"] / 5), sample, Depth())
    assert found["dbe_accuracy"] == found["dbe_completeness"] == 0
    assert found["edge_f1_1"] == found["edge_precision_1"] == found["edge_recall_1"] == 1
    assert (found["see_3"], found["flying_pixels"]) == (pytest.approx(0, abs=1e-6), 0)


def test_edges_follow_the_protocols_alignment():
    sample = scene()
    disparity = Answer(1 / sample.maps["depth"])
    right = means(Edges(), disparity, sample, Depth(), Protocol("disparity"))
    assert right["see_3"] == pytest.approx(0, abs=1e-6)
    assert means(Edges(), disparity, sample, Depth())["see_3"] > 1e-3


def test_edges_that_a_data_set_publishes_are_used():
    sample = scene()
    edge = torch.zeros(1, HEIGHT, WIDTH)
    edge[:, :, 28] = 1
    published = replace(sample, maps={**sample.maps, "edges": edge})
    found = means(Edges(), Answer(sample.maps["depth"]), published, Depth())
    # Canny puts the edge of the step at column 23 or 24.
    assert 4 <= found["dbe_accuracy"] <= 5


def test_a_scene_without_edges_counts_for_nothing():
    sample = scene()
    sample.maps["depth"] = torch.ones(1, HEIGHT, WIDTH)
    tallies = Edges().score(Answer(random(1)), sample, Depth(), STANDARD)
    assert all(tally.weight == 0 for tally in tallies.values())


def test_uncertainty_is_compared_with_the_error_of_the_protocol():
    sample, stated = scene(), random(1, 9)
    for protocol in (STANDARD, Protocol("none")):
        found = means(Uncertainty(), Answer(random(1), stated), sample, Depth(), protocol)
        error = Depth().error(random(1), sample, protocol).flatten().numpy()
        assert found["spearman"] == pytest.approx(spearmanr(stated.flatten().numpy(), error).statistic, abs=1e-9)
        assert found["risk"] == pytest.approx(error.mean())


def test_the_size_of_an_uncertainty_is_compared_in_the_units_of_the_values():
    sample = scene()
    values = truth(Appearance(), sample)
    shift = 0.1
    found = means(
        Uncertainty(scale=2.0), Answer(values - shift, torch.full((1, HEIGHT, WIDTH), 0.05)), sample, Appearance()
    )
    assert found["ence"] == pytest.approx(0, abs=1e-3)
    assert found["nll"] == pytest.approx(-norm.logpdf(shift, scale=0.1), abs=1e-3)
    # An uncertainty of nothing is one of the floor.
    sure = means(Uncertainty(floor=0.1), Answer(values - shift, torch.zeros(1, HEIGHT, WIDTH)), sample, Appearance())
    assert sure["nll"] == pytest.approx(-norm.logpdf(shift, scale=0.1), abs=1e-3)


def test_the_uncertainty_of_normals_is_a_share_of_half_a_turn():
    sample = scene()
    sample.maps["normals"] = torch.tensor([0.0, 0, 1]).view(3, 1, 1).repeat(1, HEIGHT, WIDTH)
    tilt = torch.tensor([math.sin(math.radians(9)), 0, math.cos(math.radians(9))]).view(3, 1, 1)
    found = Answer(tilt.repeat(1, HEIGHT, WIDTH), torch.full((1, HEIGHT, WIDTH), 0.05))
    assert means(Uncertainty(scale=1.0), found, sample, Normals())["ence"] == pytest.approx(0, abs=1e-4)


def test_coverage_is_the_share_that_intervals_hold():
    sample = scene()
    values, half = truth(Appearance(), sample), torch.full((5, HEIGHT, WIDTH), 0.1)
    half[:, :10] = -0.1
    found = Answer(values, None, (values - half, values + half), level=0.8)
    scored = means(Uncertainty(), found, sample, Appearance())
    assert (scored["coverage"], scored["interval_level"]) == (0.75, pytest.approx(0.8))
    assert scored["interval_width"] == pytest.approx(0.2 * 0.75 - 0.2 * 0.25, abs=1e-6)
    assert math.isnan(scored["spearman"])


def test_coverage_pools_over_pixels():
    sample, protocol = scene(), Protocol(pooling="pixel")
    values = truth(Appearance(), sample)
    whole = Answer(values, None, (values - 0.1, values + 0.1), 0.9)
    never = Answer(values, None, (values + 2, values + 3), 0.9)
    few = replace(sample, valid={name: mask.clone() for name, mask in sample.valid.items()})
    for mask in few.valid.values():
        mask[:, 10:] = False
    parts = [
        Uncertainty().score(whole, sample, Appearance(), protocol),
        Uncertainty().score(never, few, Appearance(), protocol),
    ]
    assert merge(parts)["coverage"].mean == pytest.approx(40 / 50)
    with pytest.raises(ConfigError, match="scale"):
        Uncertainty(scale=0)
    with pytest.raises(ConfigError, match="floor"):
        Uncertainty(floor=float("nan"))


def test_lpips_without_weights_is_left_out_and_said(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    names = [metric.name for metric in Images().metrics(Lighting())]
    assert names == ["albedo_ssim", "shading_ssim", "residual_ssim"]
    assert "LPIPS is left out" in Images().notes(Lighting())[0]
    assert Images().notes(Depth()) == ()


def test_ssim_is_of_the_pictures_that_are_compared():
    sample = scene()
    found = means(Images(), Answer(truth(Appearance(), sample)), sample, Appearance())
    assert found["albedo_ssim"] == pytest.approx(1, abs=1e-4)
    pairs = Lighting().compared(random(9), sample)
    expected = perceptual.ssim(*pairs["shading"]).item()
    assert means(Images(), Answer(random(9)), sample, Lighting())["shading_ssim"] == pytest.approx(expected)


def test_albedo_is_compared_in_linear_light_up_to_its_scale():
    sample = scene()
    shown = linear_to_srgb(sample.maps["albedo"] / 2)
    values = torch.cat([shown, sample.maps["roughness"], sample.maps["metallicity"]])
    found = means(Intrinsic(), Answer(values), sample, Appearance())
    assert found == {"albedo_si_mse": pytest.approx(0, abs=1e-9), "albedo_lmse": pytest.approx(0, abs=1e-9)}


def test_the_lmse_of_both_is_their_mean():
    sample = scene()
    values = torch.cat([sample.maps["albedo"], random(3, 11), sample.maps["residual"]])
    found = means(Intrinsic(), Answer(values), sample, Lighting())
    assert found["lmse"] == pytest.approx((found["albedo_lmse"] + found["shading_lmse"]) / 2)
    assert found["shading_lmse"] > 0.1


def test_disagreement_pools_over_photos_or_judgements():
    light, dark = torch.full((3, HEIGHT, WIDTH), 0.5), torch.full((3, HEIGHT, WIDTH), 0.1)
    dark[:, 20:] = 0.5
    parts = {}
    for pooling in ("image", "pixel"):
        protocol, tallies = Protocol(pooling=pooling), []
        for albedo, weight in ((light, 1.0), (dark, 3.0)):
            sample = replace(scene(), annotations={"judgements": torch.tensor([[0.1, 0.1, 0.9, 0.9, 0, weight]])})
            values = torch.cat([albedo, random(6)])
            tallies.append(Whdr().score(Answer(values), sample, Lighting(), protocol))
        parts[pooling] = merge(tallies)["whdr"].mean
    assert parts == {"image": 0.5, "pixel": 0.75}


def test_disagreement_is_judged_in_linear_light():
    # 1.2 times as bright on the screen is 1.5 times as bright in light; 1.04 is 1.09.
    for ratio, darker in ((1.2, 1), (1.04, 0)):
        albedo = torch.full((3, HEIGHT, WIDTH), 0.5)
        albedo[:, 20:] *= ratio
        judgement = torch.tensor([[0.1, 0.1, 0.9, 0.9, darker, 1.0]])
        sample = replace(scene(), annotations={"judgements": judgement})
        assert means(Whdr(), Answer(torch.cat([albedo, random(2)])), sample, Appearance())["whdr"] == 0


def test_a_photo_without_judgements_counts_for_nothing():
    sample = replace(scene(), annotations={"judgements": torch.zeros(0, 6)})
    assert Whdr().score(Answer(random(9)), sample, Lighting(), STANDARD)["whdr"].weight == 0


def test_regions_of_the_truth_are_right_and_masked_pixels_do_not_count():
    sample = scene()
    values = torch.cat([sample.maps["albedo"] / 3, random(6)])
    values[:, 5] = 0.9
    sample.valid["regions"][:, 5] = False
    measured = torch.stack(
        [sample.maps["albedo"][:, rows].flatten(1).mean(dim=1) for rows in ([0, 1, 2, 3, 4, 6, 7, 8, 9], slice(10, 20))]
    )
    sample.annotations["region_albedo"] = measured
    found = means(Regions(), Answer(values), sample, Lighting())
    assert found["albedo_intensity"] == pytest.approx(0, abs=1e-6)
    assert found["albedo_chromaticity"] == pytest.approx(0, abs=1e-3)


def test_a_photo_is_put_together_in_linear_light_at_the_best_scale():
    sample = scene()
    albedo, shading, residual = random(3, 1), random(3, 2) / 2, random(3, 3) / 4
    photo = albedo * shading + residual
    sample = replace(sample, image=linear_to_srgb(photo))
    scaled = Answer(torch.cat([albedo, shading / 2, residual / 2]))
    assert means(Recomposition(), scaled, sample, Lighting())["recomposition_error"] == pytest.approx(0, abs=1e-6)
    fixed = means(Recomposition(), scaled, sample, Lighting(up_to_scale=False))
    assert fixed["recomposition_error"] == pytest.approx(photo.mean().item() / 2, rel=1e-4)
    assert fixed["recomposition_psnr"] == pytest.approx(-10 * np.log10((photo / 2).square().mean().item()), abs=1e-3)
