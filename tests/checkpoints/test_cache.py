"""What the hub's cache lists is what opens from it without a network."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.checkpoints.catalogue import models
from marigold.core.errors import MarigoldError
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.scenes import NETWORK

OLD, NEW = "a" * 40, "b" * 40
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """`toys/depth` in the cache as its whole commit `OLD`, without any reference, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    repository = tmp_path / "cache" / "models--toys--depth"
    checkpoint.save(Estimator(backbone, Depth(), Card("toy", "depth")), repository / "snapshots" / OLD)
    (repository / "refs").mkdir()
    return repository


def refer(repository: Path, name: str, commit: str) -> None:
    file = repository / "refs" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(commit)


def opens(name: str) -> bool:
    try:
        checkpoint.open(name)
    except MarigoldError:
        return False
    return True


def listed() -> bool:
    return "toys/depth" in {model.name for model in models() if model.place == "cached"}


@pytest.mark.parametrize(
    "references", [{}, {"main": OLD}, {"fp16": OLD}, {"refs/pr/1": OLD}, {"main": NEW}, {"main": NEW, "v1": OLD}]
)
def test_a_whole_commit_is_listed_and_opens_whatever_refers_to_it(repository, references):
    for name, commit in references.items():
        refer(repository, name, commit)
    assert listed() and opens("toys/depth")


def test_of_several_commits_that_of_main_opens_if_it_is_whole(repository):
    shutil.copytree(repository / "snapshots" / OLD, repository / "snapshots" / NEW)
    for commit in (OLD, NEW):
        refer(repository, "main", commit)
        assert checkpoint.describe("toys/depth").folder.name == commit
    shutil.rmtree(repository / "snapshots" / NEW / "unet")
    assert checkpoint.describe("toys/depth").folder.name == OLD
    assert listed()


def test_a_revision_opens_itself_and_nothing_else(repository):
    refer(repository, "main", OLD)
    refer(repository, "refs/pr/1", OLD)
    assert opens(f"toys/depth@{OLD}") and opens("toys/depth@refs/pr/1") and opens("toys/depth@main")
    assert not opens(f"toys/depth@{NEW}") and not opens("toys/depth@v1")
    assert not opens("toys/depth@../snapshots")


def remove(*names):
    def removing(folder: Path) -> None:
        for path in (folder / name for name in names):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return removing


def hold(name: str, content: bytes):
    return lambda folder: (folder / name).write_bytes(content)


def cut(folder: Path) -> None:
    (folder / "vae" / WEIGHTS).write_bytes((folder / "vae" / WEIGHTS).read_bytes()[:-5])


def lose_the_blob(folder: Path) -> None:
    (folder / "vae" / WEIGHTS).unlink()
    (folder / "vae" / WEIGHTS).symlink_to("../../blobs/none")


def lose_a_shard(folder: Path) -> None:
    one, two = (f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2))
    (folder / "vae" / WEIGHTS).rename(folder / "vae" / one)
    files = {"conv_in.weight": one, "conv_in.bias": two}
    (folder / "vae" / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": files}))


@pytest.mark.parametrize(
    "damage",
    [
        remove("vae"),
        remove("unet"),
        remove("scheduler"),
        remove("model_index.json"),
        remove(f"vae/{WEIGHTS}"),
        remove("vae/config.json"),
        remove("unet/config.json"),
        remove("empty_prompt.safetensors", "text_encoder"),
        remove("empty_prompt.safetensors", "tokenizer"),
        remove("empty_prompt.safetensors", "tokenizer/merges.txt"),
        hold(f"vae/{WEIGHTS}", b""),
        hold(f"unet/{WEIGHTS}", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        hold("vae/config.json", b""),
        hold("unet/config.json", b"{"),
        hold("scheduler/scheduler_config.json", b"<!DOCTYPE html>"),
        hold("empty_prompt.safetensors", b"none"),
        hold("card.json", b"{"),
        hold("card.json", b'{"name": "toy", "modality": "depth", "backbone": "no_such_backbone"}'),
        hold("card.json", b'{"name": "toy", "modality": "no_such_package.modality"}'),
        cut,
        lose_the_blob,
        lose_a_shard,
    ],
)
def test_a_commit_that_is_there_in_part_is_neither_listed_nor_opened(repository, damage):
    refer(repository, "main", OLD)
    damage(repository / "snapshots" / OLD)
    assert not listed() and not opens("toys/depth")


@pytest.mark.parametrize("unneeded", [remove("text_encoder", "tokenizer"), remove("empty_prompt.safetensors")])
def test_prompt_or_text_encoder_is_enough(repository, unneeded):
    refer(repository, "main", OLD)
    unneeded(repository / "snapshots" / OLD)
    assert listed() and opens("toys/depth")


def test_damage_in_the_cache_comes_with_the_command_that_mends_it(repository):
    cut(repository / "snapshots" / OLD)
    command = f"`hf download toys/depth vae/{WEIGHTS} --revision {OLD} --force-download`"
    with pytest.raises(MarigoldError, match=command):
        checkpoint.open(repository / "snapshots" / OLD)
