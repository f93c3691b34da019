"""Stable Diffusion 1.x and 2.x, and small generators of the same layout: a U-Net beside a KL or a tiny autoencoder."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones import _decoders as decoders
from marigold.backbones import _networks as networks
from marigold.backbones._deepen import deeper
from marigold.backbones._fit import check_autoencoder, switch_of, widths_of
from marigold.backbones._for_compiler import rearrange
from marigold.backbones._prompt import (
    TEXT_PARTS,
    TextFiles,
    make_text_encoder,
    read_prompt,
    text_bytes,
    text_files,
    write_prompt,
    write_text_files,
)
from marigold.backbones._switch import embedded, switching
from marigold.backbones.base import Backbone, Run, directly
from marigold.backbones.fused.half import FusedHalf
from marigold.backbones.fused.ops import Ops, Switched
from marigold.backbones.fused.replace import fused_halves, fused_unet, renew
from marigold.backbones.fused.unet import FusedUNet
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.checkpoints.layout import INDEX, PROMPT_FILE, fetch_again, read_json
from marigold.checkpoints.outline import guarded, reason
from marigold.core.device import memory_is_full
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError
from marigold.core.files import write_json
from marigold.diffusion.schedule import Schedule

_AT_ONCE = 3
"""Tensors at full size that the decoder has at once, at least."""


class StableDiffusion(Backbone):
    """diffusers' networks under the contract of a backbone.

    `prompt` [1, L, D] is the constant embedding of the empty prompt; `prompt_padded` says whether it was padded to the
    text encoder's full length. `text` holds the files of text encoder and tokenizer, saved along and never run.
    `convention` says what the network expects beside the photo. Parts that do not fit together raise `ConfigError`.
    """

    unet: Any
    vae: Any
    prompt: Tensor
    switch: Tensor | None
    _run: Run
    _ops: Switched | None
    """The operations of the rebuilt layers; None until `suit_inference`."""
    _halves: Sequence[FusedHalf]
    """Those of the autoencoder that have been rebuilt."""

    def __init__(
        self,
        unet: Any,
        vae: Any,
        schedule: Schedule,
        prompt: Tensor,
        *,
        prompt_padded: bool = False,
        text: TextFiles | None = None,
        convention: Convention | None = None,
    ) -> None:
        super().__init__()
        self.unet = unet
        self.vae = vae
        self.schedule = schedule
        self._run, self._ops, self._halves = directly, None, ()
        self.register_buffer("prompt", prompt)
        self.prompt_padded = prompt_padded
        self.text = text or {}
        self.latent_channels = vae.config.latent_channels
        check_autoencoder(vae.config)
        self.stride = 2 ** (len(vae.config.block_out_channels) - 1)
        convention = convention or Convention()
        self.sees_photo_alone = convention.start == "nothing"
        self.conditions, self.targets = widths_of(unet.config, self.latent_channels, self.sees_photo_alone)
        self.register_buffer("switch", switch_of(unet.config, convention.switch), persistent=False)
        if unet.config.cross_attention_dim != prompt.shape[-1]:
            raise ConfigError(
                f"unet: cross_attention_dim is {unet.config.cross_attention_dim}, but the empty prompt has "
                f"{prompt.shape[-1]} numbers; use the text encoder that the network was trained with"
            )

    @classmethod
    def tiny(
        cls, unet: Mapping[str, Any], vae: Mapping[str, Any], schedule: Mapping[str, Any], prompt_dim: int
    ) -> "StableDiffusion":
        """A generator with random weights, to be trained from scratch.

        `unet`, `vae` and `schedule` are configurations of diffusers' UNet2DConditionModel, AutoencoderKL (or
        AutoencoderTiny, named by `_class_name`) and DDIMScheduler. The text encoder, of width `prompt_dim`, is made to
        go with them. Raises `ConfigError`.
        """
        autoencoder = networks.make(networks.autoencoder(vae), vae, "vae")
        channels = autoencoder.config.latent_channels
        options = {"in_channels": channels, "out_channels": channels, "cross_attention_dim": prompt_dim, **unet}
        text, prompt = make_text_encoder(prompt_dim)
        network = networks.make(networks.unet(), options, "unet")
        return cls(network, autoencoder, Schedule.from_config(schedule), prompt, text=text)

    @classmethod
    def read(cls, parts: Mapping[str, Path], card: Card, dtype: torch.dtype | None = None) -> "StableDiffusion":
        """From `unet`, `vae`, `scheduler` and `empty_prompt.safetensors`, or else `text_encoder` and `tokenizer`."""
        folder = parts[INDEX].parent
        for part in ("unet", "vae", "scheduler"):
            if part not in parts:
                raise CheckpointError(f"{folder}: the folder `{part}` is missing; {fetch_again(folder)}")
        scheduler = parts["scheduler"] / "scheduler_config.json"
        stated = {"prediction_type": card.convention.output} if card.convention.output else {}
        try:
            schedule = Schedule.from_config({**read_json(scheduler), **stated})
        except ConfigError as error:
            raise CheckpointError(f"{scheduler}: {error}") from error
        vae_config = read_json(parts["vae"] / "config.json")
        prompt, padded = read_prompt(parts, card, dtype)
        try:
            unet = networks.read(networks.unet(), parts["unet"], dtype)
            vae = networks.read(networks.autoencoder(vae_config), parts["vae"], dtype)
            text, convention = text_files(parts), card.convention
            with guarded(folder, remedy=fetch_again(folder)):
                return cls(unet, vae, schedule, prompt, prompt_padded=padded, text=text, convention=convention)
        except ConfigError as error:
            raise CheckpointError(f"{folder}: {error}") from error

    def write(self, folder: Path, dtype: torch.dtype | None = None, leave_out: Collection[str] = ()) -> None:
        """Writes `unet`, `vae`, `scheduler`, `empty_prompt.safetensors`, and the text encoder if there is one."""
        for part, network in (("unet", self.unet), ("vae", self.vae)):
            if part not in leave_out:
                networks.write(network, folder / part, dtype)
        (folder / "scheduler").mkdir()
        write_json(folder / "scheduler" / "scheduler_config.json", self.schedule.config())
        write_prompt(folder / PROMPT_FILE, self.prompt, self.prompt_padded)
        write_text_files(self.text, folder, leave_out)

    def add_decoder(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        """A small decoder of so many channels and residual blocks on each level, from the latents to the image."""
        self.vae = decoders.split(self.vae, self.stride, widths, blocks)

    def write_decoder(self, folder: Path) -> None:
        """Writes `config.json` and weights of the small decoder."""
        decoders.write(self.vae, self.stride, folder)

    def replace_autoencoder(self, folder: Path) -> None:
        """By an AutoencoderKL or AutoencoderTiny of diffusers, or a small decoder behind the encoder that is there."""
        if decoders.is_small(read_json(folder / "config.json")):
            self.vae = decoders.behind(self.vae, self.stride, folder)
            return
        other = decoders.replacement(self.vae, folder)
        try:
            check_autoencoder(other.config)
        except ConfigError as error:
            raise CheckpointError(f"{folder}: {error}") from error
        self.vae = other

    def index(self) -> dict[str, Any]:
        """U-Net, autoencoder, scheduler and, where there is one, text encoder and tokenizer."""
        return {
            "unet": ["diffusers", self.unet.kind if isinstance(self.unet, FusedUNet) else type(self.unet).__name__],
            "vae": ["diffusers", type(self.vae).__name__],
            "scheduler": ["diffusers", self.schedule.kind],
            **{part: names if self.text else [None, None] for part, names in TEXT_PARTS.items()},
        }

    def encode(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] in -1 to 1 to [B, C, h, w]: the posterior mean times the scaling factor."""
        image = image.to(_dtype(self.vae))
        with _running("vae"):
            return self._calls(self.vae.encoder, image)(self._encoded, image)

    def _encoded(self, image: Tensor) -> Tensor:
        encoded = self.vae.encode(image, return_dict=False)[0]
        latent = encoded if isinstance(encoded, Tensor) else encoded.mode()
        return (latent - self._shift) * self.vae.config.scaling_factor

    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, h, w] to [B, 3, H, W], not clamped."""
        latent = latent.to(_dtype(self.vae)) / self.vae.config.scaling_factor + self._shift
        with _running("vae"):
            return self._calls(self.vae.decoder, latent)(self._decoded, latent)

    def _calls(self, half: nn.Module, x: Tensor) -> Run:
        """What calls a half of the autoencoder for x; stripes may wait in the computer's memory: no graph of them."""
        striped = any(half is one and one.is_striped(len(x), *x.shape[2:]) for one in self._halves)
        return directly if striped else self._run

    def _decoded(self, latent: Tensor) -> Tensor:
        return self.vae.decode(latent, return_dict=False)[0]

    def network(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The U-Net on the condition beside x [B, C * targets, h, w] and the empty prompt; the result has x's type."""
        if isinstance(self.unet, FusedUNet):
            return self._denoised(x, t, condition)
        switch = None if self.switch is None else self.switch.expand(len(x), *self.switch.shape[1:])
        return self._answered(x, t, condition, switch)

    def switched(self, x: Tensor, t: Tensor, condition: Tensor | None, switch: Tensor) -> Tensor:
        """The U-Net with the sines and cosines of another switch in its class embedding."""
        if self.switch is None or self.switch.shape[-1] != 2 * switch.shape[-1]:
            raise ConfigError(
                f"unet: has no switch of {switch.shape[-1]} numbers; train it with `lotus` from the start of a run"
            )
        return self._answered(x, t, condition, embedded(switch).to(self.switch))

    def _answered(self, x: Tensor, t: Tensor, condition: Tensor | None, switch: Tensor | None) -> Tensor:
        latents = self._seen(x, condition)
        prompt = self.prompt.to(latents.dtype).expand(len(x), -1, -1)
        with _running("unet"):
            output = self.unet(latents, t, encoder_hidden_states=prompt, class_labels=switch, return_dict=False)[0]
        return output.to(x.dtype)

    def network_at(self, x: Tensor, t: int, condition: Tensor | None) -> Tensor:
        """What the time adds is computed once, where the layers have been rebuilt."""
        if isinstance(self.unet, FusedUNet):
            return self._denoised(x, t, condition)
        return super().network_at(x, t, condition)

    def _denoised(self, x: Tensor, t: int | Tensor, condition: Tensor | None) -> Tensor:
        with _running("unet"):
            return self._run(self.unet, self._seen(x, condition), self.unet.times(t, x.device)).to(x.dtype)

    def _seen(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """What the first layer of the U-Net is given."""
        seen = [latent for latent in (condition, None if self.sees_photo_alone else x) if latent is not None]
        return torch.cat([latent.to(self.unet.conv_in.weight.dtype) for latent in seen], dim=1)

    def working_bytes(self, height: int, width: int) -> int:
        """By the autoencoder's decoder, whose layers at full size take nearly all: the targets are decoded together.

        In stripes they are not, and the bound is kept to.
        """
        if self.is_striped(height, width):
            return max(device for device, _ in self._striped_bytes(height, width))
        channels = self.vae.config.get("decoder_block_out_channels") or self.vae.config.block_out_channels
        wide = channels[min(1, len(channels) - 1)]  # what comes from the block below is enlarged before it is narrowed
        return self.targets * height * width * wide * _AT_ONCE * _dtype(self.vae).itemsize

    def waiting_bytes(self, height: int, width: int) -> int:
        """What a layer is given and gives, where the device holds stripes of both alone."""
        if not self.is_striped(height, width):
            return 0
        return max(beside for _, beside in self._striped_bytes(height, width))

    def bound(self, most_bytes: int | None, uncut: int = 0) -> None:
        """Of both halves, where they have been rebuilt."""
        for half in self._halves:
            half.bound(most_bytes, uncut)

    def is_striped(self, height: int, width: int) -> bool:
        """One half or both."""
        targets = {self.vae.decoder: self.targets}
        return any(half.is_striped(targets.get(half, 1), *size) for half, size in self._inputs(height, width))

    def whole_bytes(self, height: int, width: int) -> int:
        """Of the half that takes more; targets can be decoded one by one."""
        return max((half.whole_bytes(*size) for half, size in self._inputs(height, width)), default=0)

    def _striped_bytes(self, height: int, width: int) -> list[tuple[int, int]]:
        return [half.striped_bytes(*size) for half, size in self._inputs(height, width)]

    def _inputs(self, height: int, width: int) -> list[tuple[FusedHalf, tuple[int, int]]]:
        """The rebuilt halves, and the sides of what they are given for an image of this size, which is padded."""
        cells = -(-height // self.stride), -(-width // self.stride)
        image = cells[0] * self.stride, cells[1] * self.stride
        return [(half, cells if half is self.vae.decoder else image) for half in self._halves]

    def adapt(self, conditions: int, targets: int) -> None:
        """Tiles the first layer over all latents, divided by their number, and the last layer over the targets.

        The widened network gives what the generator gave when all its latents are alike (Ke et al. 2025, sec. III-B).
        Conditions that a network with conditions is given begin with weights of zero (Brooks et al. 2023, sec. 3.2).
        """
        if (self.conditions, self.targets) == (conditions, targets):
            return
        if (self.conditions, self.targets) == (int(self.sees_photo_alone), 1):
            seen = conditions + (0 if self.sees_photo_alone else targets)
            self.unet.conv_in = networks.wider_input(self.unet.conv_in, seen)
            self.unet.conv_out = networks.wider_output(self.unet.conv_out, targets)
        elif self.targets == targets and 0 < self.conditions < conditions and not self.sees_photo_alone:
            first, more = (count * self.latent_channels for count in (self.conditions, conditions - self.conditions))
            self.unet.conv_in = networks.added_input(self.unet.conv_in, first, more)
        else:
            raise ConfigError(
                f"the network already takes {self.conditions} conditions and {self.targets} targets and cannot be "
                f"adapted to {conditions} and {targets}; start from the generator"
            )
        self.unet.register_to_config(
            in_channels=self.unet.conv_in.in_channels, out_channels=self.unet.conv_out.out_channels
        )
        self.conditions, self.targets = conditions, targets

    def see_photo_alone(self) -> None:
        """The first layer of a generator is then the photo's (He et al. 2025); of more conditions it is tiled."""
        if self.sees_photo_alone:
            return
        if (self.conditions, self.targets) != (0, 1):
            raise ConfigError(
                f"the network takes noise for {self.targets} targets beside {self.conditions} conditions; start from "
                "the generator"
            )
        self.sees_photo_alone, self.conditions = True, 1

    def add_switch(self, switch: Sequence[float]) -> None:
        """By a class embedding in the U-Net of the switch's sines and cosines."""
        self.unet = switching(self.unet, len(switch))
        found = switch_of(self.unet.config, switch)
        assert found is not None
        self.switch = found.to(self.unet.device)

    def permute_inputs(self, order: Sequence[int]) -> None:
        """By the first layer's weights."""
        weights = self.unet.conv_in.weight.data
        weights.copy_(torch.cat([weights.split(self.latent_channels, dim=1)[place] for place in order], dim=1))

    def take_autoencoder(self, other: Backbone) -> bool:
        """Where weights and scaling are the same; its configuration stays."""
        if not networks.are_alike(self.vae, other.autoencoder):
            return False
        self.vae = networks.Absent(self.vae.config, _dtype(self.vae))
        return True

    def deepen(self, layers: Sequence[int]) -> None:
        """At least so many layers in the U-Net's blocks, from full size to the smallest; those of the way up follow."""
        self.unet = deeper(self.unet, layers)

    @property
    def denoiser(self) -> nn.Module:
        """The U-Net."""
        return self.unet

    @property
    def autoencoder(self) -> nn.Module:
        """The KL or tiny autoencoder."""
        return self.vae

    def hot_parts(self) -> list[nn.Module]:
        """The U-Net, and the autoencoder's two halves, which are called apart from it."""
        return [self.unet, self.vae.encoder, self.vae.decoder]

    def checkpoint_activations(self) -> None:
        """In the U-Net and the autoencoder, where gradients pass through them."""
        for part in (self.unet, self.vae):
            part.enable_gradient_checkpointing()

    def suit_compiler(self) -> None:
        """The norms and the attention of the autoencoder's encoder."""
        rearrange(self.vae.encoder)

    def suit_inference(self, ops: Ops, run: Run = directly) -> bool:
        """The U-Net, and the KL autoencoder's two halves; what has layers of another kind stays as it is."""
        self._run = run
        if self._ops is not None:
            self._ops.usual = ops
            renew(self, self.prompt)
            return True
        switched = Switched(ops)
        unet = fused_unet(self.unet, self.prompt, self.switch, switched)
        self.unet = unet or self.unet
        self._halves = fused_halves(self.vae, switched)
        self._ops = switched if unet is not None or self._halves else None
        return self._ops is not None

    def stored_bytes(self) -> int:
        """With the text encoder, which is written along."""
        return super().stored_bytes() + text_bytes(self.text)

    def renew_denoiser(self) -> None:
        """Draws the U-Net's weights anew from the global random state; its shape stays."""
        self.unet = type(self.unet).from_config(self.unet.config)

    @property
    def _shift(self) -> float:
        return self.vae.config.get("shift_factor") or 0.0


@contextmanager
def _running(part: str) -> Iterator[None]:
    """A network's work: what it raises is `CheckpointError`, but for memory that is full.

    A configuration can state what the weights fit to and what cannot be computed all the same.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MarigoldError) or memory_is_full(error):
            raise
        raise CheckpointError(
            f"{part}: the network cannot be run ({reason(error)}); correct its config.json, or fetch the checkpoint "
            "again"
        ) from error


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype
