"""Which autoencoder is meant by a name, and what a checkpoint with another one says of itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import store
from marigold.checkpoints.autoencoders import label
from marigold.checkpoints.calibration import Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.checkpoints.hub import needed
from marigold.core.errors import CheckpointError
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.hub import serving
from toys.scenes import NETWORK

LATENT = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))


def estimator(seed: int = 0) -> Estimator:
    torch.manual_seed(seed)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False).eval()


@pytest.fixture
def folder(tmp_path) -> Path:
    """A checkpoint with a calibration."""
    made, place = estimator(), tmp_path / "toy"
    made.card = replace(made.card, calibration=(CALIBRATION,))
    checkpoint.save(made, place)
    return place


CALIBRATION = Calibration(
    steps=1,
    ensemble=3,
    resolution=16,
    sizing="longest",
    tta="none",
    data="closed form",
    images=1,
    levels=(0.9,),
    outputs={"depth": Spread(scale=1.0, floor=0.1, quantiles=(1.0,))},
)


def decoder(place: Path, seed: int = 0, name: str = "small") -> Path:
    made = estimator()
    torch.manual_seed(seed)
    made.backbone.add_decoder((8, 4), (1, 1))
    made.card = replace(made.card, name=name)
    store.save_decoder(made, place)
    return place


def tiny(place: Path, seed: int = 5) -> Path:
    torch.manual_seed(seed)
    AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    ).save_pretrained(place)
    return place


def decoded(name: Path, **how) -> torch.Tensor:
    with torch.no_grad():
        return checkpoint.open(name, **how).decode_pixels(LATENT)


def test_a_folder_replaces_the_decoder_or_the_whole_autoencoder(folder, tmp_path):
    small, whole = decoder(tmp_path / "small"), tiny(tmp_path / "whole")
    three = [decoded(folder), decoded(folder, autoencoder=small), decoded(folder, autoencoder=str(whole))]
    assert not any(torch.allclose(three[one], three[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


def test_of_a_checkpoints_folder_its_autoencoder_is_taken(folder, tmp_path):
    other = tmp_path / "other"
    checkpoint.save(estimator(seed=1), other)
    torch.testing.assert_close(decoded(folder, autoencoder=other), decoded(other))


def test_of_a_checkpoints_folder_its_small_decoder_is_taken_first(folder, tmp_path):
    other = tmp_path / "other"
    checkpoint.save(estimator(seed=1), other)
    decoder(other / "decoder")
    small = decoded(folder, autoencoder=decoder(tmp_path / "small"))
    torch.testing.assert_close(decoded(folder, autoencoder=other), small)


def test_tiny_is_the_checkpoints_own_small_decoder(folder):
    plain = decoded(folder)
    small = decoder(folder / "decoder")
    torch.testing.assert_close(decoded(folder, autoencoder="tiny"), decoded(folder, autoencoder=small))
    torch.testing.assert_close(decoded(folder), plain)


def test_the_revision_names_the_autoencoder_by_its_content(folder, tmp_path):
    own = checkpoint.describe(folder).card.revision
    first, second = decoder(tmp_path / "small"), decoder(tmp_path / "again", seed=1)
    found = [checkpoint.describe(folder, autoencoder=one).card.revision for one in (first, second)]
    assert [one.startswith(f"{own}+small@") for one in found] == [True, True]
    assert len({own, *found}) == 3
    assert checkpoint.open(folder, autoencoder=first).card.revision == found[0]
    decoder(first, seed=1)
    assert checkpoint.describe(folder, autoencoder=first).card.revision == found[1]


def test_a_label_is_a_name_and_a_hash(tmp_path):
    assert label(decoder(tmp_path / "a")) == label(decoder(tmp_path / "b"))
    name, _, digest = label(tiny(tmp_path / "whole")).partition("@")
    assert name == "whole" and len(digest) == 12


def test_intervals_are_not_calibrated_for_another_autoencoder(folder, tmp_path):
    assert checkpoint.describe(folder).card.calibration == (CALIBRATION,)
    assert checkpoint.describe(folder, autoencoder=decoder(tmp_path / "small")).card.calibration == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tiny", "`toy` has no small decoder of its own, and none is known for latents of 4 channels with the factor "),
        ("no/such/folder", "no such folder; give tiny, or the folder of an autoencoder"),
        ("somewhere", "no such folder"),
        ("https://example.org/a/b", "no such folder"),
    ],
)
def test_a_name_that_stands_for_none_says_what_to_give(folder, name, said, tmp_path):
    made = estimator()
    made.backbone.vae.register_to_config(scaling_factor=0.5)
    checkpoint.save(made, folder)
    with pytest.raises(CheckpointError, match=said):
        checkpoint.describe(folder, autoencoder=name)


def test_a_folder_that_holds_none_is_named(folder, tmp_path):
    with pytest.raises(CheckpointError, match=f"{tmp_path / 'empty'}: holds no config.json; give the folder of"):
        (tmp_path / "empty").mkdir()
        checkpoint.describe(folder, autoencoder=tmp_path / "empty")


def test_a_decoder_takes_the_place_of_a_decoder_and_of_nothing_else(tmp_path):
    place = decoder(tmp_path / "small")
    before = Card.read(place).revision
    assert Card.read(decoder(place, seed=1)).revision != before
    (place / "notes.txt").write_text("mine")
    with pytest.raises(Exception, match=r"notes\.txt: is no part of a checkpoint and would be lost"):
        decoder(place)
    assert (place / "notes.txt").read_text() == "mine"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with a tiny autoencoder under the public one's name, and what is fetched from it."""
    tiny(tmp_path / "hub" / "madebyollin" / "taesd")
    (tmp_path / "hub" / "madebyollin" / "taesd" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    with serving(tmp_path / "hub", monkeypatch, tmp_path / "cache") as fetched:
        yield fetched


def test_tiny_is_fetched_for_latents_of_stable_diffusion_once(folder, hub, tmp_path):
    whole = decoded(folder, autoencoder=tmp_path / "hub" / "madebyollin" / "taesd")
    torch.testing.assert_close(decoded(folder, autoencoder="tiny"), whole)
    assert sorted(hub) == ["config.json", "diffusion_pytorch_model.safetensors"]
    torch.testing.assert_close(decoded(folder, autoencoder="madebyollin/taesd"), whole)
    assert len(hub) == 2
    revision = checkpoint.describe(folder, autoencoder="tiny").card.revision
    assert "+madebyollin/taesd@" in revision


def test_with_a_checkpoint_comes_its_own_small_decoder():
    own = ["decoder/config.json", "decoder/diffusion_pytorch_model.safetensors"]
    there = ["model_index.json", "empty_prompt.safetensors", *own, "decoder/notes.txt"]
    assert [name for name in needed(there) if name.startswith("decoder")] == own


def test_without_a_network_the_cache_serves_and_else_the_error_helps(folder, hub, tmp_path, monkeypatch):
    decoded(folder, autoencoder="madebyollin/taesd")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", _broken)
    assert "taesd" in checkpoint.describe(folder, autoencoder="tiny").card.revision
    with pytest.raises(CheckpointError, match="autoencoder else/where: not in this machine's cache, and the hub"):
        checkpoint.describe(folder, autoencoder="else/where")


def _broken(*_, **__):
    raise ConnectionError("no route")


def test_a_repository_without_safetensors_is_refused(folder, hub, tmp_path):
    (tmp_path / "hub" / "madebyollin" / "taesd" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="madebyollin/taesd: holds no safetensors"):
        checkpoint.describe(folder, autoencoder="tiny")


def test_the_photo_is_encoded_as_before_behind_a_small_decoder(folder, tmp_path):
    photo = torch.as_tensor(np.random.default_rng(0).random((1, 3, 16, 16), dtype=np.float32))
    one, other = checkpoint.open(folder), checkpoint.open(folder, autoencoder=decoder(tmp_path / "small"))
    assert torch.equal(one.encode_image(photo), other.encode_image(photo))
