"""A small decoder of maps behind an encoder that stays: what it computes, and which files it can be read from."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from marigold.backbones._decoders import MapDecoder, Shape
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.core.errors import CheckpointError, OutputError
from toys.scenes import NETWORK

SHAPE = Shape(4, (8, 4), (1, 1))


def backbone(seed: int = 0) -> StableDiffusion:
    torch.manual_seed(seed)
    return StableDiffusion.tiny(**NETWORK).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A small decoder of random weights behind the encoder of seed 0."""
    folder, made = tmp_path_factory.mktemp("decoder"), backbone()
    made.add_decoder(SHAPE.widths, SHAPE.blocks)
    made.write_decoder(folder)
    return folder


def changed(written: Path, folder: Path, **changes) -> Path:
    """The same files with another configuration."""
    shutil.copytree(written, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


def test_every_level_doubles_the_sides():
    image = MapDecoder(Shape(4, (8, 6, 4), (1, 0, 2)))(torch.zeros(2, 4, 5, 3))
    assert image.shape == (2, 3, 20, 12)


def test_residual_blocks_begin_as_the_identity():
    torch.manual_seed(0)
    decoder = MapDecoder(Shape(4, (8,), (3,)))
    latent = torch.randn(1, 4, 6, 6)
    plain = decoder.leave(
        torch.relu(decoder.enter(latent) + sum(block.second.bias[:, None, None] for block in decoder.levels[0]))
    )
    torch.testing.assert_close(decoder(latent), plain)


def test_it_sees_latents_as_the_denoiser_does(written):
    made = backbone()
    made.vae.register_to_config(scaling_factor=0.5, shift_factor=0.25)
    made.add_decoder(SHAPE.widths, SHAPE.blocks)
    latent = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(made.decode(latent), made.autoencoder.small(latent))


def test_what_was_written_decodes_as_before_and_the_encoder_stays(written):
    torch.manual_seed(1)
    picture, latent = torch.rand(1, 3, 16, 16), torch.randn(1, 4, 8, 8)
    whole, small = backbone(), backbone()
    small.replace_autoencoder(written)
    first = backbone()
    torch.manual_seed(0)
    StableDiffusion.tiny(**NETWORK)  # the draws before those of the small decoder
    first.add_decoder(SHAPE.widths, SHAPE.blocks)
    torch.testing.assert_close(small.decode(latent), first.decode(latent))
    assert torch.equal(small.encode(picture), whole.encode(picture))
    assert not any("whole.decoder" in name for name in small.state_dict())


def test_half_precision_of_the_encoder_is_known_again(written):
    made = backbone().to(torch.bfloat16)
    made.replace_autoencoder(written)
    assert {p.dtype for p in made.autoencoder.parameters()} == {torch.bfloat16}


def test_a_decoder_of_another_encoders_latents_is_refused(written):
    with pytest.raises(CheckpointError, match="was distilled behind another encoder"):
        backbone(seed=3).replace_autoencoder(written)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latent_channels": 16}, "decodes latents of 16 channels, and the checkpoint's have 4"),
        ({"widths": [8, 4, 4], "blocks": [1, 1, 1]}, "widths: a list of 3"),
        ({"widths": [8, 6]}, "the weights do not fit its config.json"),
        ({"widths": "wide"}, "widths"),
        ({"widths": [8, 1e300]}, "widths"),
        ({"blocks": None}, "blocks"),
        ({"probe": ["a"]}, "probe"),
        ({"probe": []}, "was distilled behind another encoder"),
        ({"_class_name": "Sequential"}, "no autoencoder named `Sequential`"),
    ],
)
def test_a_configuration_that_cannot_be_is_named(written, tmp_path, changes, said):
    folder = changed(written, tmp_path / "decoder", **changes)
    with pytest.raises(CheckpointError, match=said) as refused:
        backbone().replace_autoencoder(folder)
    assert str(folder) in str(refused.value)


def tiny(folder: Path, **options) -> AutoencoderTiny:
    """A tiny autoencoder as diffusers writes it, whose latents need no factor."""
    torch.manual_seed(5)
    usual = dict(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )
    made = AutoencoderTiny(**{**usual, **options})
    made.save_pretrained(folder)
    return made.eval()


@torch.no_grad()
def test_a_tiny_autoencoder_encodes_and_decodes_as_diffusers_calls_it(tmp_path):
    made, own = backbone(), tiny(tmp_path / "tiny")
    made.replace_autoencoder(tmp_path / "tiny")
    picture, latent = torch.rand(1, 3, 16, 16) * 2 - 1, torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(made.encode(picture), own.encode(picture).latents)
    torch.testing.assert_close(made.decode(latent), own.decode(latent).sample)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latent_channels": 8}, "has 8 latent channels, and the checkpoint's own autoencoder 4"),
        (
            dict(
                encoder_block_out_channels=(8, 8, 8),
                decoder_block_out_channels=(8, 8, 8),
                num_encoder_blocks=(1, 1, 1),
                num_decoder_blocks=(1, 1, 1),
            ),
            "has 3 levels, and the checkpoint's own autoencoder 2",
        ),
    ],
)
def test_an_autoencoder_of_other_latents_is_refused(tmp_path, options, said):
    tiny(tmp_path / "tiny", **options)
    with pytest.raises(CheckpointError, match=said):
        backbone().replace_autoencoder(tmp_path / "tiny")


def test_a_checkpoint_of_two_networks_is_not_written_as_one(written, tmp_path):
    made = backbone()
    made.replace_autoencoder(written)
    with pytest.raises(OutputError, match="save the checkpoint as it is without `autoencoder`"):
        made.write(tmp_path)
