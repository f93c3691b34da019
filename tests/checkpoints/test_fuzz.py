"""Damaged checkpoints: every file of a small one is damaged by a seeded stream; it opens, or says what is wrong."""

import json
import shutil
import struct
import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError, UnknownNameError
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.mutations import as_text, damaged_bytes, damaged_values, survives
from toys.scenes import NETWORK

ALLOWED = (CheckpointError, UnknownNameError)
SMALLEST = {
    "unet": {
        "block_out_channels": [4],
        "down_block_types": ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"],
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 2,
    },
    "vae": {"norm_num_groups": 2, "block_out_channels": [4], "mid_block_add_attention": False},
    "schedule": NETWORK["schedule"],
    "prompt_dim": 8,
}
"""A network of one block, which is made in a few milliseconds."""
FILES = {
    "card.json": 50,
    "model_index.json": 30,
    "scheduler/scheduler_config.json": 50,
    "unet/config.json": 50,
    "vae/config.json": 35,
    "unet/diffusion_pytorch_model.safetensors": 35,
    "vae/diffusion_pytorch_model.safetensors": 20,
    "empty_prompt.safetensors": 30,
    "text_encoder/config.json": 20,
    "text_encoder/model.safetensors": 10,
    "tokenizer/tokenizer_config.json": 10,
    "tokenizer/vocab.json": 10,
    "tokenizer/merges.txt": 5,
}
"""How many inputs are made of each."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "toy"
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**SMALLEST)
    backbone.adapt(1, 1)
    store.save(Estimator(backbone, Depth(), Card("toy", "depth", defaults={"steps": 2, "resolution": 32})), folder)
    return folder


def damaged(file: Path, count: int) -> Iterator[bytes]:
    """Variants of a file: of its bytes and, where there are any, of the values in it."""
    valid = file.read_bytes()
    by_value: Iterator[bytes] = iter(())
    if file.suffix == ".json":
        by_value = map(as_text, damaged_values(json.loads(valid), 2 * count // 3))
    if file.suffix == ".safetensors":
        by_value = other_headers(valid, 2 * count // 3)
    rest = count - 2 * count // 3 if file.suffix != ".txt" else count
    return chain(by_value, damaged_bytes(valid, rest))


def other_headers(valid: bytes, count: int) -> Iterator[bytes]:
    """A safetensors file whose header states something else, with its length corrected."""
    end = 8 + int.from_bytes(valid[:8], "little")
    for header in map(as_text, damaged_values(json.loads(valid[8:end]), count)):
        yield struct.pack("<Q", len(header)) + header + valid[end:]


def test_enough_inputs_are_tried():
    assert sum(FILES.values()) >= 300


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_opens_or_says_what_is_wrong(whole, tmp_path, monkeypatch, caplog, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "toy"
    shutil.copytree(whole, folder)
    prompt = folder / "empty_prompt.safetensors"
    file = folder / name
    for number, content in enumerate(damaged(whole / name, FILES[name])):
        file.write_bytes(content)
        if file.parent.name in ("text_encoder", "tokenizer"):
            prompt.unlink(missing_ok=True)  # so that it is computed
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            what = f"{name} damaged, input {number}"
            if survives(lambda: store.describe(folder), ALLOWED, what):
                survives(lambda: store.open(folder), ALLOWED, what)
    assert caplog.text == ""
