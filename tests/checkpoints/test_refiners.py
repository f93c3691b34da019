"""Refiners: found for a checkpoint, read in the order of inputs here, and refused where they do not fit."""

import json
import shutil

import numpy as np
import pytest
import torch

from marigold import checkpoint
from marigold.checkpoints import catalogue, refiners, store
from marigold.checkpoints.hub import needed
from marigold.core.errors import CheckpointError
from marigold.core.seeds import stream
from marigold.predict.predictor import load
from toys.published import edit, marigold, parts
from toys.refining import networks

PHOTO = torch.rand(3, 24, 32, generator=stream(0, "photo"))


def saved(folder, modality="depth", **options):
    store.save(networks(modality, **options), folder)
    return folder


def high_resolution(folder):
    """A folder like `prs-eth/marigold-depth-hr-v1-1`, and diffusers' own network that refines in it."""
    marigold(folder, "marigold-depth-v1-1")
    edit(folder / "model_index.json", _class_name="MarigoldDepthHRPipeline", default_denoising_steps=10)
    network = parts(folder.parent, 12, 4)["unet"]
    network.save_pretrained(folder / "boosting_unet")
    return network


@torch.no_grad()
def test_a_published_refiner_sees_noisy_depth_global_depth_and_photo_in_this_order(tmp_path):
    theirs = high_resolution(tmp_path / "hr")
    found = refiners.find(store.describe(tmp_path / "hr"))
    estimator = refiners.read(found, torch.float32)
    assert (estimator.backbone.conditions, estimator.backbone.targets) == (2, 1)
    noisy, coarse, photo = torch.randn(3, 1, 4, 6, 8, generator=stream(0, "latents"))
    t = torch.tensor([700])
    prompt = estimator.backbone.prompt
    expected = theirs(torch.cat([noisy, coarse, photo], dim=1), t, prompt, return_dict=False)[0]
    ours = estimator.backbone.network(noisy, t, torch.cat([photo, coarse], dim=1))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_a_published_folder_of_high_resolution_opens_as_a_plain_checkpoint_too(tmp_path):
    high_resolution(tmp_path / "hr")
    model = checkpoint.open(tmp_path / "hr")
    assert (model.backbone.conditions, model.card.modality, model.card.defaults["steps"]) == (1, "depth", 10)


def test_the_refiner_beside_a_checkpoint_s_own_network_refines_its_maps(tmp_path):
    high_resolution(tmp_path / "hr")
    predictor = load(tmp_path / "hr", device="cpu")
    found = predictor.predict(PHOTO, hr=True, resolution=16, tile=16, steps=1, refiner_steps=1)
    assert found.maps["depth"].shape == (24, 32)
    assert predictor.refiner.autoencoder is predictor.runtime
    assert found.report["settings"]["refinement"]["steps"] == 1


def test_another_checkpoint_may_be_refined_by_the_network_of_a_published_folder(tmp_path):
    high_resolution(tmp_path / "hr")
    marigold(tmp_path / "plain", "marigold-depth-v1-1")
    predictor = load(tmp_path / "plain", device="cpu", refiner=tmp_path / "hr")
    predictor.predict(PHOTO, hr=True, resolution=16, tile=16, steps=1, refiner_steps=1)
    assert predictor.refiner.runtime.estimator.backbone.conditions == 2


def test_a_second_network_of_another_width_is_no_refiner(tmp_path):
    high_resolution(tmp_path / "hr")
    shutil.rmtree(tmp_path / "hr" / "boosting_unet")
    parts(tmp_path, 16, 4)["unet"].save_pretrained(tmp_path / "hr" / "boosting_unet")
    with pytest.raises(CheckpointError, match=r"boosting_unet: is no refiner: its network takes 3 .* depth takes 2"):
        refiners.read(refiners.find(store.describe(tmp_path / "hr")), torch.float32)


