"""Checkpoints: opened by name, folder or hub id, replaced whole, and refused with the file and the remedy."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from marigold.backbones import _prompt
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import catalogue
from marigold.checkpoints import store as checkpoint
from marigold.checkpoints.card import Card
from marigold.core import files
from marigold.core.errors import CheckpointError, MissingExtraError, OutputError, UnknownNameError
from marigold.estimator import Estimator
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from toys.scenes import NETWORK

UNET = "unet/diffusion_pytorch_model.safetensors"


def estimator(modality=None, **changes) -> Estimator:
    torch.manual_seed(0)
    modality = modality or Depth()
    backbone = StableDiffusion.tiny(**NETWORK)
    if modality.needs:
        backbone.adapt(1, len(modality.targets))
    return Estimator(backbone, modality, Card(**{"name": "toy", "modality": "", **changes})).eval()


@pytest.fixture
def saved(tmp_path) -> Path:
    checkpoint.save(estimator(), tmp_path / "toy")
    return tmp_path / "toy"


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(catalogue, "BUNDLED", tmp_path / "weights")
    return tmp_path / "weights"


def same(one: Estimator, two: Estimator) -> bool:
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def edit(file: Path, **changes) -> None:
    """Changes keys of a JSON file; None removes one."""
    value = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: entry for key, entry in value.items() if entry is not None}))


def spoil(file: Path, value: float) -> None:
    tensors = load_file(file)
    tensors["conv_in.bias"][0] = value
    save_file(tensors, file)


def test_what_is_saved_is_opened(saved):
    assert same(checkpoint.open(saved), estimator())


def test_opening_gives_an_estimator_ready_to_predict(saved):
    assert not checkpoint.open(saved).training


def test_the_card_is_saved_along(tmp_path):
    card = {"licence": "Apache-2.0", "scores": {"abs_rel": 0.05}, "defaults": {"steps": 2}, "note": "a toy"}
    checkpoint.save(estimator(**card), tmp_path / "toy")
    opened = checkpoint.open(tmp_path / "toy").card
    assert {key: getattr(opened, key) for key in card} == card
    assert (opened.modality, opened.backbone) == ("depth", "stable_diffusion")


def test_the_revision_is_that_of_the_weights(tmp_path):
    model = estimator()
    revisions = []
    for name, change in (("one", 0), ("none", 0), ("other", 1e-3)):
        with torch.no_grad():
            model.backbone.unet.conv_in.bias += change
        checkpoint.save(model, tmp_path / name)
        revisions.append(checkpoint.open(tmp_path / name).card.revision)
    assert revisions[0] == revisions[1] != revisions[2]


@pytest.mark.parametrize(
    "modality",
    [
        Depth(shift_invariant=False, low=0.1),
        Normals(use_full_z_range=False),
        Appearance(),
        Lighting(brightest=0.9),
        Image(),
    ],
)
def test_every_modality_comes_back_with_its_options(tmp_path, modality):
    checkpoint.save(estimator(modality), tmp_path / "toy")
    assert checkpoint.open(tmp_path / "toy").modality == modality


@pytest.mark.parametrize(
    ("modality", "index"),
    [
        (Depth(), {"_class_name": "MarigoldPipeline"}),
        (Depth(), {"_class_name": "MarigoldDepthPipeline", "prediction_type": None}),
        (Normals(), {"_class_name": "MarigoldPipeline", "use_full_z_range": True}),
        (Normals(), {"_class_name": "MarigoldNormalsPipeline"}),
        (Appearance(), {"_class_name": "MarigoldIntrinsicsPipeline"}),
        (Lighting(), {"_class_name": "MarigoldIIDPipeline"}),
        (Image(), {"_class_name": "StableDiffusionPipeline"}),
    ],
)
def test_a_published_folder_without_card_is_known_by_its_pipeline(tmp_path, modality, index):
    checkpoint.save(estimator(modality), tmp_path / "toy")
    (tmp_path / "toy" / "card.json").unlink()
    edit(tmp_path / "toy" / "model_index.json", **index)
    opened = checkpoint.open(tmp_path / "toy")
    assert opened.modality == modality
    assert opened.card.name == "toy"


def test_defaults_of_a_published_folder_are_used(saved):
    (saved / "card.json").unlink()
    edit(saved / "model_index.json", default_denoising_steps=4, default_processing_resolution=512)
    assert checkpoint.open(saved).card.defaults == {"steps": 4, "resolution": 512, "ensemble": 1}


def test_a_pipeline_of_unknown_purpose_is_refused(saved):
    (saved / "card.json").unlink()
    edit(saved / "model_index.json", _class_name="KandinskyPipeline")
    with pytest.raises(CheckpointError, match=r"no modality is known for a `KandinskyPipeline`.*add a card\.json"):
        checkpoint.open(saved)


def test_disparity_is_read_as_such(saved):
    (saved / "card.json").unlink()
    edit(saved / "model_index.json", prediction_type="disparity")
    opened = checkpoint.open(saved).modality
    assert (opened.target_space, opened.fixed_ratio) == ("disparity", False)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler"])
def test_schedulers_of_the_family_are_read(saved, name):
    edit(saved / "scheduler" / "scheduler_config.json", _class_name=name)
    assert checkpoint.open(saved).backbone.schedule.times(1) == [999, -1]


def test_weights_open_in_the_type_that_was_asked_for(saved):
    model = checkpoint.open(saved, dtype=torch.bfloat16)
    assert {x.dtype for x in model.state_dict().values()} == {torch.bfloat16}


def test_half_precision_on_disk_opens_in_full_precision(tmp_path):
    checkpoint.save(estimator(), tmp_path / "toy", dtype=torch.float16)
    assert load_file(tmp_path / "toy" / UNET)["conv_in.bias"].dtype == torch.float16
    assert {x.dtype for x in checkpoint.open(tmp_path / "toy").state_dict().values()} == {torch.float32}


def test_the_stored_empty_prompt_makes_the_text_encoder_unnecessary(saved, monkeypatch):
    expected = estimator().backbone.prompt
    shutil.rmtree(saved / "text_encoder")
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert torch.equal(checkpoint.open(saved).backbone.prompt, expected)


def test_the_empty_prompt_is_computed_once_and_kept(saved):
    (saved / "empty_prompt.safetensors").unlink()
    torch.testing.assert_close(checkpoint.open(saved).backbone.prompt, estimator().backbone.prompt)
    assert (saved / "empty_prompt.safetensors").is_file()


def test_a_padded_prompt_fills_the_text_encoders_length(saved):
    (saved / "empty_prompt.safetensors").unlink()
    edit(saved / "card.json", prompt_padded=True)
    for _ in range(2):  # computed, then read
        backbone = checkpoint.open(saved).backbone
        assert backbone.prompt.shape == (1, 77, 8)
        assert backbone.prompt_padded


def test_the_second_start_touches_no_file_of_the_text_encoder(saved, monkeypatch):
    (saved / "empty_prompt.safetensors").unlink()
    first = checkpoint.open(saved).backbone.prompt
    monkeypatch.setitem(sys.modules, "transformers", None)
    shutil.rmtree(saved / "text_encoder")
    assert torch.equal(checkpoint.open(saved).backbone.prompt, first)


def test_the_prompt_of_a_folder_that_cannot_be_written_is_kept_in_the_users_cache(saved, tmp_path, monkeypatch):
    (saved / "empty_prompt.safetensors").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole_file = files.whole_file

    def refused(path):
        if Path(path).is_relative_to(saved):
            raise OutputError("read-only")
        return whole_file(path)

    monkeypatch.setattr(_prompt, "whole_file", refused)
    first = checkpoint.open(saved).backbone.prompt
    assert not (saved / "empty_prompt.safetensors").exists()
    monkeypatch.setitem(sys.modules, "transformers", None)
    shutil.rmtree(saved / "text_encoder")
    assert torch.equal(checkpoint.open(saved).backbone.prompt, first)
    os.utime(saved / "unet" / "config.json", (1, 1))  # another checkpoint in the same place
    with pytest.raises(CheckpointError, match="text_encoder and tokenizer"):
        checkpoint.open(saved)


def test_where_nothing_can_be_written_the_prompt_is_computed_every_time(saved, tmp_path, monkeypatch):
    def refused(path):
        raise OutputError("read-only")

    (saved / "empty_prompt.safetensors").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_prompt, "whole_file", refused)
    for _ in range(2):
        torch.testing.assert_close(checkpoint.open(saved).backbone.prompt, estimator().backbone.prompt)


def test_a_card_that_changes_the_padding_has_the_prompt_computed_again(saved):
    assert checkpoint.open(saved).backbone.prompt.shape == (1, 2, 8)
    edit(saved / "card.json", prompt_padded=True)
    assert checkpoint.open(saved).backbone.prompt.shape == (1, 77, 8)
    assert checkpoint.open(saved).backbone.prompt_padded


def test_without_prompt_and_text_encoder_the_checkpoint_is_refused(saved):
    (saved / "empty_prompt.safetensors").unlink()
    shutil.rmtree(saved / "text_encoder")
    with pytest.raises(CheckpointError, match=f"^{saved}: neither .*text_encoder and tokenizer"):
        checkpoint.open(saved)


def test_a_configuration_of_the_text_encoder_that_cannot_be_used_is_named(saved):
    (saved / "empty_prompt.safetensors").unlink()
    edit(saved / "text_encoder" / "config.json", num_attention_heads=0)
    with pytest.raises(CheckpointError, match=f"^{saved / 'text_encoder' / 'config.json'}: cannot be built"):
        checkpoint.open(saved)


def test_computing_the_prompt_names_the_extra_that_it_needs(saved, monkeypatch):
    (saved / "empty_prompt.safetensors").unlink()
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"marigold-dense\[text\]"):
        checkpoint.open(saved)


def test_a_bundled_checkpoint_opens_by_name(bundle):
    checkpoint.save(estimator(), bundle / "toy-depth")
    assert checkpoint.bundled() == ["toy-depth"]
    assert same(checkpoint.open("toy-depth"), estimator())


def test_a_bundled_checkpoint_may_share_parts_with_another(bundle):
    model = estimator()
    checkpoint.save(model, bundle / "whole")
    checkpoint.save(model, bundle / "part", shares={"vae": "whole", "text_encoder": "whole", "tokenizer": "whole"})
    assert not (bundle / "part" / "vae").exists()
    assert same(checkpoint.open("part"), model)


def test_a_shared_checkpoint_is_saved_whole(bundle, tmp_path):
    model = estimator()
    checkpoint.save(model, bundle / "whole")
    checkpoint.save(model, bundle / "part", shares={"vae": "whole", "text_encoder": "whole", "tokenizer": "whole"})
    checkpoint.save(checkpoint.open("part"), tmp_path / "free")
    shutil.rmtree(bundle)
    opened = checkpoint.open(tmp_path / "free")
    assert same(opened, model)
    assert (opened.card.shares, (tmp_path / "free" / "text_encoder" / "model.safetensors").is_file()) == ({}, True)


def test_a_missing_shared_part_is_named(bundle):
    checkpoint.save(estimator(), bundle / "part", shares={"vae": "whole"})
    with pytest.raises(CheckpointError, match="shares `vae` with `whole`"):
        checkpoint.open("part")


def test_an_unknown_name_is_answered_with_the_nearest(bundle):
    checkpoint.save(estimator(), bundle / "tiny-depth")
    with pytest.raises(UnknownNameError, match="did you mean `tiny-depth`"):
        checkpoint.open("tiny-dept")


@pytest.mark.parametrize("name", [3, None, b"depth", ["depth"]])
def test_what_is_no_name_at_all_is_refused_by_its_type(name):
    with pytest.raises(
        CheckpointError, match=f"of type `{type(name).__name__}` names no checkpoint; give a bundled name"
    ):
        checkpoint.open(name)


@pytest.mark.parametrize("name", ["./nowhere", "/no/where/at/all"])
def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(name):
    with pytest.raises(CheckpointError, match="no such folder"):
        checkpoint.open(name)


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no model_index\.json"):
        checkpoint.open(tmp_path)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """The local cache of the hub, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_hub_id_opens_from_the_local_cache(hub):
    folder = hub / "models--toys--depth-v1"
    checkpoint.save(estimator(), folder / "snapshots" / "abc123")
    (folder / "snapshots" / "abc123" / "card.json").unlink()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc123")
    opened = checkpoint.open("toys/depth-v1")
    assert same(opened, estimator())
    assert (opened.card.name, opened.card.source, opened.card.revision) == ("depth-v1", "toys/depth-v1", "abc123")


