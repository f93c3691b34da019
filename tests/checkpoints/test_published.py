"""Checkpoints that others published open as they are, and give what the code beside them gives."""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from marigold import checkpoint
from marigold.accel.plan import Plan
from marigold.checkpoints.convention import Convention
from marigold.checkpoints.hub import is_hub_id
from marigold.checkpoints.published import derived_card, published
from marigold.core import find
from marigold.core.errors import CheckpointError
from marigold.core.find import implementation, names
from marigold.core.seeds import stream
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.predict.predictor import Predictor
from toys.published import APPEARANCE, KINDS, edit, end_to_end, lotus, marigold

MODALITIES = {
    "marigold-depth-v1-0": "depth",
    "marigold-depth-v1-1": "depth",
    "marigold-depth-lcm-v1-0": "depth",
    "marigold-normals-v0-1": "normals",
    "marigold-normals-v1-1": "normals",
    "marigold-normals-lcm-v0-1": "normals",
    "marigold-iid-appearance-v1-1": "appearance",
    "marigold-iid-lighting-v1-1": "lighting",
}
PHOTO = torch.rand(1, 3, 16, 24, generator=stream(0, "photo"))


def start(model: Estimator, draws: int = 1) -> torch.Tensor:
    """Noise [S, 1, N * C, h, w] for PHOTO."""
    return torch.randn(draws, 1, 4 * model.backbone.targets, 8, 12, generator=stream(0, "noise"))


@torch.no_grad()
def ours(model: Estimator, steps: int) -> torch.Tensor:
    """Values [C, H, W]."""
    noise = start(model, steps)
    sampling = model.sampling(steps, "published")
    latent = model.sample(model.encode_image(PHOTO * 2 - 1), noise[0], sampling, fresh=noise[1:].__getitem__)
    return model.decode(latent)[0]


def theirs(pipeline, model: Estimator, steps: int) -> torch.Tensor:
    """The values of diffusers' pipeline [C, H, W] for the same noise, without the channels that are unused."""
    options = {"processing_resolution": 0, "latents": start(model, steps)[0], "output_type": "pt"}
    found = pipeline(PHOTO, num_inference_steps=steps, **options).prediction
    return found.flatten(0, 1)[: sum(model.modality.channels)]


