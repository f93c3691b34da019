"""Checkpoints that ask for more than they hold, or whose files are none: refused at once, whatever the file."""

import json
import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import headers, outline, store, weights
from marigold.checkpoints.card import Card
from marigold.core import memory
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, OutputError
from marigold.core.files import whole_folder
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from toys.scenes import NETWORK

UNET = "unet/diffusion_pytorch_model.safetensors"
SECONDS = 20
"""Much more than a refusal takes, and much less than the work that it spares."""


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    store.save(Estimator(backbone, Depth(), Card("toy", "depth")), tmp_path / "toy")
    return tmp_path / "toy"


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def refused(folder, match):
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=match):
        store.open(folder)
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("unet", {"layers_per_block": 1_000_000}),
        ("unet", {"layers_per_block": 10**30}),
        ("unet", {"transformer_layers_per_block": 1_000_000}),
        ("unet", {"block_out_channels": [8, 4_000_000]}),
        ("unet", {"block_out_channels": [8] * 100_000}),
        ("unet", {"attention_head_dim": 9_000_000}),
        ("unet", {"attention_head_dim": 0}),
        ("unet", {"in_channels": 1_000_000_000}),
        ("unet", {"out_channels": 0}),
        ("unet", {"cross_attention_dim": 3_000_000_000}),
        ("unet", {"cross_attention_dim": [8, 8]}),
        ("unet", {"cross_attention_dim": None}),
        ("unet", {"norm_num_groups": 0}),
        ("unet", {"norm_num_groups": 3}),
        ("unet", {"norm_eps": float("nan")}),
        ("unet", {"sample_size": 1e300}),
        ("unet", {"down_block_types": "DownBlock2D"}),
        ("unet", {"down_block_types": ["DownBlock2D", None]}),
        ("unet", {"num_class_embeds": 9_999_999}),
        ("unet", {"addition_embed_type": "text"}),
        ("vae", {"layers_per_block": 1_000_000}),
        ("vae", {"block_out_channels": [8, 8, 8]}),
        ("vae", {"latent_channels": 0}),
        ("vae", {"latent_channels": -4}),
        ("vae", {"scaling_factor": float("inf")}),
        ("vae", {"scaling_factor": {}}),
        ("vae", {"_class_name": "AutoencoderTiny"}),
        ("vae", {"_class_name": 5}),
    ],
)
def test_a_network_that_its_files_do_not_hold_is_refused_at_once(saved, part, changes):
    edit(saved / part / "config.json", **changes)
    refused(saved, str(saved))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 1_000_000},
        {"vocab_size": 2_000_000_000},
        {"vocab_size": 9_000_000},
        {"hidden_size": 0},
        {"max_position_embeddings": 9_000_000},
        {"hidden_act": "payload"},
        {"num_attention_heads": 3},
    ],
)
def test_a_text_encoder_that_its_files_do_not_hold_is_refused_at_once(saved, changes):
    (saved / "empty_prompt.safetensors").unlink()
    edit(saved / "text_encoder" / "config.json", **changes)
    refused(saved, str(saved / "text_encoder"))


def test_a_tokenizer_of_gigabytes_is_not_read(saved):
    (saved / "empty_prompt.safetensors").unlink()
    os.truncate(saved / "tokenizer" / "vocab.json", 5 << 30)
    refused(saved, r"vocab\.json: more than 16 MB")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_train_timesteps": 3_000_000_000}, "num_train_timesteps: 3000000000 cannot be used"),
        ({"num_train_timesteps": 10**400}, "num_train_timesteps"),
        ({"trained_betas": [0.1] * 200_000}, "trained_betas"),
        ({"steps_offset": 10**18}, "steps_offset"),
        ({"beta_start": float("nan")}, "beta_start"),
        ({"beta_end": -0.5}, "beta_end"),
        ({"beta_end": 10**400}, "beta_end"),
        ({"_class_name": "LCMScheduler", "timestep_scaling": 1e300}, "timestep_scaling"),
        ({"num_train_timesteps": 1, "rescale_betas_zero_snr": True}, "leave no signal"),
    ],
)
def test_a_schedule_beyond_all_use_is_refused_by_its_key(saved, changes, words):
    edit(saved / "scheduler" / "scheduler_config.json", **changes)
    refused(saved, rf"scheduler_config\.json: .*{words}")


@pytest.mark.parametrize("defaults", [{"ensemble": 10**8}, {"steps": 10**9}, {"resolution": 10**7}, {"steps": 1.5}])
def test_a_card_recommends_nothing_beyond_all_use(saved, defaults):
    edit(saved / "card.json", defaults=defaults)
    refused(saved, r"card\.json: default \w+ .* is not a whole number from")