def test_a_second_network_without_weights_says_what_is_missing(tmp_path):
    high_resolution(tmp_path / "hr")
    (tmp_path / "hr" / "boosting_unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="boosting_unet"):
        refiners.read(refiners.find(store.describe(tmp_path / "hr")), torch.float32)


@pytest.mark.parametrize("modality", ["depth", "normals", "appearance"])
def test_a_refiner_in_a_folder_of_its_own_refines_every_modality(tmp_path, modality):
    saved(tmp_path / "plain", modality)
    saved(tmp_path / "refiner", modality, refines=True)
    predictor = load(tmp_path / "plain", device="cpu", refiner=tmp_path / "refiner")
    maps = predictor.predict(PHOTO, hr=True, resolution=16, tile=32).maps
    assert all(map_.shape[:2] == (24, 32) and np.isfinite(map_).all() for map_ in maps.values())
    revision = json.loads((tmp_path / "refiner" / "card.json").read_text())["revision"]
    assert predictor.refiner_card.revision == revision


def test_the_bundled_refiner_of_a_modality_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path / "weights")
    saved(tmp_path / "weights" / "depth")
    assert catalogue.refiner_of("depth") is None
    saved(tmp_path / "weights" / "depth-hr", refines=True, name="depth-hr")
    assert refiners.find(store.describe("depth")).described.card.name == "depth-hr"


def test_a_bundled_refiner_is_not_offered_as_what_predicts(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path / "weights")
    saved(tmp_path / "weights" / "depth")
    saved(tmp_path / "weights" / "depth-hr", refines=True)
    assert store._instead("depth") == ["depth"]


def test_where_there_is_no_refiner_the_message_says_what_to_do(tmp_path):
    saved(tmp_path / "plain", name="plain")
    words = (
        "checkpoint `plain`: has no refiner, and none for depth is bundled; name one with --refiner, or leave --hr out"
    )
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path / "plain", device="cpu").predict(PHOTO, hr=True)


def test_a_refiner_of_another_modality_is_refused(tmp_path):
    saved(tmp_path / "plain")
    saved(tmp_path / "refiner", "normals", refines=True)
    with pytest.raises(CheckpointError, match=r"refines normals, and `toy` predicts depth; choose a refiner of that"):
        refiners.find(store.describe(tmp_path / "plain"), tmp_path / "refiner")


def test_a_refiner_that_encodes_otherwise_is_refused(tmp_path):
    saved(tmp_path / "plain")
    saved(tmp_path / "refiner", refines=True)
    edit(tmp_path / "refiner" / "card.json", options={"target_space": "log"})
    with pytest.raises(CheckpointError, match=r"encodes depth in another way than `toy`.*trained behind it"):
        refiners.find(store.describe(tmp_path / "plain"), tmp_path / "refiner")


def test_a_plain_checkpoint_is_no_refiner(tmp_path):
    saved(tmp_path / "plain")
    with pytest.raises(CheckpointError, match=r"no refiner: its network takes 1 latents .* choose another --refiner"):
        refiners.read(refiners.find(store.describe(tmp_path / "plain"), tmp_path / "plain"), torch.float32)


def test_a_refiner_opened_to_predict_alone_is_refused(tmp_path):
    saved(tmp_path / "refiner", refines=True)
    with pytest.raises(CheckpointError, match="is a refiner, which sees a coarse map beside the photo"):
        load(tmp_path / "refiner", device="cpu")


def test_the_second_network_of_a_repository_is_fetched_along():
    there = [
        "model_index.json",
        *(f"{part}/{name}" for part in ("unet", "vae", "boosting_unet") for name in ("config.json", "notes.md")),
        *(f"{part}/diffusion_pytorch_model.fp16.safetensors" for part in ("unet", "vae", "boosting_unet")),
        "boosting_unet/diffusion_pytorch_model.bin",
        "pipeline.py",
    ]
    wanted = needed(there)
    assert "boosting_unet/diffusion_pytorch_model.fp16.safetensors" in wanted
    assert "boosting_unet/config.json" in wanted
    assert not any(name.endswith((".py", ".bin", ".md")) for name in wanted)
