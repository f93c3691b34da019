"""Layers of an autoencoder's encoder in an order of computation that compiles to faster kernels, the same to rounding.

Without a compiler they run as they are written in diffusers and torch.
"""

from typing import Any

import torch
from torch import Tensor, nn

SCORES = 2**30
"""Attention is computed from a matrix of at most so many scores, 2 GB of them in bfloat16."""


def rearrange(encoder: nn.Module) -> None:
    """Changes the group norms and the attention of a diffusers encoder, in place; its weights stay, and their names."""
    from diffusers.models.attention_processor import Attention

    for parent in list(encoder.modules()):
        if isinstance(parent, Attention) and _is_plain(parent):
            parent.set_processor(AttentionByProducts(parent.processor))  # pyright: ignore[reportArgumentType]
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.GroupNorm and layer.affine:
                parent.register_module(name, GroupNormByChannel.like(layer))


class GroupNormByChannel(nn.GroupNorm):
    """Group normalisation (Wu and He 2018) that takes the moments of each channel first, then those of a group.

    A group of an image laid out channels last is a few bytes of every pixel: kernels that reduce it read much more than
    they use. All channels together are read as they lie.
    """

    @classmethod
    def like(cls, layer: nn.GroupNorm) -> "GroupNormByChannel":
        """The layer, computed in this order, with the same parameters."""
        made = cls(layer.num_groups, layer.num_channels, layer.eps, layer.affine, device="meta")
        made.weight, made.bias = layer.weight, layer.bias
        return made.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, ...] to the same shape, in the type of the weights."""
        return self._by_channel(x.float()) if torch.compiler.is_compiling() else super().forward(x)

    def _by_channel(self, x: Tensor) -> Tensor:
        """The variance of a group is the mean of its channels' variances and the variance of their means."""
        groups = (self.num_groups, -1)
        within, means = (m.unflatten(1, groups) for m in torch.var_mean(x, tuple(range(2, x.ndim)), correction=0))
        between, mean = torch.var_mean(means, 2, correction=0, keepdim=True)
        deviation = (within.mean(2, keepdim=True) + between + self.eps).sqrt()
        # [B, G, 1] of the groups to [B, C, 1, ...] of their channels
        scale = (self.weight.unflatten(0, groups) / deviation).flatten(1).unflatten(1, (-1, *[1] * (x.ndim - 2)))
        mean = mean.expand_as(means).flatten(1).view_as(scale)
        shift = self.bias.view(-1, *[1] * (x.ndim - 2))
        return ((x - mean) * scale + shift).to(self.weight.dtype)


class AttentionByProducts:
    """Attention of one head as two matrix products with a softmax between them, where the scores can be kept.

    The fused kernels are made for narrow heads; an autoencoder has one of 512 numbers. Elsewhere `otherwise` computes.
    """

    def __init__(self, otherwise: Any) -> None:
        self.otherwise = otherwise

    def __call__(
        self,
        attention: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """[B, C, h, w] to the same shape; diffusers passes only what has these names, and gives the last three None."""
        scores = hidden_states.shape[0] * hidden_states.shape[2:].numel() ** 2
        if scores > SCORES or not torch.compiler.is_compiling():
            return self.otherwise(attention, hidden_states, encoder_hidden_states, attention_mask, temb)
        # [B, N, C] of N places
        x = attention.group_norm(hidden_states.flatten(2)).transpose(1, 2)
        query, key, value = attention.to_q(x), attention.to_k(x), attention.to_v(x)
        shares = (query * attention.scale @ key.transpose(1, 2)).softmax(dim=-1)
        found = attention.to_out[0](shares.to(value.dtype) @ value)
        return (found.transpose(1, 2).view_as(hidden_states) + hidden_states) / attention.rescale_output_factor


def _is_plain(attention: Any) -> bool:
    """Whether it is as the KL autoencoder has it: of one head, normalised by groups and added to its input."""
    normal = attention.group_norm is not None and attention.spatial_norm is None
    changed = isinstance(attention.processor, AttentionByProducts)
    return normal and attention.heads == 1 and attention.residual_connection and not changed
