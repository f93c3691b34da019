"""Whether the parts of a Stable Diffusion checkpoint fit together, by their configurations."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from marigold.core.config import require
from marigold.core.errors import ConfigError

_SCALING = (1e-6, 1e6)
_BLOCKS = (
    *("down_block_types", "up_block_types"),
    *("encoder_block_out_channels", "decoder_block_out_channels", "num_encoder_blocks", "num_decoder_blocks"),
)
"""The lists in an autoencoder's configuration that have an entry for each block, of the KL and of the tiny one."""


def check_autoencoder(config: Any) -> None:
    """Raises `ConfigError` unless it is one of images whose lists agree and whose latents can be scaled."""
    for key in ("in_channels", "out_channels"):
        require(config[key] == 3, f"vae: {key}", config[key], "3, as photos and target images have")
    stated = {"scaling_factor": config.scaling_factor, "shift_factor": config.get("shift_factor") or 0.0}
    for key, value in stated.items():
        number = isinstance(value, float | int) and not isinstance(value, bool) and math.isfinite(value)
        require(number, f"vae: {key}", repr(value), "a number")
    least, most = _SCALING
    require(least <= config.scaling_factor <= most, "vae: scaling_factor", config.scaling_factor, f"{least} to {most}")
    _check_blocks(config)


def _check_blocks(config: Any) -> None:
    """Raises `ConfigError` unless an autoencoder's lists say the same of how many blocks there are, on both ways."""
    blocks = len(config.block_out_channels)
    for key in _BLOCKS:
        if (stated := config.get(key)) is not None:
            count = len(stated) if isinstance(stated, list | tuple) else 0
            require(count == blocks, f"vae: {key}", f"{count} blocks", f"a list of {blocks}, like `block_out_channels`")


def widths_of(config: Any, channels: int, photo_alone: bool) -> tuple[int, int]:
    """The numbers of conditions and targets of a U-Net, which sees its targets' noise unless it sees `photo_alone`."""
    if config.addition_embed_type is not None:
        raise ConfigError(
            f"unet: additional embeddings (`{config.addition_embed_type}`) as in Stable Diffusion XL are not "
            "supported; use a 1.x or 2.x generator"
        )
    if config.in_channels % channels or config.out_channels % channels:
        raise ConfigError(
            f"unet: {config.in_channels} input and {config.out_channels} output channels are no multiples of "
            f"the autoencoder's {channels}; use the autoencoder that the network was trained with"
        )
    targets = config.out_channels // channels
    conditions = config.in_channels // channels - (0 if photo_alone else targets)
    if conditions < 0:
        raise ConfigError(
            f"unet: {config.in_channels} input channels hold no noise for the {config.out_channels} of its output; if "
            "it sees the photo alone, state so as `convention.start` in card.json"
        )
    return conditions, targets


def switch_of(config: Any, switch: Sequence[float]) -> Tensor | None:
    """What the class embedding of a U-Net is given, [1, ...]; None for a U-Net without one.

    A projection of twice as many numbers as the switch has takes their sines and cosines (He et al. 2025).
    """
    kind = config.class_embed_type or ("index" if config.num_class_embeds is not None else None)
    if (kind is None) != (not switch):
        what = "has a class embedding, and nothing says what its input is" if kind else "has no class embedding"
        raise ConfigError(f"unet: {what}; correct `convention.switch` in card.json, such as [1, 0]")
    if kind is None:
        return None
    if kind == "index":
        return torch.tensor([int(switch[0])])
    if kind == "timestep":
        return torch.tensor([float(switch[0])])
    numbers, width = torch.tensor([list(switch)], dtype=torch.float32), config.projection_class_embeddings_input_dim
    if width == 2 * len(switch):
        numbers = torch.cat([numbers.sin(), numbers.cos()], dim=-1)
    if width not in (None, numbers.shape[-1]):
        raise ConfigError(
            f"unet: its class embedding takes {width} numbers; give as many, or half as many, as `convention.switch` "
            "in card.json"
        )
    return numbers
