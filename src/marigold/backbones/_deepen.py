"""A U-Net with more layers in its blocks that computes what it did before: the added ones begin as the identity."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from marigold.backbones import _networks as networks
from marigold.core.errors import ConfigError


def deeper(unet: Any, layers: Sequence[int]) -> Any:
    """The U-Net with at least so many layers in its blocks, the first block at the full size of the latents.

    A way down gets its new layers at its end. Their results, all alike, are passed to the way up, which has one layer
    more than its partner: the new ones come second. Raises `ConfigError` for another number of blocks.
    """
    there = _per_block(unet.config.layers_per_block, len(unet.down_blocks))
    if len(layers) != len(there):
        raise ConfigError(f"recipe.layers: {list(layers)} is for {len(layers)} blocks, but the U-Net has {len(there)}")
    layers = [max(pair) for pair in zip(layers, there, strict=True)]
    if layers == there:
        return unet
    deep = networks.make(type(unet), {**unet.config, "layers_per_block": layers}, "unet")
    blocks = ("down_blocks", "up_blocks")
    rest = {name: x for name, x in unet.state_dict().items() if not name.startswith(blocks)}
    deep.load_state_dict(rest, strict=False)
    with torch.no_grad():
        for new, old in zip(deep.down_blocks, unet.down_blocks, strict=True):
            _fill(new, old, old_first=len(old.resnets))
        for new, old in zip(deep.up_blocks, unet.up_blocks, strict=True):
            _fill(new, old, old_first=1)
    # Its own `to` warns of layers that must stay single, of which there are none.
    return nn.Module.to(deep, unet.device, unet.dtype).train(unet.training)


def _per_block(layers: int | Sequence[int], blocks: int) -> list[int]:
    return [layers] * blocks if isinstance(layers, int) else list(layers)


def _fill(new: nn.Module, old: nn.Module, old_first: int) -> None:
    """Copies a block; its first `old_first` layers come before those that are added, the others after them."""
    for name, part in old.named_children():
        target = new.get_submodule(name)
        if name not in ("resnets", "attentions"):
            target.load_state_dict(part.state_dict())
            continue
        layers, known = _layers(target), _layers(part)
        added = range(old_first, old_first + len(layers) - len(known))
        kept = [layer for position, layer in enumerate(layers) if position not in added]
        for layer, source in zip(kept, known, strict=True):
            layer.load_state_dict(source.state_dict())
        for position in added:
            _pass_on(layers[position])


def _layers(part: nn.Module) -> list[Any]:
    assert isinstance(part, Iterable)
    return list(part)


def _pass_on(layer: Any) -> None:
    """Makes a residual or attention layer the identity: what it adds is zero, and of two inputs it takes the first."""
    last = layer.conv2 if hasattr(layer, "conv2") else layer.proj_out
    for parameter in last.parameters():
        parameter.zero_()
    shortcut = getattr(layer, "conv_shortcut", None)
    if shortcut is not None:
        nn.init.dirac_(shortcut.weight)
        shortcut.bias.zero_()