def test_a_hub_id_without_network_says_what_to_do(hub):
    with pytest.raises(CheckpointError, match=r"toys/depth-v2: .*hf download toys/depth-v2.*bundled"):
        checkpoint.open("toys/depth-v2")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("runs/chekpoint", r"no folder in `runs` named `chekpoint`; did you mean `checkpoint`\? \(the hub"),
        ("empty/checkpoint", r"no folder in `empty` named `checkpoint`; there are: none \(the hub"),
        ("prs-eth/marigold-depth-v1-1", "hf download"),  # known to be on the hub
    ],
)
def test_a_mistyped_folder_is_answered_with_its_neighbours(hub, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/checkpoint", "empty", "prs-eth"):
        Path(folder).mkdir(parents=True)
    with pytest.raises(CheckpointError, match=f"^{name}: .*{words}"):
        checkpoint.open(name)


@pytest.mark.parametrize(
    ("hub_id", "instead"),
    [
        ("prs-eth/marigold-depth-v1-1", "my-depth"),  # known to predict depth
        ("prs-eth/marigold-normals-v1-1", "my-depth, my-light"),  # known, and nothing here predicts it
        ("toys/depth-v2", "my-depth, my-light"),
    ],
)
def test_in_place_of_a_hub_id_only_what_predicts_something_is_offered(hub, bundle, hub_id, instead):
    for name, modality in (("my-depth", Depth()), ("my-light", Lighting()), ("my-pictures", Image())):
        checkpoint.save(estimator(modality), bundle / name)
    with pytest.raises(CheckpointError, match=f"that is bundled: {instead}$"):
        checkpoint.open(hub_id)


def test_weights_that_are_not_finite_are_refused_by_file(saved):
    spoil(saved / UNET, float("nan"))
    with pytest.raises(CheckpointError, match=rf"{UNET}: `conv_in.bias` holds NaN"):
        checkpoint.open(saved)


def test_a_pickle_is_refused(saved):
    torch.save(load_file(saved / UNET), saved / "unet" / "diffusion_pytorch_model.bin")
    (saved / UNET).unlink()
    with pytest.raises(CheckpointError, match=r"diffusion_pytorch_model\.bin: a pickle; .*convert"):
        checkpoint.open(saved)


def test_weights_of_another_width_are_refused(saved):
    edit(saved / "unet" / "config.json", in_channels=12)
    with pytest.raises(CheckpointError, match=r"conv_in\.weight is \[8, 8, 3, 3\], not \[8, 12, 3, 3\]"):
        checkpoint.open(saved)


def test_a_network_with_other_targets_than_its_modality_is_refused(saved):
    edit(saved / "card.json", modality="lighting", options={})
    with pytest.raises(CheckpointError, match="predicts 1 targets, but `lighting` has 3"):
        checkpoint.open(saved)


@pytest.mark.parametrize("part", ["unet", "vae", "scheduler"])
def test_a_missing_part_is_named_with_the_folder(saved, part):
    shutil.rmtree(saved / part)
    with pytest.raises(CheckpointError, match=f"^{saved}: the folder `{part}` is missing"):
        checkpoint.open(saved)


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("scheduler/scheduler_config.json", {"num_train_timesteps": "many"}, "num_train_timesteps: expected int"),
        ("scheduler/scheduler_config.json", {"beta_start": []}, "beta_start: expected float"),
        ("scheduler/scheduler_config.json", {"steps_offset": {}}, "steps_offset: expected int"),
        ("model_index.json", {"target_properties": ["albedo"]}, "target_properties: expected `key: value`"),
        ("unet/config.json", {"norm_num_groups": 0}, r"cannot be built \(ZeroDivisionError"),
        ("unet/config.json", {"act_fn": 1}, r"cannot be built \(AttributeError"),
        ("vae/config.json", {"block_out_channels": []}, "cannot be built"),
        ("card.json", {"shares": {"vae": 5}}, "`shares` holds what is no name"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_by_file_and_key(saved, file, changes, words):
    edit(saved / file, **changes)
    with pytest.raises(CheckpointError, match=f"^{saved / file}: .*{words}"):
        checkpoint.open(saved)


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("vae/config.json", {"_class_name": "AutoencoderDC"}, "vae: no autoencoder named `AutoencoderDC`"),
        ("vae/config.json", {"scaling_factor": "large"}, "vae: scaling_factor: 'large' cannot be used"),
        ("vae/config.json", {"shift_factor": [1]}, r"vae: shift_factor: \[1\] cannot be used"),
        ("card.json", {"convention": {"switch": [1, 0]}}, "unet: has no class embedding"),
    ],
)
def test_networks_that_do_not_fit_together_are_named_with_the_folder(saved, file, changes, words):
    edit(saved / file, **changes)
    with pytest.raises(CheckpointError, match=f"^{saved}: {words}"):
        checkpoint.open(saved)


