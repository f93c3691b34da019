"""A U-Net of diffusers for inference: what depends on the time alone is computed once for each time."""

from typing import Any

import torch
from torch import Tensor

from marigold.backbones.fused.blocks import Resnet


class Times:
    """What times add in the residual blocks of a U-Net; kept for each time that was asked for."""

    def __init__(self, unet: Any, switch: Tensor | None) -> None:
        """`switch` is what the class embedding is given, where there is one."""
        self._unet, self._switch = unet, switch
        self._blocks = [block for block in unet.modules() if isinstance(block, Resnet)]
        self._known: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    def at(self, t: int) -> Tensor:
        """At one time, for all blocks together: [1, the sum of their channels]."""
        weight = self._unet.conv_in.weight
        key = t, weight.dtype, weight.device
        if key not in self._known:
            self._known[key] = self.of(torch.tensor([t], device=weight.device))
        return self._known[key]

    def of(self, t: Tensor) -> Tensor:
        """At times [B]: [B, the sum of the blocks' channels]."""
        unet = self._unet
        like = unet.conv_in.weight.new_empty(len(t))
        embedding = unet.time_embedding(unet.get_time_embed(like, t))
        switch = None if self._switch is None else self._switch.expand(len(t), *self._switch.shape[1:])
        if (more := unet.get_class_embed(like, switch)) is not None:
            joined = unet.config.class_embeddings_concat
            embedding = torch.cat([embedding, more], dim=-1) if joined else embedding + more
        embedding = embedding if unet.time_embed_act is None else unet.time_embed_act(embedding)
        return torch.cat([block.added(embedding) for block in self._blocks], dim=-1)


def run(unet: Any, x: Tensor, times: Tensor) -> Tensor:
    """The U-Net on latents [B, C, h, w] with what the time adds; its layers have been rebuilt."""
    x = unet.conv_in(x)
    kept = [x]
    for block in unet.down_blocks:
        x, found = block(x, times)
        kept += found
    x = unet.mid_block(x, times) if unet.mid_block is not None else x
    for block in unet.up_blocks:
        count = len(block.resnets)
        found, kept = tuple(kept[-count:]), kept[:-count]
        size = tuple(kept[-1].shape[2:]) if kept else None
        x = block(x, found, times, upsample_size=size)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
