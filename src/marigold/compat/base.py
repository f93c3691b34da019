"""The contract of what happens around the networks: working size, noise, merging, and the way back to the photo's size.

`none.py` holds what is used unless somebody asks for more; its neighbours follow the public implementations in all of
this, so that results can be compared with theirs.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.checkpoints.convention import Sizing
from marigold.core.choices import Reduction, Resampling
from marigold.core.errors import DeviceMemoryError
from marigold.core.find import implementation
from marigold.core.images import MAX_PIXELS
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class WorkingSize:
    """The size in pixels that a network works at, before padding; `stride` is the side of a latent cell."""

    height: int
    width: int
    stride: int

    def __post_init__(self) -> None:
        """Raises `DeviceMemoryError` for more pixels than a photo may have: no memory holds what they take."""
        if self.height * self.width > MAX_PIXELS:
            limit = f"more than the limit of {MAX_PIXELS // 10**6} megapixels"
            raise DeviceMemoryError(f"resolution: {self.width} x {self.height} pixels, {limit}; choose less")


class Rules(ABC):
    """E members of S noises each: the first starts the member, the others are what its sampler adds between steps."""

    fewest_for_uncertainty: int

    @abstractmethod
    def working_size(self, height: int, width: int, resolution: int, sizing: Sizing, stride: int) -> WorkingSize:
        """The working size of a photo of this size; `resolution` 0 keeps the photo's."""

    @abstractmethod
    def latent_size(self, size: WorkingSize) -> tuple[int, int]:
        """Height and width in latent cells."""

    @abstractmethod
    def fill(self, image: Tensor, size: WorkingSize, how: Resampling) -> Tensor:
        """A photo [B, 3, H, W] of any size in 0 to 1 as network input in -1 to 1."""

    @abstractmethod
    def crop(self, values: Tensor, size: WorkingSize) -> Tensor:
        """What the network gave, [..., h, w], without what was padded."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """White noise [E, S, *shape], float32, for `count` members of `draws` noises each."""

    @abstractmethod
    def ensemble(self, modality: Modality, values: Tensor, reduction: Reduction | None) -> tuple[Tensor, Tensor]:
        """Members [E, C, H, W] to the merged values [C, H, W] and their uncertainty [1, H, W]; one is merged too.

        `reduction` None is the modality's own.
        """

    @abstractmethod
    def resize(self, modality: Modality, values: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """Values [C, h, w] at the photo's size."""

    @abstractmethod
    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """An uncertainty [1, h, w] as it is given out beside values at the photo's size."""


def rules(name: str) -> Rules:
    """The rules called `none`, `diffusers` or `published`."""
    return implementation(Rules, name)()


def drawn(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """[count, *shape], one draw after the other: drawn at once, noises of some sizes would be others."""
    noises = [torch.randn(shape, generator=generator) for _ in range(count)]
    return torch.stack(noises) if noises else torch.empty(0, *shape)