@pytest.mark.parametrize("name", KINDS)
def test_every_published_layout_opens_and_gives_the_maps_of_diffusers(tmp_path, name):
    pipeline = marigold(tmp_path / name, name)
    model = checkpoint.open(tmp_path / name)
    assert model.card.modality == MODALITIES[name]
    for steps in (1, 4) if "lcm" not in name else (1,):
        torch.testing.assert_close(ours(model, steps), theirs(pipeline, model, steps), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", ["marigold-depth-lcm-v1-0", "marigold-normals-lcm-v0-1"])
@pytest.mark.parametrize("steps", [2, 4])
def test_consistency_models_take_several_steps_as_in_diffusers(tmp_path, name, steps):
    pipeline = marigold(tmp_path / name, name)
    model = checkpoint.open(tmp_path / name)
    noise = start(model)[0]
    torch.manual_seed(7)  # beside given latents, diffusers draws what goes in between from the global state
    expected = theirs(pipeline, model, steps)
    torch.manual_seed(7)
    latent = model.sample(model.encode_image(PHOTO * 2 - 1), noise, steps, fresh=lambda _: torch.randn(noise.shape))
    torch.testing.assert_close(model.decode(latent)[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", KINDS)
def test_a_published_checkpoint_saved_here_keeps_what_its_index_says(tmp_path, name):
    pipeline = marigold(tmp_path / name, name)
    checkpoint.save(checkpoint.open(tmp_path / name), tmp_path / "saved")
    again = type(pipeline).from_pretrained(tmp_path / "saved")
    assert type(again.scheduler) is type(pipeline.scheduler)
    assert again.scheduler.alphas_cumprod.equal(pipeline.scheduler.alphas_cumprod)
    assert again.default_denoising_steps == (pipeline.default_denoising_steps or 10)
    assert again.default_processing_resolution == (pipeline.default_processing_resolution or 768)
    for key in ("scale_invariant", "shift_invariant", "use_full_z_range"):
        assert again.config.get(key) == pipeline.config.get(key)
    targets = (pipeline.config.get("target_properties") or {}).get("target_names")
    assert (again.config.get("target_properties") or {}).get("target_names") == targets


def predicted(folder: Path, plan: Plan | None = None, **settings):
    """The prediction of PHOTO at its own size."""
    return Predictor(checkpoint.open(folder), plan).predict(PHOTO[0], resolution=0, **settings)


def test_members_of_a_consistency_model_do_not_depend_on_their_batch(tmp_path):
    marigold(tmp_path / "toy", "marigold-normals-lcm-v0-1")
    alone, together = (predicted(tmp_path / "toy", Plan(pixels_at_once=n), steps=3, ensemble=4) for n in (0, 10**9))
    np.testing.assert_allclose(alone.maps["normals"], together.maps["normals"], atol=1e-4)
    first = predicted(tmp_path / "toy", steps=3).maps["normals"]
    again = predicted(tmp_path / "toy", steps=3).maps["normals"]
    np.testing.assert_array_equal(first, again)
    other = predicted(tmp_path / "toy", steps=3, seed=1).maps["normals"]
    assert np.abs(first - other).max() > 1e-3


def test_leading_times_are_replaced_with_a_note_in_the_report_unless_published_ones_are_asked_for(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-v1-0")
    (note,) = predicted(tmp_path / "toy", steps=1).report["notes"]
    assert "`leading` times start at 1 of 1000; took `trailing` ones (see --spacing)" in note
    assert predicted(tmp_path / "toy", steps=1, spacing="published").report["notes"] == []
    assert predicted(tmp_path / "toy", steps=1, spacing="trailing").report["notes"] == []


def test_members_that_would_be_the_same_are_predicted_once_with_a_note(tmp_path):
    end_to_end(tmp_path / "marigold-e2e-ft-depth")
    found = predicted(tmp_path / "marigold-e2e-ft-depth", ensemble=5)
    np.testing.assert_array_equal(found.maps["depth"], predicted(tmp_path / "marigold-e2e-ft-depth").maps["depth"])
    assert found.uncertainty is None
    assert "all members are the same" in found.report["notes"][0]


def test_views_make_an_ensemble_of_a_checkpoint_that_starts_from_nothing_random(tmp_path):
    end_to_end(tmp_path / "marigold-e2e-ft-depth")
    found = predicted(tmp_path / "marigold-e2e-ft-depth", ensemble=4, tta="flip-scale")
    assert found.uncertainty is not None and found.uncertainty.max() > 0
    assert found.report["notes"] == []
    more = predicted(tmp_path / "marigold-e2e-ft-depth", ensemble=9, tta="flip-scale")
    np.testing.assert_array_equal(more.maps["depth"], found.maps["depth"])
    assert "took the 4 that differ" in more.report["notes"][0]


def test_consistency_models_that_state_no_steps_take_one(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-lcm-v1-0")
    edit(tmp_path / "toy" / "model_index.json", default_denoising_steps=None)
    assert checkpoint.open(tmp_path / "toy").card.defaults["steps"] == 1


def test_a_modality_of_another_package_states_its_pipeline_and_its_checkpoints(tmp_path, monkeypatch):
    (tmp_path / "warmth.py").write_text(
        "from marigold.modalities.image import Image\n"
        "class Warmth(Image):\n"
        "    pipelines = ('WarmthPipeline',)\n"
        "    published = {'toys/warmth': 'MIT'}\n"
        "    single_step = {'warm': {}}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(find, "plugins", lambda family: {"warmth": "warmth"} if "modalities" in family else {})
    assert published()["toys/warmth"].licence == "MIT"
    end_to_end(tmp_path / "toy", _class_name="WarmthPipeline")
    index = {"_class_name": "WarmthPipeline"}
    (tmp_path / "plain" / "unet").mkdir(parents=True)
    assert derived_card("toys/warmth", tmp_path / "plain", index).modality == "warmth"
    assert derived_card("warm-e2e-ft", tmp_path / "toy", index).convention.start == "zeros"
    monkeypatch.delitem(sys.modules, "warmth")


@pytest.mark.parametrize("name", names(Modality))
def test_no_two_modalities_state_the_same_checkpoint(name):
    others = [implementation(Modality, other).published.keys() for other in names(Modality) if other != name]
    stated = implementation(Modality, name).published
    assert all(is_hub_id(hub_id) for hub_id in stated)
    assert stated.keys().isdisjoint(set().union(*others))


def test_unknown_keys_of_an_index_are_tolerated(tmp_path):
    pipeline = marigold(tmp_path / "toy", "marigold-depth-v1-1")
    edit(tmp_path / "toy" / "model_index.json", something_new={"nested": [1, 2]}, _name_or_path="somewhere")
    model = checkpoint.open(tmp_path / "toy")
    torch.testing.assert_close(ours(model, 1), theirs(pipeline, model, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("shards", [False, True])
def test_variants_and_shards_open(tmp_path, variant, shards):
    options = {"variant": variant, **({"max_shard_size": "20KB"} if shards else {})}
    pipeline = marigold(tmp_path / "toy", "marigold-depth-v1-1", **options)
    files = {file.name for file in (tmp_path / "toy" / "unet").iterdir()}
    assert len(files) > 3 if shards else len(files) == 2
    assert any("fp16" in name for name in files) == (variant == "fp16")
    model = checkpoint.open(tmp_path / "toy")
    torch.testing.assert_close(ours(model, 1), theirs(pipeline, model, 1), atol=1e-4, rtol=0)


def test_a_missing_shard_is_named(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-v1-1", max_shard_size="20KB")
    shard = sorted((tmp_path / "toy" / "unet").glob("*-of-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(CheckpointError, match=rf"/unet/\w+\.safetensors\.index\.json: lists {shard.name}, which"):
        checkpoint.open(tmp_path / "toy")


@torch.no_grad()
@pytest.mark.parametrize("modality", ["depth", "normals"])
def test_end_to_end_checkpoints_start_from_zeros_at_the_last_time(tmp_path, modality):
    folder = tmp_path / f"marigold-e2e-ft-{modality}"
    pipeline = end_to_end(folder)
    model = checkpoint.open(folder)
    assert (model.card.modality, model.card.defaults["steps"]) == (modality, 1)
    # As they are trained: zeros beside the photo, the prompt padded, and the estimate of the clean latent.
    words = pipeline.tokenizer([""], padding="max_length", max_length=77, return_tensors="pt").input_ids
    prompt = pipeline.text_encoder(words).last_hidden_state
    photo = pipeline.vae.encode(PHOTO * 2 - 1).latent_dist.mode() * pipeline.vae.config.scaling_factor
    zeros = torch.zeros_like(photo)
    output = pipeline.unet(torch.cat([photo, zeros], dim=1), 999, encoder_hidden_states=prompt).sample
    scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(1)
    expected = scheduler.step(output, 999, zeros).pred_original_sample
    for steps in (1, 4):
        found = model.sample(model.encode_image(PHOTO * 2 - 1), torch.randn_like(photo), steps)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_folder_of_the_hubs_cache_is_known_by_its_id(tmp_path):
    folder = tmp_path / "models--GonzaloMG--marigold-e2e-ft-normals" / "snapshots" / "0123abcd"
    end_to_end(folder, _class_name="MarigoldPipeline")
    card = checkpoint.open(folder).card
    assert (card.name, card.source) == ("marigold-e2e-ft-normals", "GonzaloMG/marigold-e2e-ft-normals")
    assert (card.modality, card.convention.start) == ("normals", "zeros")


@pytest.mark.parametrize("key", ["default_denoising_steps", "default_processing_resolution"])
def test_settings_in_an_index_that_are_no_numbers_are_refused(tmp_path, key):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    edit(tmp_path / "toy" / "model_index.json", **{key: "four"})
    with pytest.raises(CheckpointError, match=r"model_index\.json: default \w+ 'four' is not a whole number"):
        checkpoint.open(tmp_path / "toy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ratio": "large"}, "depth.ratio: expected float, found 'large'"),
        ({"scale_invariant": "no"}, "depth.scale_invariant: expected bool"),
        ({"target_space": "height"}, "depth.target_space: no choice named `height`"),
    ],
)
def test_options_of_a_modality_that_cannot_be_used_are_named_with_their_folder(tmp_path, options, words):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    card(tmp_path / "toy", options=options)
    with pytest.raises(CheckpointError, match=rf"toy: {words}.*; correct it in card\.json"):
        checkpoint.open(tmp_path / "toy")


def test_end_to_end_checkpoints_of_the_first_class_name_are_recognised_by_their_name(tmp_path):
    end_to_end(tmp_path / "stable_diffusion_e2e_ft_normals", _class_name="MarigoldPipeline")
    card = checkpoint.open(tmp_path / "stable_diffusion_e2e_ft_normals").card
    assert (card.modality, card.convention) == ("normals", Convention(start="zeros", timestep=999))


def test_a_generators_pipeline_with_a_wider_network_asks_for_a_card(tmp_path):
    end_to_end(tmp_path / "mine")
    with pytest.raises(CheckpointError, match=r"add a card\.json with `name`, `modality` and, .*`convention`"):
        checkpoint.open(tmp_path / "mine")
    card = {"name": "mine", "modality": "depth", "convention": {"start": "zeros", "timestep": 999}}
    (tmp_path / "mine" / "card.json").write_text(json.dumps(card))
    assert checkpoint.open(tmp_path / "mine").card.convention == Convention(start="zeros", timestep=999)


@torch.no_grad()
@pytest.mark.parametrize("sees_noise", [True, False])
def test_lotus_checkpoints_are_recognised_by_their_switch(tmp_path, sees_noise):
    folder = tmp_path / "lotus-normal-v1-0"
    pipeline = lotus(folder, sees_noise=sees_noise)
    model = checkpoint.open(folder)
    assert model.card.modality == "normals"
    # As their code calls them: sines and cosines of the switch [1, 0], the last time, the output as it is.
    task = torch.tensor([[1.0, 0.0]])
    task = torch.cat([task.sin(), task.cos()], dim=-1)
    words = pipeline.tokenizer([""], return_tensors="pt").input_ids
    prompt = pipeline.text_encoder(words).last_hidden_state
    photo = pipeline.vae.encode(PHOTO * 2 - 1).latent_dist.mode() * pipeline.vae.config.scaling_factor
    noise = torch.randn(1, 4, 8, 12)
    seen = torch.cat([photo, noise], dim=1) if sees_noise else photo
    expected = pipeline.unet(seen, 999, encoder_hidden_states=prompt, class_labels=task).sample
    found = model.sample(model.encode_image(PHOTO * 2 - 1), noise, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_lotus_checkpoints_come_back_as_they_were_saved(tmp_path):
    lotus(tmp_path / "lotus-depth-d", sees_noise=False)
    model = checkpoint.open(tmp_path / "lotus-depth-d")
    checkpoint.save(model, tmp_path / "again")
    again = checkpoint.open(tmp_path / "again")
    condition, noise = model.encode_image(PHOTO * 2 - 1), torch.randn(1, 4, 8, 12)
    torch.testing.assert_close(again.sample(condition, noise, 1), model.sample(condition, noise, 1))
    assert again.card.convention == model.card.convention


def test_disparity_in_the_name_of_a_lotus_checkpoint_is_its_target(tmp_path):
    lotus(tmp_path / "lotus-depth-g-v2-1-disparity", sees_noise=True)
    modality = checkpoint.open(tmp_path / "lotus-depth-g-v2-1-disparity").modality
    assert (modality.target_space, modality.fixed_ratio) == ("disparity", False)


@pytest.mark.parametrize(
    ("name", "make"),
    [("lotus-normal-d-v1-1", partial(lotus, sees_noise=False)), ("marigold-e2e-ft-normals", end_to_end)],
)
def test_normals_of_others_with_x_to_the_left_are_given_with_x_to_the_right(tmp_path, name, make):
    make(tmp_path / name)
    model = checkpoint.open(tmp_path / name)
    pixels = torch.tensor([0.6, 0.0, 0.8]).view(1, 1, 3, 1, 1)  # their colour of a surface that faces left and us
    assert model.modality.decode(pixels).flatten().tolist() == pytest.approx([-0.6, 0.0, 0.8])
    checkpoint.save(model, tmp_path / "again")
    assert checkpoint.open(tmp_path / "again").modality == model.modality


def test_a_lotus_checkpoint_of_unknown_purpose_asks_for_a_card(tmp_path):
    lotus(tmp_path / "toy", sees_noise=True)
    with pytest.raises(CheckpointError, match=r'disparity or depth or normals.*card\.json.*"left"} for normals'):
        checkpoint.open(tmp_path / "toy")


def card(folder: Path, **content) -> None:
    (folder / "card.json").write_text(json.dumps({"name": "toy", "modality": "depth", **content}))


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ([1], "target_properties: expected `key: value` lines"),
        ({"target_names": 5}, "target_properties.target_names: expected a list, found 5"),
        ({"target_names": [["albedo"]]}, "target_properties.target_names.0: expected str"),
        ({**APPEARANCE, "albedo": "srgb"}, "target_properties.albedo: expected `key: value` lines"),
        ({**APPEARANCE, "material": {"sub_target_names": 5}}, "material.sub_target_names: expected a list"),
        ({**APPEARANCE, "material": {"sub_target_names": ["gloss"]}}, "target_properties: material holds"),
    ],
)
@pytest.mark.parametrize("has_card", [False, True])
def test_target_properties_that_cannot_be_read_are_named_with_their_file(tmp_path, properties, words, has_card):
    marigold(tmp_path / "toy", "marigold-iid-appearance-v1-1")
    edit(tmp_path / "toy" / "model_index.json", target_properties=properties)
    if has_card:
        card(tmp_path / "toy", modality="appearance")
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}/toy/model_index\.json: .*{words}"):
        checkpoint.open(tmp_path / "toy")


@pytest.mark.parametrize(
    ("file", "key"), [("scheduler/scheduler_config.json", "num_train_timesteps"), ("unet/config.json", "in_channels")]
)
def test_numbers_that_a_convention_follows_from_are_checked(tmp_path, file, key):
    lotus(tmp_path / "lotus-depth", sees_noise=True)
    edit(tmp_path / "lotus-depth" / file, **{key: "many"})
    with pytest.raises(CheckpointError, match=f"{file}: {key}: expected int, found 'many'"):
        checkpoint.open(tmp_path / "lotus-depth")


@pytest.mark.parametrize(("stated", "timestep"), [({}, 999), ({"convention": {}}, None)])
def test_a_convention_that_a_card_states_is_kept_even_if_it_is_the_default(tmp_path, stated, timestep):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    edit(tmp_path / "toy" / "model_index.json", _class_name="LotusGPipeline")
    card(tmp_path / "toy", **stated)
    assert checkpoint.open(tmp_path / "toy").card.convention.timestep == timestep


def test_a_class_embedding_that_nothing_is_said_about_is_refused(tmp_path):
    lotus(tmp_path / "toy", sees_noise=True)
    edit(tmp_path / "toy" / "model_index.json", _class_name="MarigoldDepthPipeline")
    card(tmp_path / "toy", convention={"timestep": 999})
    with pytest.raises(CheckpointError, match=f"^{tmp_path}/toy: unet: .*nothing says what its input is; .*switch"):
        checkpoint.open(tmp_path / "toy")


def test_a_switch_of_a_wrong_size_is_refused(tmp_path):
    lotus(tmp_path / "toy", sees_noise=True)
    card(tmp_path / "toy", convention={"timestep": 999, "switch": [1, 0, 0]})
    with pytest.raises(CheckpointError, match=f"^{tmp_path}/toy: unet: .*takes 4 numbers; give as many, or half"):
        checkpoint.open(tmp_path / "toy")


def test_a_switch_without_a_class_embedding_is_refused(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    card(tmp_path / "toy", convention={"switch": [1, 0]})
    with pytest.raises(CheckpointError, match="has no class embedding"):
        checkpoint.open(tmp_path / "toy")


def test_an_unknown_key_of_a_convention_is_named(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    card(tmp_path / "toy", convention={"timesteps": 999})
    with pytest.raises(CheckpointError, match=r"convention\.timesteps: .*did you mean `timestep`"):
        checkpoint.open(tmp_path / "toy")


def test_a_time_that_the_schedule_does_not_have_is_refused(tmp_path):
    marigold(tmp_path / "toy", "marigold-depth-v1-1")
    card(tmp_path / "toy", convention={"start": "zeros", "timestep": 1000})
    with pytest.raises(CheckpointError, match=r"timestep` 1000 is not one of the times 0 to 999"):
        checkpoint.open(tmp_path / "toy")


def test_a_network_that_sees_the_photo_alone_needs_its_time(tmp_path):
    lotus(tmp_path / "toy", sees_noise=False)
    card(tmp_path / "toy", convention={"start": "nothing", "switch": [1, 0]})
    with pytest.raises(CheckpointError, match=r"card\.json: convention: .*state its `timestep`"):
        checkpoint.open(tmp_path / "toy")


@torch.no_grad()
def test_a_network_whose_card_says_so_sees_the_photo_alone(tmp_path):
    checkpoint.save(checkpoint.open("generator"), tmp_path / "toy")
    card(tmp_path / "toy", convention={"start": "nothing", "timestep": 1, "output": "sample"})
    model = checkpoint.open(tmp_path / "toy")
    condition = model.encode_image(torch.rand(1, 3, 64, 64))
    prompt = model.backbone.prompt
    expected = model.backbone.unet(condition, 1, encoder_hidden_states=prompt).sample
    torch.testing.assert_close(model.sample(condition, torch.randn_like(condition), 4), expected)


def test_a_network_of_one_latent_asks_for_the_start_of_its_modality(tmp_path):
    generator = checkpoint.open("generator")
    checkpoint.save(generator, tmp_path / "toy")
    card(tmp_path / "toy")
    with pytest.raises(CheckpointError, match=r'takes a single latent.*"convention": \{"start": "nothing"\}'):
        checkpoint.open(tmp_path / "toy")
