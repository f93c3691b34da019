"""A U-Net with a switch between tasks: a class embedding of its sines and cosines (He et al. 2025, sec. 4.3)."""

from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones import _networks as networks


def switching(unet: Any, choices: int) -> Any:
    """The U-Net with a class embedding for a switch of so many numbers, drawn from the global random state.

    All other weights are those that it had. One that has a class embedding stays as it is.
    """
    if unet.config.class_embed_type is not None or unet.config.num_class_embeds is not None:
        return unet
    options = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2 * choices}
    made = networks.make(type(unet), {**unet.config, **options}, "unet")
    made.load_state_dict(unet.state_dict(), strict=False)
    # Its own `to` warns of layers that must stay single, of which there are none.
    return nn.Module.to(made, unet.device, unet.dtype).train(unet.training)


def embedded(switch: Tensor) -> Tensor:
    """Switches [B, choices] as the class embedding takes them, [B, 2 * choices]."""
    return torch.cat([switch.sin(), switch.cos()], dim=-1)
