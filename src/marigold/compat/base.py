"""What happens around the networks: the working size, the noise, merging, and the way back to the photo's size.

`Ours` holds what is used. `Diffusers` and `Published` follow the two public implementations in all of this, so that
results can be compared with theirs.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.compat._merging import DIFFUSERS, OFFICIAL, Search
from marigold.core import seeds
from marigold.modalities.base import Modality
from marigold.predict.working_size import AnyFrame, Frame, UnpaddedFrame, resize


class Rules(ABC):
    """E members of S noises each: the first starts the member, the others are what its sampler adds between steps."""

    fewest_for_uncertainty: int

    @abstractmethod
    def frame(self, photo: Tensor, resolution: int, stride: int) -> AnyFrame:
        """The working size of a photo [3, H, W]; `resolution` 0 keeps the photo's size."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """White noise [E, S, *shape], float32, for `count` members of `draws` noises each."""

    @abstractmethod
    def ensemble(self, modality: Modality, values: Tensor) -> tuple[Tensor, Tensor]:
        """Members [E, C, H, W] to the merged values [C, H, W] and their uncertainty [1, H, W]; one is merged too."""

    @abstractmethod
    def resize(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """Values [C, h, w] at the photo's size."""

    @abstractmethod
    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int) -> Tensor:
        """An uncertainty [1, h, w] as it is given out beside values at the photo's size."""


class Ours(Rules):
    """Every field by its own rule, every member with its own stream of noise."""

    fewest_for_uncertainty = 3  # of two members that disagree, nothing tells which one is off

    def frame(self, photo: Tensor, resolution: int, stride: int) -> Frame:
        """Padded to whole latent cells."""
        return Frame.of(photo, resolution, stride)

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """A member's noise depends on the seed and its number alone."""
        streams = [seeds.stream(seed, "noise", member) for member in range(count)]
        return torch.stack([_drawn(shape, draws, stream) for stream in streams])

    def ensemble(self, modality: Modality, values: Tensor) -> tuple[Tensor, Tensor]:
        """By the modality."""
        return modality.ensemble(values)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """By the modality; untouched if it has that size."""
        return values if values.shape[-2:] == (height, width) else modality.resize(values[None], height, width)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks."""
        return resize(uncertainty[None], height, width)[0]


class Diffusers(Rules):
    """As the Marigold pipelines of diffusers with `batch_size` 1 and a CPU generator of the seed."""

    fewest_for_uncertainty = 2

    def frame(self, photo: Tensor, resolution: int, stride: int) -> Frame:
        """Padded to whole latent cells."""
        return Frame.of(photo, resolution, stride)

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """The starts of all members in one draw, then every member's other noises in turn."""
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randn(count, *shape, generator=generator)
        return torch.stack([torch.cat([start[None], _drawn(shape, draws - 1, generator)]) for start in starts])

    def ensemble(self, modality: Modality, values: Tensor) -> tuple[Tensor, Tensor]:
        """By the method and the settings of the pipelines."""
        return _as_published(modality, values, DIFFUSERS)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear without antialiasing; then the modality's range, which brings normals back to unit length."""
        return modality.resize(_interpolated(values, height, width)[None], height, width)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int) -> Tensor:
        """Bilinear without antialiasing."""
        return _interpolated(uncertainty, height, width)


class Published(Rules):
    """As the code beside the papers, on the CPU, one member at a time and with a generator of the seed."""

    fewest_for_uncertainty = 2

    def frame(self, photo: Tensor, resolution: int, stride: int) -> UnpaddedFrame:
        """Without padding, in 8 bits."""
        return UnpaddedFrame.of(photo, resolution, stride)

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """Every member's noises in turn."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([_drawn(shape, draws, generator) for _ in range(count)])

    def ensemble(self, modality: Modality, values: Tensor) -> tuple[Tensor, Tensor]:
        """By the method and the settings of the published code."""
        return _as_published(modality, values, OFFICIAL)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; normals are left shorter than unit length."""
        return resize(values[None], height, width)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int) -> Tensor:
        """It stays at the working size."""
        return uncertainty


RULES: dict[str, Rules] = {"none": Ours(), "diffusers": Diffusers(), "published": Published()}
"""By the names of `Request.compat`."""


def _as_published(modality: Modality, values: Tensor, search: Search) -> tuple[Tensor, Tensor]:
    """A single member is left as it is."""
    if len(values) == 1:
        return values[0], torch.zeros_like(values[0, :1])
    return modality.ensemble_as_published(values, search)


def _drawn(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """One draw after the other: drawn at once, noises of some sizes would be others."""
    noises = [torch.randn(shape, generator=generator) for _ in range(count)]
    return torch.stack(noises) if noises else torch.empty(0, *shape)


def _interpolated(values: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(values[None], (height, width), mode="bilinear")[0]
