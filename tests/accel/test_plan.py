"""A plan changes where and how a result is computed, within the stated tolerance not what."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny

from marigold.accel.plan import Plan, apply
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.identity import CARD, Identity


class Painted(Identity):
    """The identity with a real autoencoder behind it."""

    def __init__(self, vae):
        super().__init__(stride=2)
        self.vae, self.latent_channels = vae, 4

    @property
    def autoencoder(self):
        return self.vae

    def decode(self, latent):
        return self.vae.decode(latent.to(self.vae.dtype), return_dict=False)[0]


def autoencoder(kind):
    torch.manual_seed(0)
    if kind is AutoencoderTiny:
        options = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
        return kind(**options, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1))
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    return kind(**blocks, block_out_channels=[16, 16], norm_num_groups=8)


@pytest.mark.parametrize("kind", [AutoencoderKL, AutoencoderTiny])
def test_a_map_in_low_precision_has_no_bands(kind):
    latent = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    exact = apply(Estimator(Painted(autoencoder(kind)), Depth(), CARD), Plan())
    rough = apply(Estimator(Painted(autoencoder(kind)), Depth(), CARD), Plan(dtype=torch.bfloat16))
    with torch.inference_mode():
        expected, pixels = exact.decode_pixels(latent), rough.decode_pixels(latent)
    assert pixels.dtype == torch.float32
    assert pixels.unique().numel() > 0.9 * pixels.numel()
    torch.testing.assert_close(pixels, expected, atol=0.02 * float(expected.abs().max()), rtol=0)


def test_an_estimator_is_ready_for_inference():
    estimator = apply(Estimator(Painted(autoencoder(AutoencoderKL)), Depth(), CARD), Plan(dtype=torch.bfloat16))
    assert not estimator.training
    assert not any(parameter.requires_grad for parameter in estimator.parameters())
    assert estimator.backbone.vae.encoder.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert estimator.backbone.vae.encoder.conv_in.weight.dtype == torch.bfloat16
