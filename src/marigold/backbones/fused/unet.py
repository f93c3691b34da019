"""A U-Net of diffusers for inference: what depends on the time alone is computed once for each time."""

from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones.fused.blocks import Resnet


class FusedUNet(nn.Module):
    """diffusers' UNet2DConditionModel with rebuilt layers, for a prompt and a class that never change."""

    conv_in: Any
    down_blocks: Any
    mid_block: Any
    up_blocks: Any
    conv_norm_out: Any
    conv_act: Any
    conv_out: Any
    time_proj: Any
    time_embedding: Any
    class_embedding: Any
    time_embed_act: Any
    switch: Tensor | None

    def __init__(self, unet: Any, switch: Tensor | None) -> None:
        """Takes over the parts of a U-Net whose layers have been rebuilt; `switch` is what its class embedding gets."""
        super().__init__()
        for name in (*dict(unet.named_children()), "class_embedding", "time_embed_act", "mid_block"):
            setattr(self, name, getattr(unet, name))  # the last three are None in some
        self.config, self.to_json_string, self.kind = unet.config, unet.to_json_string, type(unet).__name__
        self.register_buffer("switch", switch, persistent=False)
        self._resnets = [block for block in self.modules() if isinstance(block, Resnet)]
        self._known: dict[tuple[int, torch.dtype], Tensor] = {}

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        """Latents [B, C, h, w], and what their times add to all blocks [B or 1, D] (see `times`)."""
        x = self.conv_in(x)
        kept = [x]
        for block in self.down_blocks:
            x, found = block(x, times)
            kept += found
        x = x if self.mid_block is None else self.mid_block(x, times)
        for block in self.up_blocks:
            count = len(block.resnets)
            found, kept = tuple(kept[-count:]), kept[:-count]
            x = block(x, found, times, upsample_size=tuple(kept[-1].shape[2:]) if kept else None)
        return self.conv_out(self.conv_act(self.conv_norm_out(x)))

    def times(self, t: int | Tensor, device: torch.device) -> Tensor:
        """What times [B], or one for all, add in the residual blocks: [B or 1, the sum of the blocks' channels]."""
        if isinstance(t, Tensor):
            return self._added(t).to(device)
        key = t, self.conv_in.weight.dtype
        if key not in self._known:
            self._known[key] = self._added(torch.tensor([t])).to(device)
        return self._known[key]

    def _added(self, t: Tensor) -> Tensor:
        weight = self.conv_in.weight
        embedding = self.time_embedding(self.time_proj(t.to(weight.device)).to(weight.dtype))
        if self.class_embedding is not None and self.switch is not None:
            switch = self.switch.expand(len(t), *self.switch.shape[1:]).to(weight.device)
            switch = self.time_proj(switch) if self.config.class_embed_type == "timestep" else switch
            more = self.class_embedding(switch if switch.dtype == torch.long else switch.to(weight.dtype))
            joined = self.config.class_embeddings_concat
            embedding = torch.cat([embedding, more], dim=-1) if joined else embedding + more
        embedding = embedding if self.time_embed_act is None else self.time_embed_act(embedding)
        return torch.cat([block.added(embedding) for block in self._resnets], dim=-1)
