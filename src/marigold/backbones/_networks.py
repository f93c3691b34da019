"""The networks of diffusers as parts of a backbone: made, read, written and widened."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from marigold.checkpoints import weights
from marigold.checkpoints.layout import read_json
from marigold.checkpoints.outline import check_numbers, guarded, outline
from marigold.core.errors import ConfigError
from marigold.core.files import write_json
from marigold.core.memory import require_memory

# Attention layers of autoencoders saved by early versions of diffusers.
_LEGACY = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_TALKATIVE = ("diffusers", "torchao", "torch.utils._pytree")


def unet() -> Any:
    """The class of Stable Diffusion's denoiser."""
    with _quietly():
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel


def autoencoder(config: Mapping[str, Any]) -> Any:
    """The class of the autoencoder that a configuration names, KL if it names none; raises `ConfigError`."""
    with _quietly():
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    kinds = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}
    name = str(config.get("_class_name", "AutoencoderKL"))[:80]
    if name not in kinds:
        raise ConfigError(f"vae: no autoencoder named `{name}`; there are: {', '.join(kinds)}")
    return kinds[name]


@contextmanager
def _quietly() -> Iterator[None]:
    """Inside the block a library that diffusers imports merely because it is there says nothing below an error."""
    from diffusers.utils import logging as own

    own.get_logger()  # which sets a level, once
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def make(kind: Any, options: Mapping[str, Any], where: str) -> Any:
    """A network with random weights.

    Raises `ConfigError` for options that its class does not take, or that memory does not hold.
    """
    given = {name: value for name, value in options.items() if not name.startswith("_")}
    remedy = f"see diffusers' {kind.__name__} for the options"
    check_numbers(given, where, ConfigError)
    size = sum(4 * tensor.numel() for tensor in outline(lambda: kind(**given), where, ConfigError, remedy).parameters())
    require_memory(size, f"{where}: its weights", ConfigError, "choose fewer channels or layers")
    with guarded(where, ConfigError, remedy):
        return kind(**given)


def read(kind: Any, folder: Path, dtype: torch.dtype | None = None) -> Any:
    """A network from its folder, its weights as `dtype` or as they are stored when it is None.

    Raises `CheckpointError` naming the file that cannot be used.
    """
    file = folder / "config.json"
    config = read_json(file)
    check_numbers(config, file)
    return weights.build(lambda: kind.from_config(config), folder, _current_name, dtype)


def write(network: Any, folder: Path, dtype: torch.dtype | None) -> None:
    """Writes a network into its folder, which is made; weights as `dtype`, or as they are when it is None."""
    config = json.loads(network.to_json_string())
    config.pop("_name_or_path", None)  # a place on the machine that it was read on
    folder.mkdir()
    write_json(folder / "config.json", config)
    weights.write(network, folder, dtype)


class Absent(nn.Module):
    """Stands where there is no autoencoder, because that of another backbone encodes and decodes: its configuration."""

    def __init__(self, config: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = nn.Identity(), nn.Identity()
        self.number_type = nn.Parameter(torch.empty(0, dtype=dtype), requires_grad=False)


def are_alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two autoencoders have the same weights, in whatever number type each, and scale latents alike."""
    weights, others = one.state_dict(), other.state_dict()
    configs = [getattr(network, "config", {}) for network in (one, other)]
    scales = [[config.get(key) or 0.0 for key in ("scaling_factor", "shift_factor")] for config in configs]
    if weights.keys() != others.keys() or scales[0] != scales[1]:
        return False
    return all(
        tensor.shape == others[name].shape and torch.equal(tensor.float().cpu(), others[name].float().cpu())
        for name, tensor in weights.items()
    )


def wider_input(layer: nn.Conv2d, copies: int) -> nn.Conv2d:
    """The layer for so many copies of its input: it gives what it gave when they are alike."""
    return _conv_like(layer, layer.weight.repeat(1, copies, 1, 1) / copies, layer.bias)


def added_input(layer: nn.Conv2d, first: int, channels: int) -> nn.Conv2d:
    """The layer with so many more input channels from the channel `first` on, whose weights are zero."""
    before, after = layer.weight[:, :first], layer.weight[:, first:]
    zeros = layer.weight.new_zeros(layer.weight.shape[0], channels, *layer.weight.shape[2:])
    return _conv_like(layer, torch.cat([before, zeros, after], dim=1), layer.bias)


def wider_output(layer: nn.Conv2d, copies: int) -> nn.Conv2d:
    """The layer with its output so many times."""
    bias = None if layer.bias is None else layer.bias.repeat(copies)
    return _conv_like(layer, layer.weight.repeat(copies, 1, 1, 1), bias)


def _conv_like(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """The layer with another weight and bias."""
    made = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        layer.kernel_size,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        device="meta",
    )
    made.weight = nn.Parameter(weight.detach(), layer.weight.requires_grad)
    made.bias = None if bias is None else nn.Parameter(bias.detach().clone(), layer.weight.requires_grad)
    return made


def _current_name(name: str) -> str:
    """The name of a tensor in today's layout."""
    return re.sub(r"(attentions\.\d+)\.(query|key|value|proj_attn)\.", lambda m: f"{m[1]}.{_LEGACY[m[2]]}.", name)