def test_an_autoencoder_of_another_width_is_named_with_the_folder(saved, tmp_path):
    narrow = {"in_channels": 3, "out_channels": 3}
    network = {**NETWORK, "unet": {**NETWORK["unet"], **narrow}, "vae": {**NETWORK["vae"], "latent_channels": 3}}
    checkpoint.save(Estimator(StableDiffusion.tiny(**network), Image(), Card("other", "image")), tmp_path / "other")
    shutil.rmtree(saved / "vae")
    (tmp_path / "other" / "vae").rename(saved / "vae")
    with pytest.raises(CheckpointError, match=f"^{saved}: unet: 8 input and 4 output channels are no multiples of"):
        checkpoint.open(saved)


@pytest.mark.parametrize("key", ["modality", "backbone"])
def test_a_name_in_a_card_that_stands_for_nothing_is_answered_with_the_card(saved, key):
    edit(saved / "card.json", **{key: "dept"})
    with pytest.raises(UnknownNameError, match=rf"^{saved}/card\.json: no {key} named `dept`"):
        checkpoint.open(saved)


def test_shards_that_an_index_does_not_name_are_refused(saved):
    (saved / UNET).rename(saved / "unet" / "diffusion_pytorch_model-00001-of-00001.safetensors")
    index = saved / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    for content in ("{}", '{"weight_map": ["one"]}', '{"weight_map": {"conv_in.bias": 5}}'):
        index.write_text(content)
        with pytest.raises(CheckpointError, match=f"^{index}: `weight_map` names no files"):
            checkpoint.open(saved)


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
def test_a_broken_configuration_is_named(saved, file):
    (saved / file).write_text("{")
    with pytest.raises(CheckpointError, match=f"{file}: not JSON"):
        checkpoint.open(saved)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1234\n"


