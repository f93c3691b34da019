"""From photo to map: `Predictor` gives what diffusers' pipelines give from the same weights, noise and settings."""

from itertools import combinations

import numpy as np
import pytest
import torch

from marigold.compat.base import rules
from toys.peers import MODALITIES, STRIDE, cover, peers, photo

AXES = {
    "modality": tuple(MODALITIES),
    "size": ((32, 48), (37, 51), (75, 101), (90, 61), (20, 130)),
    "steps": (1, 2, 4, 10),
    "resolution": (0, 64, 40, 100),
    "scheduler": ("DDIMScheduler", "LCMScheduler"),
    "output": ("v_prediction", "epsilon", "sample"),
    "ensemble": (1, 3, 4, 2),
    "autoencoder": ("kl", "tiny"),
    "match": (True, False),
    "photos": (1, 2),
}
CASES = cover(AXES)
# What our own rules have in common with those of diffusers: no map shrinks, and no even number of members is merged.
COMMON = AXES | {"resolution": (0, 28, 20), "size": ((32, 48), (37, 51), (90, 61), (28, 130)), "ensemble": (1, 3)}
COMMON_CASES = cover(COMMON)


def noise_for(predictor, size, resolution, members, draws):
    """Noise [members, draws, C, h, w]: the start of each member and what its sampler adds between steps."""
    backbone = predictor.estimator.backbone
    native = rules("none")
    latent_size = native.latent_size(native.working_size(*size, resolution, "longest", STRIDE))
    shape = (backbone.targets * backbone.latent_channels, *latent_size)
    return torch.randn(members, draws, *shape, generator=torch.Generator().manual_seed(1))


def theirs(pipeline, images, noise, monkeypatch=None, **settings):
    """Predictions and uncertainties [N, T, H, W, C]; what the scheduler adds between steps is taken from `noise`."""
    if noise is not None:
        later = iter(noise[:, 1:].flatten(0, 1).unsqueeze(1))
        monkeypatch.setattr("diffusers.schedulers.scheduling_lcm.randn_tensor", lambda *_, **__: next(later))
        settings["latents"] = noise[:, 0]
    found = pipeline(images, **settings)
    return [
        None if maps is None else maps.reshape(len(images), -1, *maps.shape[1:])
        for maps in (found.prediction, found.uncertainty)
    ]


def as_maps(ours):
    """Our maps as the pipelines stack them; a material's third channel means nothing and is left out."""
    maps = [each[..., None] if each.ndim == 2 else each for each in ours.maps.values()]
    return [maps[0], np.concatenate(maps[1:], axis=-1)] if len(maps) == 3 and maps[1].shape[-1] == 1 else maps


def assert_close(ours, expected, tied=0.0):
    """Maps agree to 1e-4, but for a share of pixels where two members are equally good and rounding takes one."""
    for found, wanted in zip(ours, expected, strict=True):
        difference = np.abs(found - wanted[..., : found.shape[-1]]).max(axis=-1)
        assert (difference > 1e-4).mean() <= tied, difference.max()


@pytest.mark.parametrize(("axes", "cases"), [(AXES, CASES), (COMMON, COMMON_CASES)])
def test_every_two_settings_meet_in_a_case(axes, cases):
    for a, b in combinations(axes, 2):
        assert {(case[a], case[b]) for case in cases} == {(x, y) for x in axes[a] for y in axes[b]}


def named(case):
    return "-".join(str(value).replace(" ", "") for value in case.values())


def both(case, count, compat, monkeypatch):
    """Our predictions of every photo, and the maps and uncertainties of diffusers."""
    predictor, pipeline = peers(case["modality"], case["autoencoder"], case["output"], case["scheduler"])
    images = photo(*case["size"], case["photos"])
    draws = case["steps"] if case["scheduler"] == "LCMScheduler" else 1
    noise = noise_for(predictor, case["size"], case["resolution"], len(images) * count, draws)
    settings = {"ensemble_size": count, "num_inference_steps": case["steps"], "output_uncertainty": count > 1}
    settings |= {"processing_resolution": case["resolution"], "match_input_resolution": case["match"]}
    found = theirs(pipeline, images, noise, monkeypatch, **settings)
    settings = {"steps": case["steps"], "resolution": case["resolution"], "match_input": case["match"]}
    ours = [
        predictor.predict(image, noise=start, compat=compat, **settings)
        for image, start in zip(images, noise.split(count), strict=True)
    ]
    return ours, *found


@pytest.mark.parametrize("case", CASES, ids=named)
def test_in_compatibility_maps_and_uncertainties_are_those_of_diffusers(case, monkeypatch):
    # Of members of depth the search that aligns them, and of two normals that are equally close, rounding takes one:
    # tests/measure/test_published.py has these from equal members.
    normals = "normals" in case["modality"]
    count = 1 if case["modality"] == "depth" or (normals and case["ensemble"] == 2) else case["ensemble"]
    ours, maps, uncertainties = both(case, count, "diffusers", monkeypatch)
    tied = 1e-2 if normals and count > 1 else 0
    for number, prediction in enumerate(ours):
        found = as_maps(prediction)
        assert_close(found, maps[number], tied)
        if count > 1:
            parts = zip(uncertainties[number], found, strict=True)
            expected = np.concatenate([part[..., : used.shape[-1]] for part, used in parts], axis=-1).mean(axis=-1)
            np.testing.assert_allclose(prediction.uncertainty, expected, atol=1e-3)


@pytest.mark.parametrize("case", COMMON_CASES, ids=named)
def test_maps_are_those_of_diffusers_wherever_both_mean_the_same(case, monkeypatch):
    count = 1 if case["modality"] in ("depth", "lighting") else case["ensemble"]
    ours, maps, _ = both(case, count, "none", monkeypatch)
    tied = 1e-2 if "normals" in case["modality"] and count > 1 else 0
    for number, prediction in enumerate(ours):
        assert_close(as_maps(prediction), maps[number], tied)


@pytest.mark.parametrize(("scheduler", "steps"), [("DDIMScheduler", 2), ("LCMScheduler", 1), ("LCMScheduler", 3)])
@pytest.mark.parametrize("modality", ["normals", "appearance"])
def test_a_seed_is_a_generator_of_that_seed(modality, scheduler, steps):
    predictor, pipeline = peers(modality, scheduler=scheduler)
    image = photo(37, 51)
    maps, _ = theirs(
        pipeline,
        image,
        None,
        ensemble_size=3,
        num_inference_steps=steps,
        processing_resolution=40,
        generator=torch.Generator().manual_seed(7),
    )
    ours = predictor.predict(image[0], steps=steps, ensemble=3, resolution=40, seed=7, compat="diffusers")
    assert_close(as_maps(ours), maps[0], 1e-2 if modality == "normals" else 0)
