"""Attention: of the autoencoder's one wide head, and the transformers of a U-Net whose prompt never changes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones.fused.ops import Ops, images, places

SCORES = 2**28
"""Scores of the autoencoder's attention that are held at once: 512 MB in half precision."""


class WideAttention(nn.Module):
    """The autoencoder's attention: two products with a softmax between them, for some of the places at a time.

    The fused kernels are made for narrow heads; this one has 512 numbers.
    """

    def __init__(self, layer: Any, ops: Ops) -> None:
        """Takes over the layer's parts."""
        super().__init__()
        self.group_norm, self.to_q, self.to_k, self.to_v = layer.group_norm, layer.to_q, layer.to_k, layer.to_v
        self.to_out, self.scale, self.ops = layer.to_out, layer.scale, ops

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        """[B, C, h, w] to the same shape; diffusers passes a time, which is None here."""
        normal = places(self.ops.norm(x, self.group_norm, activate=False))
        query, key, value = self.to_q(normal), self.to_k(normal), self.to_v(normal)
        at_once = max(1, SCORES // (len(x) * key.shape[1]))
        parts = [self.ops.shares(part @ key.mT, self.scale) @ value for part in query.split(at_once, dim=1)]
        found = self.to_out[0](parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        return self.ops.add(x, images(found, x))


class Transformer(nn.Module):
    """diffusers' Transformer2DModel."""

    def __init__(self, layer: Any, ops: Ops, prompt: Tensor) -> None:
        """Takes over the layer's parts; `prompt` is [1, L, D]."""
        super().__init__()
        self.norm, self.proj_in, self.proj_out, self.ops = layer.norm, layer.proj_in, layer.proj_out, ops
        self.transformer_blocks = nn.ModuleList(Block(block, ops, prompt) for block in layer.transformer_blocks)

    def forward(self, x: Tensor, **unused: Any) -> tuple[Tensor]:
        """[B, C, h, w] to the same shape, in a tuple as diffusers' blocks expect it; the prompt is known."""
        found = _linear(places(self.ops.norm(x, self.norm, activate=False)), self.proj_in)
        for block in self.transformer_blocks:
            found = block(found)
        return (self.ops.add(x, images(_linear(found, self.proj_out), x)),)


class Block(nn.Module):
    """diffusers' BasicTransformerBlock: attention to all places, to the prompt, and a gated layer."""

    joint: Tensor
    seen: Tensor
    said: Tensor

    def __init__(self, block: Any, ops: Ops, prompt: Tensor) -> None:
        """Takes over the block's parts."""
        super().__init__()
        self.norm1, self.norm2, self.norm3 = block.norm1, block.norm2, block.norm3
        self.attn1, self.attn2, self.ff, self.ops = block.attn1, block.attn2, block.ff, ops
        self.register_buffer("joint", _joined(block.attn1.to_q, block.attn1.to_k, block.attn1.to_v), persistent=False)
        for name in ("seen", "said"):
            self.register_buffer(name, None, persistent=False)
        self.renew(prompt)

    def renew(self, prompt: Tensor) -> None:
        """Computes what attention to the prompt [1, L, D] comes to by the weights as they are."""
        self.seen, self.said = known_prompt(self.attn2, prompt)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, C] to the same shape."""
        ops, out = self.ops, self.attn1.to_out[0]
        x, normal = ops.add_norm(x, F.linear(self._own(self.norm1(x)), out.weight), out.bias, self.norm2)
        x, normal = ops.add_norm(x, self._prompted(normal), self.attn2.to_out[0].bias, self.norm3)
        into, _, last = self.ff.net
        return last(ops.gate(into.proj(normal))).add_(x)

    def _own(self, x: Tensor) -> Tensor:
        """Attention to all places, before its last product."""
        heads = (3, self.attn1.heads, -1)
        query, key, value = F.linear(x, self.joint).unflatten(-1, heads).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def _prompted(self, x: Tensor) -> Tensor:
        """Attention to the prompt, without the bias of its last product."""
        shares = F.linear(x, self.seen).unflatten(-1, (self.attn2.heads, -1)).softmax(-1)
        return F.linear(shares.flatten(2), self.said)


def _joined(*layers: nn.Linear) -> Tensor:
    """The weights of layers in one tensor, whose memory they share from now on."""
    joint = torch.cat([layer.weight.detach() for layer in layers])
    for layer, weight in zip(layers, joint.split([layer.out_features for layer in layers]), strict=True):
        layer.weight = nn.Parameter(weight, requires_grad=False)
    return joint


@torch.no_grad()
def known_prompt(attention: Any, prompt: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of H heads to a prompt [1, L, D] as two matrices: [H L, C] gives scores, [C, H L] what shares add.

    Keys are folded into the product that makes queries, and values into the last product.
    """
    layers = (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0])
    query, key, value, out = (layer.weight.float() for layer in layers)
    heads, words = (attention.heads, -1), prompt[0].to(key.device).float()
    key, value = ((words @ weight.mT).unflatten(1, heads) for weight in (key, value))
    seen = attention.scale * torch.einsum("lhd,hdc->hlc", key, query.unflatten(0, heads))
    said = torch.einsum("lhd,chd->chl", value, out.unflatten(1, heads))
    return seen.flatten(0, 1).to(attention.to_q.weight), said.flatten(1).to(attention.to_q.weight)


def _linear(x: Tensor, layer: Any) -> Tensor:
    """A linear layer, or a convolution of 1 x 1 that is one."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)
