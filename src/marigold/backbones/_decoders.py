"""A small decoder for maps, and an autoencoder whose images it decodes in place of the large decoder."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones import _networks as networks
from marigold.checkpoints import weights
from marigold.checkpoints.layout import fetch_again, read_json
from marigold.checkpoints.outline import check_numbers, reason
from marigold.core.config import decode, require
from marigold.core.errors import CheckpointError, ConfigError, OutputError
from marigold.core.files import write_json
from marigold.core.limits import LAYERS

WIDEST = 4096
"""Channels of a level."""
PROBE_CELLS = 4
"""The side, in latent cells, of the picture by which the encoder of a decoder's latents is known again."""
ALIKE = 0.05
"""How far the latent of that picture may be from the stored one, relative to it: half precision changes 1 %."""


@dataclass(frozen=True)
class Shape:
    """What a small decoder is built from; levels go from the size of the latents to that of the image."""

    latent_channels: int
    widths: tuple[int, ...]
    """Channels of each level; the sides double from one to the next."""
    blocks: tuple[int, ...]
    """Residual blocks of each level."""

    def __post_init__(self) -> None:
        levels = len(self.widths)
        require(1 <= levels <= 8, "decoder: widths", f"a list of {levels}", "1 to 8 long")
        require(len(self.blocks) == levels, "decoder: blocks", f"a list of {len(self.blocks)}", f"{levels} long")
        for number in (self.latent_channels, *self.widths):
            require(1 <= number <= WIDEST, "decoder: channels", number, f"from 1 to {WIDEST}")
        for number in self.blocks:
            require(0 <= number <= LAYERS, "decoder: blocks", number, f"from 0 to {LAYERS}")


class _Residual(nn.Module):
    """Adds what two convolutions make of its input; at first that is nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class MapDecoder(nn.Module):
    """Latents as the denoiser sees them, [B, C, h, w], to images [B, 3, H, W], about -1 to 1.

    Convolutions and rectifiers alone: no norm and no attention, which take most of the time of a large decoder beside
    its convolutions. Wide where the image is small, narrow where it is large.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        widths = shape.widths
        self.enter = nn.Conv2d(shape.latent_channels, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(*(_Residual(width) for _ in range(count)))
            for width, count in zip(widths, shape.blocks, strict=True)
        )
        self.widen = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths))
        self.leave = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """[B, C, h, w] to [B, 3, H, W], not clamped."""
        x = self.levels[0](self.enter(latent))
        for change, level in zip(self.widen, list(self.levels)[1:], strict=True):
            x = level(change(F.interpolate(x, scale_factor=2.0, mode="nearest")))
        return self.leave(F.relu(x))


class SplitAutoencoder(nn.Module):
    """The encoder of one autoencoder before a small decoder of the same latents, called like diffusers' autoencoders.

    `whole` may have a decoder of its own, which is the teacher of the small one, or none.
    """

    def __init__(self, whole: Any, small: MapDecoder) -> None:
        super().__init__()
        self.whole = whole
        self.small = small
        widths = list(reversed(small.shape.widths))
        # What a decoder takes of memory is read from here.
        self.config = type(whole.config)({**whole.config, "decoder_block_out_channels": widths})

    @property
    def encoder(self) -> nn.Module:
        """The network that images go through."""
        return self.whole.encoder

    @property
    def decoder(self) -> MapDecoder:
        """The small one."""
        return self.small

    def encode(self, image: Tensor, return_dict: bool = False) -> Any:
        """As the whole autoencoder encodes."""
        return self.whole.encode(image, return_dict=return_dict)

    def decode(self, latent: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        """Latents [B, C, h, w] of the whole autoencoder, which are not scaled, to images [B, 3, H, W]."""
        scaled = (latent.float() - _shift(self.config)) * self.config.scaling_factor
        return (self.small(scaled.to(latent.dtype)),)

    def teach(self, scaled: Tensor) -> Tensor:
        """Scaled latents [B, C, h, w] to the images [B, 3, H, W] that the whole autoencoder's own decoder gives."""
        latent = scaled / self.config.scaling_factor + _shift(self.config)
        return self.whole.decode(latent, return_dict=False)[0]

    def enable_gradient_checkpointing(self) -> None:
        """Changes nothing: gradients pass through the small decoder alone, which keeps little."""

    def to_json_string(self) -> NoReturn:
        """Raises `OutputError`: there is no configuration of two networks that diffusers would read."""
        raise OutputError(
            "vae: its decoder is a small one of maps, which diffusers does not know; save the checkpoint as it is "
            "without `autoencoder`"
        )


def split(whole: Any, stride: int, widths: tuple[int, ...], blocks: tuple[int, ...]) -> SplitAutoencoder:
    """The autoencoder with a small decoder, its weights drawn from the global random state; its own is the teacher.

    Raises `ConfigError` for a shape that does not go from the latents to the image.
    """
    shape = Shape(whole.config.latent_channels, widths, blocks)
    _check_levels(shape, stride)
    return SplitAutoencoder(whole, MapDecoder(shape))


def write(autoencoder: SplitAutoencoder, stride: int, folder: Path) -> None:
    """Writes the small decoder into a folder that is there: `config.json` and its weights."""
    small = autoencoder.small
    with torch.no_grad():
        probe = _probe(autoencoder.whole, stride).flatten().tolist()
    shape = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(small.shape).items()}
    write_json(folder / "config.json", {"_class_name": MapDecoder.__name__, **shape, "probe": probe})
    weights.write(small, folder)