@pytest.mark.parametrize("key", ["default_denoising_steps", "default_processing_resolution"])
def test_a_published_index_recommends_nothing_beyond_all_use(saved, key):
    (saved / "card.json").unlink()
    edit(saved / "model_index.json", **{key: 3_000_000_000})
    refused(saved, r"model_index\.json: default \w+ 3000000000 is not a whole number from")


@pytest.mark.parametrize("switch", [[1e300, 0.0], [float("nan")], [0.0] * 1000])
def test_a_switch_beyond_all_use_is_refused(saved, switch):
    edit(saved / "card.json", convention={"switch": switch})
    refused(saved, r"card\.json: convention")


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Depth, {"ratio": 1e300}), (Depth, {"assumed_ratio": float("inf")}), (Lighting, {"brightest": 7.0})],
)
def test_options_of_a_modality_are_within_what_can_be_computed(kind, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        kind.stored(options)


def pipe(file):
    os.mkfifo(file)


def listener(file):
    here = os.getcwd()
    os.chdir(file.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(file.name)
    finally:
        os.chdir(here)


KINDS = {
    "pipe": pipe,
    "socket": listener,
    "folder": lambda file: file.mkdir(),
    "device": lambda file: file.symlink_to("/dev/zero"),
    "link to itself": lambda file: file.symlink_to(file),
    "link to nothing": lambda file: file.symlink_to(file.with_name("gone")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["card.json", "model_index.json", "scheduler/scheduler_config.json", "unet/config.json", UNET, "tokenizer/x.json"],
)
def test_what_is_no_file_is_refused_at_once(saved, name, kind):
    (saved / name).unlink(missing_ok=True)
    (saved / "empty_prompt.safetensors").unlink()
    KINDS[kind](saved / name)
    began = time.monotonic()
    with pytest.raises(MarigoldError):
        store.open(saved)
    assert time.monotonic() - began < SECONDS


def test_a_link_to_a_file_is_a_file(saved, tmp_path):
    (saved / UNET).rename(tmp_path / "blob")
    (saved / UNET).symlink_to(tmp_path / "blob")
    store.open(saved)


def test_a_pipe_as_the_empty_prompt_is_passed_over(saved):
    (saved / "empty_prompt.safetensors").unlink()
    os.mkfifo(saved / "empty_prompt.safetensors")
    store.open(saved)


def header_of(file, header, size=None):
    """A safetensors file with this header and, where a size is given, a hole up to it."""
    content = json.dumps(header).encode() if isinstance(header, dict) else header
    file.write_bytes(struct.pack("<Q", len(content)) + content)
    if size:
        os.truncate(file, size)


F32 = {"dtype": "F32"}


@pytest.mark.parametrize(
    "header",
    [
        {"x": {**F32, "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}},
        {"x": {**F32, "shape": [-1], "data_offsets": [0, 4]}},
        {"x": {**F32, "shape": [1], "data_offsets": [0, 1 << 62]}},
        {"x": {**F32, "shape": [1], "data_offsets": [4, 0]}},
        {"x": {**F32, "shape": 1, "data_offsets": [0, 4]}},
        {"x": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]}},
        {"x": []},
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_headers_that_state_what_is_not_there_are_refused(tmp_path, header):
    header_of(tmp_path / "x.safetensors", header)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: cannot be read"):
        weights.read_file(tmp_path / "x.safetensors")


def test_a_header_of_a_million_tensors_is_not_read(tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(struct.pack("<Q", 80 << 20))
    os.truncate(file, 90 << 20)
    with pytest.raises(CheckpointError, match="its header has 80 MB, and 16 are the most"):
        headers.read_header(file)


def test_weights_larger_than_memory_are_refused_before_they_are_read(saved, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000)
    refused(saved, r"unet: loading its weights needs about 0.0 GB of memory, of which 0.0 GB are available")


def test_tensors_of_a_terabyte_are_not_read_for_a_small_network(saved):
    size = 1 << 40
    header = {"conv_in.weight": {**F32, "shape": [size // 4], "data_offsets": [0, size]}}
    header_of(saved / UNET, header, 8 + len(json.dumps(header)) + size)
    refused(saved, "unet: the weights do not fit its config.json")


@pytest.mark.parametrize("kind", [torch.int32, torch.bool, torch.complex64, torch.int8])
def test_weights_that_are_no_real_numbers_are_refused(saved, kind):
    tensors = load_file(saved / UNET)
    save_file({**tensors, "conv_in.bias": tensors["conv_in.bias"].to(kind)}, saved / UNET)
    refused(saved, r"unet: has weights that are no numbers: conv_in\.bias is")


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_every_real_type_are_read(saved, kind):
    save_file({name: tensor.to(kind) for name, tensor in load_file(saved / UNET).items()}, saved / UNET)
    assert store.open(saved).backbone.unet.dtype == torch.float32


def test_weights_beyond_single_precision_are_not_finite(saved):
    tensors = load_file(saved / UNET)
    save_file({**tensors, "conv_in.bias": tensors["conv_in.bias"].double() + 1e300}, saved / UNET)
    refused(saved, r"`conv_in\.bias` holds NaN or infinite")


def test_a_tensor_without_elements_is_another_shape(saved):
    save_file({**load_file(saved / UNET), "conv_in.bias": torch.empty(0)}, saved / UNET)
    refused(saved, r"conv_in\.bias is \[0\], not \[8\]")


@pytest.mark.parametrize(
    "name", ["../../x.safetensors", "/etc/passwd", "..", "", "a/../b.safetensors", "\0", "index.json", "x" * 5000]
)
def test_shards_are_safetensors_files_beside_their_index(saved, name):
    (saved / UNET).unlink()
    index = saved / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"conv_in.weight": name}}))
    refused(saved, r"index\.json: lists `.*` ?, which is no safetensors file beside it")


def test_an_index_does_not_list_itself(saved):
    (saved / UNET).unlink()
    index = saved / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"conv_in.weight": index.name}}))
    refused(saved, "which is no safetensors file beside it")


def test_deep_json_is_refused(saved):
    (saved / "unet" / "config.json").write_text('{"a": ' * 5000 + "1" + "}" * 5000)
    refused(saved, r"unet/config\.json: not JSON")


@pytest.mark.parametrize("shape", [(1, 0, 8), (1, 10_000, 8), (2, 2, 8), (8,)])
def test_a_prompt_of_no_use_is_refused(saved, shape):
    save_file({"embedding": torch.zeros(shape)}, saved / "empty_prompt.safetensors")
    refused(saved, r"empty_prompt\.safetensors: holds no `embedding`")


def test_building_stops_where_a_network_grows_beyond_its_bound():
    built = []

    def endless():
        while True:
            built.append(nn.Linear(1, 1))

    with pytest.raises(CheckpointError, match=r"somewhere: cannot be built .*too many tensors"):
        outline.outline(endless, "somewhere", most=100)
    assert len(built) == 50


def test_building_stops_where_there_are_only_layers():
    with pytest.raises(CheckpointError, match="too many layers"):
        outline.outline(lambda: nn.Sequential(*(nn.ReLU() for _ in range(10_000))), "somewhere", most=100)


def test_other_threads_may_build_meanwhile():
    with outline.guarded("somewhere", most=1), ThreadPoolExecutor(1) as other:
        other.submit(nn.Linear, 1, 1).result()


def test_a_full_disk_is_said_when_weights_are_saved(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def full(*_):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OutputError, match="No space left"), whole_folder(tmp_path / "toy") as part:
        weights.write(nn.Linear(2, 2), part)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("made", [torch.empty(2, device="meta"), torch.eye(2).to_sparse()])
def test_tensors_without_values_are_not_saved(made):
    with pytest.raises(OutputError, match="`x` has no values to save"):
        weights.to_bytes({"x": made})


def test_a_network_that_cannot_be_run_is_the_checkpoint_s_error(saved):
    estimator = store.open(saved)
    estimator.backbone.unet.config["class_embed_type"] = "index"
    estimator.backbone.unet.class_embedding = nn.Embedding(1, 4)
    with pytest.raises(CheckpointError, match=r"unet: the network cannot be run \(.*\); correct its config\.json"):
        estimator.sample(torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 8, 8), 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block_out_channels": [8, 9_000_000]}, "unet: "),
        ({"layers_per_block": 1_000_000}, "unet: cannot be built"),
        ({"in_channels": 10**30}, "unet: `in_channels` holds"),
        ({"attention_head_dim": 0}, "unet: cannot be built"),
    ],
)
def test_a_network_to_be_trained_is_measured_before_it_is_made(options, words):
    with pytest.raises(ConfigError, match=words):
        StableDiffusion.tiny(**{**NETWORK, "unet": {**NETWORK["unet"], **options}})


@pytest.mark.parametrize("dim", [0, -1, 10**9])
def test_a_text_encoder_to_be_made_has_a_width(dim):
    with pytest.raises(ConfigError, match="prompt_dim"):
        StableDiffusion.tiny(**{**NETWORK, "prompt_dim": dim})
