"""Puts rebuilt layers in the place of diffusers' own, where they compute the same; weights and their names stay."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from torch import Tensor, nn

from marigold.backbones.fused.attention import Block, Transformer, WideAttention
from marigold.backbones.fused.blocks import Norm, Resnet, Upsample
from marigold.backbones.fused.half import FusedHalf
from marigold.backbones.fused.ops import Ops
from marigold.backbones.fused.unet import FusedUNet

_MIDDLE = "UNetMidBlock2DCrossAttn"
_BLOCKS = {_MIDDLE, "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
"""The kinds of blocks of a U-Net that hold nothing else."""
_PRODUCTS = ("conv1", "conv2", "conv_shortcut", "time_emb_proj", "to_q", "to_k", "to_v", "proj_in", "proj_out", "proj")
"""What layers that are rebuilt call the products inside them."""


def fused_halves(autoencoder: nn.Module, ops: Ops) -> list[FusedHalf]:
    """Rebuilds, where they are, the encoder and the decoder of a KL autoencoder; gives those that were rebuilt."""
    halves: list[FusedHalf] = []

    def rebuilt(half: nn.Module) -> nn.Module | None:
        if not isinstance(half, _kinds()["halves"]) or not all(map(_is_usual, half.modules())):
            return None
        halves.append(_fused_half(half, ops))
        return halves[-1]

    _replace(autoencoder, rebuilt)
    return halves


def _fused_half(half: Any, ops: Ops) -> FusedHalf:
    kinds = _kinds()

    def rebuilt(layer: nn.Module) -> nn.Module | None:
        if isinstance(layer, kinds["resnet"]):
            return Resnet(layer, ops)
        if isinstance(layer, kinds["upsample"]):
            return Upsample(layer, ops)
        return WideAttention(layer, ops) if isinstance(layer, kinds["attention"]) else None

    _replace(half, rebuilt)
    return FusedHalf(half, ops)


def fused_unet(unet: Any, prompt: Tensor, switch: Tensor | None, ops: Ops) -> FusedUNet | None:
    """The U-Net rebuilt for a prompt [1, L, D] that never changes; None where it has layers of other kinds."""
    kinds = _kinds()
    if not _is_usual_unet(unet):
        return None
    blocks = [layer for layer in unet.modules() if isinstance(layer, kinds["resnet"])]
    ends = list(accumulate((block.time_emb_proj.out_features for block in blocks), initial=0))
    at = {block: slice(*ends[number : number + 2]) for number, block in enumerate(blocks)}

    def rebuilt(layer: nn.Module) -> nn.Module | None:
        if isinstance(layer, kinds["transformer"]):
            return Transformer(layer, ops, prompt)
        return Resnet(layer, ops, at[layer]) if layer in at else None

    _replace(unet, rebuilt)
    unet.conv_norm_out, unet.conv_act = Norm(unet.conv_norm_out, ops), nn.Identity()
    return FusedUNet(unet, switch)


def renew(network: nn.Module, prompt: Tensor) -> None:
    """Computes anew, from the weights as they are by now, what rebuilt layers have computed from them once."""
    for layer in network.modules():
        if isinstance(layer, Block):
            layer.renew(prompt)
        if isinstance(layer, Upsample):
            layer.renew()


def _is_usual_unet(unet: Any) -> bool:
    """Whether a U-Net is made of the layers that are rebuilt, with nothing that they leave out."""
    config = unet.config
    known = (*config.down_block_types, *config.up_block_types, config.mid_block_type or _MIDDLE)
    plain = config.resnet_time_scale_shift == "default" and config.act_fn == "silu" and unet.conv_norm_out is not None
    plain = plain and config.get("attention_type", "default") == "default"
    unused = ("encoder_hid_dim_type", "addition_embed_type", "time_cond_proj_dim", "dual_cross_attention")
    alone = not any(config.get(name) for name in (*unused, "center_input_sample", "mid_block_only_cross_attention"))
    return set(known) <= _BLOCKS and plain and alone and all(map(_is_usual, unet.modules()))


def _kinds() -> dict[str, Any]:
    """diffusers' classes of the layers that are rebuilt, and of those inside them."""
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.attention_processor import Attention
    from diffusers.models.autoencoders.vae import Decoder, Encoder
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel
    from diffusers.models.upsampling import Upsample2D

    return {
        "resnet": ResnetBlock2D,
        "attention": Attention,
        "transformer": Transformer2DModel,
        "block": BasicTransformerBlock,
        "upsample": Upsample2D,
        "halves": (Encoder, Decoder),
    }


def _is_usual(layer: Any) -> bool:
    """Whether a layer is none of those that are rebuilt, or computes what its rebuilt form does."""
    kinds = _kinds()
    if any(name in _PRODUCTS and type(part) not in (nn.Linear, nn.Conv2d) for name, part in layer.named_children()):
        return False  # one that is wrapped, as by a low-rank adapter
    if isinstance(layer, kinds["resnet"]):
        whole = layer.upsample is None and layer.downsample is None and layer.output_scale_factor == 1
        untimed = layer.time_emb_proj is None and layer.time_embedding_norm == "group"
        timed = untimed or layer.time_embedding_norm == "default"
        return whole and timed and not layer.skip_time_act and isinstance(layer.nonlinearity, nn.SiLU)
    if isinstance(layer, kinds["upsample"]):
        doubled = layer.use_conv and not layer.use_conv_transpose and layer.interpolate and layer.norm is None
        return doubled and layer.name == "conv" and layer.conv.kernel_size == (3, 3)
    if isinstance(layer, kinds["transformer"]):
        return layer.is_input_continuous
    if isinstance(layer, kinds["block"]):
        gated = type(layer.ff.net[0]).__name__ == "GEGLU" and layer.norm_type == "layer_norm"
        whole = layer.attn2 is not None and layer.attn1.to_q.bias is None and layer.attn2.to_q.bias is None
        return gated and whole and not layer.only_cross_attention and layer.pos_embed is None
    if isinstance(layer, kinds["attention"]):
        plain = layer.group_norm is None or (layer.heads == 1 and layer.residual_connection)
        return plain and layer.spatial_norm is None and layer.norm_q is None and layer.rescale_output_factor == 1
    return True


def _replace(module: nn.Module, rebuilt: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replaces what `rebuilt` gives another layer for, wherever it is in the module."""
    for name, child in list(module.named_children()):
        if (other := rebuilt(child)) is not None:
            module.register_module(name, other)
        else:
            _replace(child, rebuilt)
