"""From the hub comes what is needed and nothing else, once; without a network the cache serves, or an error helps."""

from pathlib import Path

import pytest

from marigold import checkpoint
from marigold.checkpoints.cache import cached
from marigold.checkpoints.hub import needed
from marigold.checkpoints.layout import PROMPT_FILE, weight_files
from marigold.core.errors import CheckpointError
from toys.hub import COMMIT, serving
from toys.published import marigold

# As public repositories of this layout list their files.
FIRST = [
    ".gitattributes", "README.md", "model_index.json", "scheduler/scheduler_config.json",
    "text_encoder/config.json", "text_encoder/model.fp16.safetensors", "text_encoder/model.safetensors",
    "text_encoder/pytorch_model.bin", "tokenizer/merges.txt", "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "unet/config.json",
    "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors", "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.safetensors",
]  # fmt: skip


def test_one_form_of_the_weights_is_needed_and_no_pickle():
    assert needed(FIRST) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]


def test_a_stored_prompt_makes_text_encoder_and_tokenizer_unnecessary():
    found = needed([*FIRST, "empty_prompt.safetensors", "card.json"])
    assert {name.partition("/")[0] for name in found} == {
        "card.json", "empty_prompt.safetensors", "model_index.json", "scheduler", "unet", "vae",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["m.safetensors", "m.fp16.safetensors"], ["m.safetensors"]),
        (["m.bin", "m.fp16.safetensors"], ["m.fp16.safetensors"]),
        (["m.bf16.safetensors", "m.bin"], ["m.bf16.safetensors"]),
        (["m.bin"], []),
        (
            ["m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors",
             "m.safetensors.index.fp16.json", "m.fp16-00001-of-00001.safetensors"],
            ["m.safetensors.index.json", "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"],
        ),
        (
            ["m.safetensors.index.fp16.json", "m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
            ["m.safetensors.index.fp16.json", "m.fp16-00001-of-00002.safetensors", "m.fp16-00002-of-00002.safetensors"],
        ),
        (
            ["m.safetensors.index.fp16.json", "m-00001-of-00001.fp16.safetensors", "m-00001-of-00001.safetensors"],
            ["m.safetensors.index.fp16.json", "m-00001-of-00001.fp16.safetensors"],
        ),
    ],
)  # fmt: skip
def test_the_most_exact_weights_are_taken_whole_or_in_shards(names, expected):
    assert weight_files(names, "m") == expected


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The folder that a local hub serves as `toys/depth`, in two precisions and with pickles, and what is fetched."""
    folder = tmp_path / "root" / "toys" / "depth"
    marigold(folder, "marigold-depth-v1-1", variant="fp16")
    marigold(folder, "marigold-depth-v1-1")
    for name in ("unet/diffusion_pytorch_model.bin", "README.md"):
        (folder / name).write_bytes(b"not needed")
    with serving(tmp_path / "root", monkeypatch, tmp_path / "cache") as fetched:
        yield folder, fetched


def offline(monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_only_needed_files_are_fetched_and_only_once(repository, monkeypatch):
    folder, fetched = repository
    assert checkpoint.open("toys/depth").card.revision == COMMIT
    assert sorted(fetched) == needed([file.relative_to(folder).as_posix() for file in folder.rglob("*")])
    assert not any("fp16" in name or name.endswith((".bin", ".md")) for name in fetched)
    fetched.clear()
    checkpoint.open("toys/depth")
    offline(monkeypatch)
    checkpoint.open("toys/depth")
    assert fetched == []


def test_a_variant_is_fetched_where_there_is_nothing_else(repository):
    folder, fetched = repository
    for part in ("unet", "vae"):
        (folder / part / "diffusion_pytorch_model.safetensors").unlink()
    checkpoint.open("toys/depth")
    assert [name for name in fetched if "unet/diffusion" in name] == ["unet/diffusion_pytorch_model.fp16.safetensors"]


def test_a_prompt_that_was_computed_here_spares_the_text_encoder(repository, tmp_path):
    _, fetched = repository
    checkpoint.open("toys/depth")
    (snapshot,) = (tmp_path / "cache").glob("*/snapshots/*")
    for file in (snapshot / "text_encoder").iterdir():
        file.unlink()
    fetched.clear()
    checkpoint.open("toys/depth")
    assert fetched == []


def test_a_repository_of_pickles_alone_is_refused(repository):
    folder, fetched = repository
    for file in (folder / "unet").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(CheckpointError, match=r"toys/depth: holds no safetensors of its `unet`.*pickle"):
        checkpoint.open("toys/depth")
    assert fetched == []


def test_a_repository_that_does_not_exist_says_what_to_do(repository):
    with pytest.raises(CheckpointError, match=r"hf download toys/nothing.*bundled: .*depth"):
        checkpoint.open("toys/nothing")


def test_offline_and_not_cached_says_what_to_do(repository, monkeypatch):
    offline(monkeypatch)
    with pytest.raises(
        CheckpointError, match=r"not in this machine's cache.*`hf download toys/depth --local-dir depth`.*bundled"
    ):
        checkpoint.open("toys/depth")


def test_a_half_fetched_checkpoint_is_not_taken_for_one(repository, monkeypatch, tmp_path):
    checkpoint.open("toys/depth")
    for file in (tmp_path / "cache").glob("*/snapshots/*/unet/*.safetensors"):
        file.unlink()
    offline(monkeypatch)
    with pytest.raises(CheckpointError, match="not in this machine's cache"):
        checkpoint.open("toys/depth")
    assert list(cached()) == []


def test_the_cache_is_listed_with_names_and_sizes(repository, tmp_path):
    assert list(cached()) == []
    checkpoint.open("toys/depth")
    (found,) = cached()
    blobs = (tmp_path / "cache").glob("*/blobs/*")
    prompt = found.folder / PROMPT_FILE
    assert found.name == "toys/depth"
    assert found.bytes == sum(file.stat().st_size for file in blobs) + prompt.stat().st_size
    assert found.folder == Path(next((tmp_path / "cache").glob("*/snapshots/*")))