def is_small(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is that of a small decoder."""
    return config.get("_class_name") == MapDecoder.__name__


def behind(whole: Any, stride: int, folder: Path) -> SplitAutoencoder:
    """The encoder of an autoencoder before the decoder in the folder; its own decoder is let go.

    Raises `CheckpointError` for files that cannot be used, and for a decoder of other latents.
    """
    file = folder / "config.json"
    config = read_json(file)
    check_numbers(config, file)
    try:
        shape = decode(Shape, {key: config.get(key) for key in ("latent_channels", "widths", "blocks")}, "decoder")
        _check_levels(shape, stride)
        stored = decode(tuple[float, ...], config.get("probe"), "decoder: probe")
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; {fetch_again(folder)}") from error
    _check_latents(whole, stride, shape, stored, file)
    small = weights.build(lambda: MapDecoder(shape), folder)
    assert isinstance(small, MapDecoder)
    del whole.decoder
    return SplitAutoencoder(whole, small.to(next(whole.parameters()).dtype))


def replacement(own: Any, folder: Path) -> Any:
    """The autoencoder in a folder, KL or tiny, for latents like those of `own`. Raises `CheckpointError`."""
    file = folder / "config.json"
    try:
        kind = networks.autoencoder(read_json(file))
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; give the folder of an autoencoder or of a decoder of maps") from error
    other = networks.read(kind, folder)
    for key, before, after in (
        ("latent channels", own.config.latent_channels, other.config.latent_channels),
        ("levels", len(own.config.block_out_channels), len(other.config.block_out_channels)),
    ):
        if before != after:
            raise CheckpointError(
                f"{file}: has {after} {key}, and the checkpoint's own autoencoder {before}; give one of its latents"
            )
    # Its own `to` warns of layers that must stay single, of which there are none.
    return nn.Module.to(other, next(own.parameters()).dtype)


def _check_levels(shape: Shape, stride: int) -> None:
    levels = 1 + int(math.log2(stride))
    wanted = f"{levels} long, to come from the latents to {stride} times their sides"
    require(len(shape.widths) == levels, "decoder: widths", f"a list of {len(shape.widths)}", wanted)


def _check_latents(whole: Any, stride: int, shape: Shape, stored: tuple[float, ...], file: Path) -> None:
    """Raises `CheckpointError` unless the encoder gives the latents that the decoder was distilled on."""
    channels = whole.config.latent_channels
    if shape.latent_channels != channels:
        raise CheckpointError(
            f"{file}: decodes latents of {shape.latent_channels} channels, and the checkpoint's have {channels}; give "
            "one that was distilled from this checkpoint's autoencoder"
        )
    try:
        with torch.no_grad():
            found = _probe(whole, stride).flatten()
    except Exception as error:  # of networks whose configuration fits to the weights and cannot be computed
        raise CheckpointError(
            f"vae: the network cannot be run ({reason(error)}); fetch the checkpoint again"
        ) from error
    before = torch.tensor(stored)
    alike = len(before) == len(found) and bool((found - before).norm() <= ALIKE * before.norm())
    if not alike:
        raise CheckpointError(
            f"{file}: was distilled behind another encoder, of whose latents this checkpoint has none; give one that "
            "was distilled from this checkpoint's autoencoder"
        )


def _probe(whole: Any, stride: int) -> Tensor:
    """The scaled latent [1, C, 4, 4] of one small picture, float32 on the CPU."""
    own, side = next(whole.parameters()), PROBE_CELLS * stride
    picture = torch.linspace(-1, 1, 3 * side * side).view(1, 3, side, side)
    encoded = whole.encode(picture.to(own), return_dict=False)[0]
    latent = encoded if isinstance(encoded, Tensor) else encoded.mode()
    return ((latent.float() - _shift(whole.config)) * whole.config.scaling_factor).cpu()


def _shift(config: Any) -> float:
    return config.get("shift_factor") or 0.0
