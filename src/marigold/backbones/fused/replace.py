"""Puts rebuilt layers in the place of diffusers' own, where they compute the same; weights and their names stay."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from torch import Tensor, nn

from marigold.backbones.fused.attention import Transformer, WideAttention
from marigold.backbones.fused.blocks import Norm, Resnet, Upsample
from marigold.backbones.fused.ops import Ops


def is_usual_autoencoder(vae: Any) -> bool:
    """Whether an autoencoder is made of the layers that are rebuilt."""
    half = (*vae.encoder.modules(), *vae.decoder.modules())
    return type(vae).__name__ == "AutoencoderKL" and vae.config.act_fn == "silu" and all(map(_is_usual, half))


def is_usual_unet(unet: Any) -> bool:
    """Whether a U-Net is made of the layers that are rebuilt, with nothing that they leave out."""
    config = unet.config
    plain = config.resnet_time_scale_shift == "default" and config.act_fn == "silu" and unet.conv_norm_out is not None
    unused = ("encoder_hid_dim_type", "addition_embed_type", "time_cond_proj_dim", "dual_cross_attention")
    alone = not any(config.get(name) for name in (*unused, "center_input_sample", "mid_block_only_cross_attention"))
    return plain and alone and all(map(_is_usual, unet.modules()))


def fuse_half(half: Any, ops: Ops) -> None:
    """Rebuilds an autoencoder's encoder or decoder, in place."""
    _replace(half, lambda layer: _rebuilt(layer, ops))
    half.conv_norm_out, half.conv_act = Norm(half.conv_norm_out, ops), nn.Identity()


def fuse_unet(unet: Any, prompt: Tensor, ops: Ops) -> None:
    """Rebuilds a U-Net for a prompt [1, L, D] that never changes, in place."""
    kinds = _kinds()
    blocks = [layer for layer in unet.modules() if isinstance(layer, kinds["resnet"])]
    ends = list(accumulate((block.time_emb_proj.out_features for block in blocks), initial=0))
    at = {block: slice(*ends[number : number + 2]) for number, block in enumerate(blocks)}

    def rebuilt(layer: nn.Module) -> nn.Module | None:
        if isinstance(layer, kinds["transformer"]):
            return Transformer(layer, ops, prompt)
        return Resnet(layer, ops, at[layer]) if layer in at else _rebuilt(layer, ops)

    _replace(unet, rebuilt)
    unet.conv_norm_out, unet.conv_act = Norm(unet.conv_norm_out, ops), nn.Identity()


def _kinds() -> dict[str, Any]:
    """diffusers' classes of the layers that are rebuilt, and of those inside them."""
    from diffusers.models.attention import BasicTransformerBlock
    from diffusers.models.attention_processor import Attention
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel
    from diffusers.models.upsampling import Upsample2D

    return {
        "resnet": ResnetBlock2D,
        "attention": Attention,
        "transformer": Transformer2DModel,
        "block": BasicTransformerBlock,
        "upsample": Upsample2D,
    }


def _is_usual(layer: Any) -> bool:
    """Whether a layer is none of those that are rebuilt, or computes what its rebuilt form does."""
    kinds = _kinds()
    if isinstance(layer, kinds["resnet"]):
        whole = layer.upsample is None and layer.downsample is None and layer.output_scale_factor == 1
        untimed = layer.time_emb_proj is None and layer.time_embedding_norm == "group"
        return whole and (untimed or layer.time_embedding_norm == "default") and not layer.skip_time_act
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


def _rebuilt(layer: nn.Module, ops: Ops) -> nn.Module | None:
    kinds = _kinds()
    if isinstance(layer, kinds["resnet"]):
        return Resnet(layer, ops)
    if isinstance(layer, kinds["upsample"]):
        return Upsample(layer, ops)
    return WideAttention(layer, ops) if isinstance(layer, kinds["attention"]) else None


def _replace(module: nn.Module, rebuilt: Callable[[nn.Module], nn.Module | None]) -> None:
    """Replaces what `rebuilt` gives another layer for, wherever it is in the module."""
    for name, child in list(module.named_children()):
        if (other := rebuilt(child)) is not None:
            module.register_module(name, other)
        else:
            _replace(child, rebuilt)
