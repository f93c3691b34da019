"""The contract of a backbone: a latent diffusion generator, whatever its network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from marigold.backbones.fused.ops import Ops
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError, ConfigError
from marigold.diffusion.schedule import Schedule

Run = Callable[..., Tensor]
"""Calls a function of tensors: `run(function, *tensors)` gives what `function(*tensors)` gives."""


def directly(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """A `Run` that does nothing else."""
    return function(*inputs)


class Backbone(nn.Module, ABC):
    """An autoencoder, a denoising network and a schedule.

    C is `latent_channels`; h and w are the sides of the image divided by `stride`. Images have sides that are multiples
    of `stride`; the caller pads. The network sees `conditions` latents beside `targets` noisy ones, all of C channels;
    a generator of images has no condition and one target.
    """

    latent_channels: int
    stride: int
    schedule: Schedule
    conditions: int
    targets: int

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """The network that fine-tuning changes."""

    @property
    @abstractmethod
    def autoencoder(self) -> nn.Module:
        """The network between images and latents, frozen in training for a modality."""

    @abstractmethod
    def hot_parts(self) -> list[nn.Module]:
        """The networks that `accel` may compile: together they do nearly all of the work."""

    @classmethod
    @abstractmethod
    def read(cls, parts: Mapping[str, Path], card: Card, dtype: torch.dtype | None = None) -> "Backbone":
        """The backbone stored in these files and folders, named as in a checkpoint (`unet`, `vae`, ...).

        Its weights become `dtype` as they are read, from a variant in half precision where that suffices; with None
        they stay as they are stored, in the most exact form. Raises `CheckpointError` naming the file that cannot be
        used.
        """

    @classmethod
    def tiny(cls, **settings: Any) -> "Backbone":
        """A generator with random weights, to be trained from scratch. Raises `ConfigError`."""
        raise ConfigError(f"recipe.network: {cls.__name__} cannot be trained from scratch; give `start`")

    @abstractmethod
    def write(self, folder: Path, dtype: torch.dtype | None = None, leave_out: Collection[str] = ()) -> None:
        """Writes every part into a folder of its own inside `folder`, but for those in `leave_out`.

        Weights are written as `dtype`, or as they are when it is None.
        """

    def add_decoder(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        """From now on a small decoder with random weights decodes, which the autoencoder's own is the teacher of.

        `autoencoder.decoder` is the small one, and `autoencoder.teach` gives what the teacher gives. Raises
        `ConfigError` for a shape that does not suit, or if this kind of backbone has no such decoder.
        """
        raise ConfigError(f"recipe.objective: {type(self).__name__} has no small decoder; choose another objective")

    def write_decoder(self, folder: Path) -> None:
        """Writes the small decoder into a folder that `replace_autoencoder` takes. Raises as `add_decoder` does."""
        raise ConfigError(f"recipe.objective: {type(self).__name__} has no small decoder; choose another objective")

    def replace_autoencoder(self, folder: Path) -> None:
        """Takes the autoencoder in a folder, or the small decoder in it, in place of its own, for the same latents.

        Raises `CheckpointError` for what cannot be used, or if this kind of backbone keeps its own.
        """
        raise CheckpointError(f"{folder}: {type(self).__name__} keeps its own autoencoder; leave `autoencoder` out")

    @abstractmethod
    def index(self) -> dict[str, Any]:
        """The parts as `model_index.json` lists them: name to [library, class]."""

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """Images [B, 3, H, W] in -1 to 1 to latents [B, C, h, w]: the posterior mean, scaled."""

    @abstractmethod
    def decode(self, latent: Tensor) -> Tensor:
        """Latents [B, C, h, w] to images [B, 3, H, W], about -1 to 1 and not clamped."""

    @abstractmethod
    def network(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The one hot function: what the network outputs about the noisy latents x at times t.

        x is [B, C * targets, h, w] of any floating type, which the result has too; t is long [B]; `condition` is
        [B, C * conditions, h, w], or None for a generator without conditions.
        """

    def network_at(self, x: Tensor, t: int, condition: Tensor | None) -> Tensor:
        """`network` at one time t for all of x, which allows what depends on the time alone to be kept."""
        return self.network(x, torch.full((len(x),), t, dtype=torch.long, device=x.device), condition)

    def working_bytes(self, height: int, width: int) -> int:
        """Bytes of memory, beside the weights, that answering one photo of this working size takes at least.

        Here three float32 numbers for each pixel of each target.
        """
        return self.targets * height * width * 3 * 4

    def waiting_bytes(self, height: int, width: int) -> int:
        """Bytes of the computer's memory that activations take which a device has no room for; here none do."""
        return 0

    def bound(self, most_bytes: int | None, uncut: int = 0) -> None:
        """From now on the autoencoder has so many bytes of activations at once on its device, by stripes of an image.

        None: as many as it takes. An image that takes no more than `uncut` is computed as a whole. Without stripes, as
        here, nothing changes.
        """

    def is_striped(self, height: int, width: int) -> bool:
        """Whether the bound lets a photo of this working size be encoded or decoded in stripes."""
        return False

    def whole_bytes(self, height: int, width: int) -> int:
        """The bound that lets photos of this working size be computed as a whole, one by one; 0 without stripes."""
        return 0

    @abstractmethod
    def adapt(self, conditions: int, targets: int) -> None:
        """Widens the first and last layer to that many latents; does nothing if they are that wide already.

        A network that has conditions can be given more of them, after its own: until it is trained it gives what it
        gave, whatever they hold. Raises `ConfigError` if the backbone has been adapted to other numbers.
        """

    def see_photo_alone(self) -> None:
        """From now on the network is given no noisy latents beside the condition, and `adapt` leaves no room for them.

        Raises `ConfigError` for a network that is adapted to them, or if this kind of backbone needs them.
        """
        raise ConfigError(
            f"recipe.objective: {type(self).__name__} predicts nothing without noise; choose another `start` of it"
        )

    def add_switch(self, switch: Sequence[float]) -> None:
        """Gives the denoiser an embedding of a switch between tasks, drawn from the global random state.

        The network is called with `switch` from now on. Raises `ConfigError` for a network that has another one, or if
        this kind of backbone can have none.
        """
        raise ConfigError(f"recipe.objective: {type(self).__name__} has no switch between tasks; choose another one")

    def switched(self, x: Tensor, t: Tensor, condition: Tensor | None, switch: Tensor) -> Tensor:
        """`network` with a switch for each sample, [B, choices], in place of the one that it is called with.

        Raises `ConfigError` for a network that has no switch.
        """
        raise ConfigError(f"recipe.objective: {type(self).__name__} has no switch between tasks; choose another one")

    def permute_inputs(self, order: Sequence[int]) -> None:
        """From now on the network's input at place i is what was at place `order[i]`, each of C channels.

        For networks whose conditions and noisy latents lie in another order than `network` gives them. Raises
        `ConfigError` if this kind of backbone keeps its order.
        """
        raise ConfigError(f"{type(self).__name__} keeps the order of its inputs; choose another checkpoint")

    def take_autoencoder(self, other: "Backbone") -> bool:
        """Lets its own autoencoder go where `other`, which from now on encodes and decodes for both, has the same.

        Returns whether it did; here it keeps its own.
        """
        return False

    def deepen(self, layers: Sequence[int]) -> None:
        """Gives the denoiser's blocks at least so many layers; what is added begins as the identity.

        Raises `ConfigError` for another number of blocks, or if this kind of backbone has no such blocks.
        """
        raise ConfigError(
            f"recipe.layers: {type(self).__name__} has no blocks that layers can be added to; leave it out"
        )

    def checkpoint_activations(self) -> None:
        """From now on training computes activations a second time on the way back, instead of keeping them.

        Raises `ConfigError` for networks that cannot.
        """
        raise ConfigError(f"plan.checkpointing: {type(self).__name__} keeps all its activations; leave it out")

    def suit_compiler(self) -> None:
        """Computes what compiles to slow kernels in another order from now on, the same to within rounding.

        Here there is nothing to change. Weights and their names stay.
        """

    def suit_inference(self, ops: Ops, run: Run = directly) -> bool:
        """Rebuilds the networks' layers for inference: the same to within rounding, by these operations.

        `run` calls what computes on tensors of one shape after another. Weights and their names stay; afterwards
        nothing can be trained. Returns whether anything was rebuilt. Called again, other operations take
        over, and what the layers have computed from the weights is computed anew, as after a change of number type.
        """
        return False

    def stored_bytes(self) -> int:
        """Bytes that `write` writes, but for configurations."""
        return sum(tensor.nbytes for tensor in self.state_dict().values())

    @abstractmethod
    def renew_denoiser(self) -> None:
        """Draws the denoiser's weights anew from the global random state; its shape stays."""

    def denoise(self, x: Tensor, t: int | Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Splits the noisy latents x of time t (an int or long [B]) into (clean, noise), each of x's shape."""
        output = self.network(x, t, condition) if isinstance(t, Tensor) else self.network_at(x, t, condition)
        return self.schedule.solve(x, output, t)