@pytest.mark.parametrize(
    "file",
    [
        UNET,
        "unet/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "scheduler/scheduler_config.json",
        "model_index.json",
        "card.json",
        "empty_prompt.safetensors",
    ],
)
def test_a_pointer_of_git_lfs_in_place_of_a_file_says_how_to_get_the_file(saved, file):
    (saved / file).write_text(POINTER)
    with pytest.raises(CheckpointError, match=rf"^{saved / file}: a Git LFS pointer.*`git lfs pull`"):
        checkpoint.open(saved)


@pytest.mark.parametrize(
    "file",
    [
        "text_encoder/model.safetensors",
        "text_encoder/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
    ],
)
def test_a_pointer_in_place_of_the_text_encoder_matters_where_the_prompt_is_computed(saved, tmp_path, file):
    (saved / file).write_text(POINTER)
    checkpoint.save(checkpoint.open(saved), tmp_path / "again")
    assert not (tmp_path / "again" / Path(file).parent).exists()
    (saved / "empty_prompt.safetensors").unlink()
    with pytest.raises(CheckpointError, match=rf"^{saved / file}: a Git LFS pointer.*`git lfs pull`"):
        checkpoint.open(saved)


def test_an_index_states_the_settings_that_the_card_states_and_no_others(tmp_path):
    for name, defaults in (("some", {"steps": 2, "ensemble": 4}), ("none", {})):
        checkpoint.save(estimator(defaults=defaults), tmp_path / name)
    some, none = (json.loads((tmp_path / name / "model_index.json").read_text()) for name in ("some", "none"))
    assert some["default_denoising_steps"] == 2
    assert "default_processing_resolution" not in some
    assert "default_denoising_steps" not in none


def test_autoencoders_of_early_diffusers_are_read(tmp_path):
    network = {**NETWORK, "vae": {**NETWORK["vae"], "mid_block_add_attention": True}}
    model = Estimator(StableDiffusion.tiny(**network), Image(), Card("toy", "image"))
    checkpoint.save(model, tmp_path / "toy")
    file = tmp_path / "toy" / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        tensors = {name.replace(f".{new}.", f".{old}."): tensor for name, tensor in tensors.items()}
    assert any("proj_attn" in name for name in tensors)
    save_file(tensors, file)
    assert same(checkpoint.open(tmp_path / "toy"), model)


def test_saving_again_replaces_the_checkpoint(saved):
    model = estimator()
    with torch.no_grad():
        model.backbone.unet.conv_in.bias += 1
    checkpoint.save(model, saved)
    assert same(checkpoint.open(saved), model)
    assert [path.name for path in saved.parent.iterdir()] == ["toy"]


def test_a_checkpoint_can_be_saved_over_the_one_it_came_from(saved):
    checkpoint.save(checkpoint.open(saved), saved)
    assert same(checkpoint.open(saved), estimator())


def test_a_failed_save_leaves_the_checkpoint_as_it_was(saved, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_revision", full)
    with pytest.raises(OutputError, match=r"toy: cannot be written \(no space left on device\)"):
        checkpoint.save(estimator(Normals()), saved)
    assert same(checkpoint.open(saved), estimator())
    assert [path.name for path in saved.parent.iterdir()] == ["toy"]


def test_a_failed_exchange_leaves_the_checkpoint_as_it_was(saved, monkeypatch):
    rename = Path.rename

    def fail_for_the_part(self, target):
        if self.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr("marigold.core.files._swap", lambda part, folder: False)
    monkeypatch.setattr(Path, "rename", fail_for_the_part)
    with pytest.raises(OutputError, match="input/output error"):
        checkpoint.save(estimator(Normals()), saved)
    assert same(checkpoint.open(saved), estimator())


def test_an_interrupted_save_leaves_nothing_behind(saved, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "_revision", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(estimator(), saved.with_name("other"))
    assert [path.name for path in saved.parent.iterdir()] == ["toy"]


def test_what_a_killed_save_left_goes_with_the_next(saved):
    (saved.parent / ".toy.0123abcd.part").mkdir()
    (saved.parent / ".toy.0123abcd.part" / "rest").write_text("rest")
    checkpoint.save(estimator(), saved)
    assert [path.name for path in saved.parent.iterdir()] == ["toy"]


def test_a_folder_that_is_no_checkpoint_is_never_replaced(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is no checkpoint"):
        checkpoint.save(estimator(), tmp_path / "letters")
    assert (tmp_path / "letters" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("name", ["notes.txt", "unet/notes.txt", "mine/photo.jpg", ".keep", "tokenizer/words.txt"])
def test_a_file_of_the_user_s_in_a_checkpoint_is_never_lost(saved, name):
    (saved / name).parent.mkdir(exist_ok=True)
    (saved / name).write_text("mine")
    with pytest.raises(OutputError, match=rf"toy/{name}: is no part of a checkpoint and would be lost; move it"):
        checkpoint.save(estimator(Normals()), saved)
    assert (saved / name).read_text() == "mine" and same(checkpoint.open(saved), estimator())
    assert [path.name for path in saved.parent.iterdir()] == ["toy"]


@pytest.mark.parametrize(
    "name", ["vae/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.safetensors", "tokenizer/vocab.json"]
)
def test_parts_in_any_form_are_replaced_with_their_checkpoint(saved, name):
    (saved / name).parent.mkdir(exist_ok=True)
    (saved / name).write_bytes(b"earlier")
    checkpoint.save(estimator(Normals()), saved)
    assert same(checkpoint.open(saved), estimator(Normals()))


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b", "a\0b/c", "\ud800", "x" * 300])
def test_a_name_that_no_folder_can_have_is_an_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"has no name of its own|is no path|cannot be (written|looked into)"):
        checkpoint.save(estimator(), name)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        checkpoint.save(estimator(), tmp_path / "file" / "toy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folder": None}, "^folder: .* is no path"),
        ({"folder": ""}, "^folder: .* is no path"),
        ({"estimator": "depth"}, "of type str is no checkpoint"),
        ({"estimator": None}, "of type NoneType is no checkpoint"),
        ({"dtype": "float16"}, "^dtype: .* is no number type"),
        ({"dtype": torch.int8}, "^dtype: .* is no number type"),
        ({"shares": "vae"}, "^shares: 'vae' names no parts"),
        ({"shares": ["vae"]}, "^shares: .* names no parts"),
    ],
)
def test_what_cannot_be_saved_is_told_and_leaves_nothing(saved, tmp_path, options, message):
    given = {"estimator": checkpoint.open(saved), "folder": tmp_path / "out", **options}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match=message):
        checkpoint.save(given.pop("estimator"), given.pop("folder"), **given)
    assert sorted(tmp_path.iterdir()) == before
