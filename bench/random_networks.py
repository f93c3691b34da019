"""Networks of Stable Diffusion 2's size with random weights, and small ones of the same layout: what benchmarks time.

Time and memory are those of the published checkpoints, whose networks have the same sizes; the maps mean nothing.
"""

from typing import Any

import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth

UNET = {
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "block_out_channels": [320, 640, 1280, 1280],
    "use_linear_projection": True,
}
AUTOENCODER = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 768,
    "scaling_factor": 0.18215,
}
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "rescale_betas_zero_snr": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "full": {"unet": UNET, "kl": AUTOENCODER, "tiny": {}},
    "tiny": {
        "unet": {
            "cross_attention_dim": 8,
            "attention_head_dim": 8,
            "block_out_channels": [32, 64],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
        },
        "kl": {
            "block_out_channels": [32, 32],
            "down_block_types": ["DownEncoderBlock2D"] * 2,
            "up_block_types": ["UpDecoderBlock2D"] * 2,
            "latent_channels": 4,
            "scaling_factor": 0.18215,
        },
        "tiny": {
            "encoder_block_out_channels": [8, 8],
            "decoder_block_out_channels": [8, 8],
            "num_encoder_blocks": [1, 1],
            "num_decoder_blocks": [1, 1],
        },
    },
}
"""By size the options of the U-Net, the KL autoencoder and `AutoencoderTiny`, whose defaults are the public one's."""


def make_networks(size: str, autoencoder: str = "kl") -> tuple[Any, Any]:
    """The U-Net of a depth checkpoint and the `kl` or `tiny` autoencoder, on torch's default device and in its type."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    options = SIZES[size]
    kind = {"kl": AutoencoderKL, "tiny": AutoencoderTiny}[autoencoder]
    unet = UNet2DConditionModel(**{**options["unet"], "in_channels": 8, "out_channels": 4})
    return unet, kind(**options[autoencoder])


def make_estimator(
    size: str, device: str = "cpu", dtype: torch.dtype = torch.float32, autoencoder: str = "kl"
) -> Estimator:
    """A depth estimator with random weights, the same ones at every call; they are drawn as `dtype` on the device."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype)
        with torch.device(device):
            unet, vae = make_networks(size, autoencoder)
    finally:
        torch.set_default_dtype(before)
    prompt = torch.randn(1, 2, unet.config.cross_attention_dim)
    backbone = StableDiffusion(unet, vae, Schedule.from_config(SCHEDULE), prompt)
    defaults: dict[str, int | str] = {"steps": 1, "resolution": 768, "ensemble": 1}
    return Estimator(backbone, Depth(), Card("random", "depth", defaults=defaults, note="random weights")).to(device)
