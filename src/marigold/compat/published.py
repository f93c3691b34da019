"""The code beside the papers, on the CPU, one member at a time and with a generator of the seed."""

import torch
from torch import Tensor

from marigold.checkpoints.convention import Sizing
from marigold.compat._merging import OFFICIAL, merge
from marigold.compat.base import Rules, WorkingSize, drawn
from marigold.core.choices import Reduction, Resampling
from marigold.core.errors import ConfigError
from marigold.core.resampling import resample
from marigold.modalities.base import Modality


class Published(Rules):
    """Nothing is padded, and photos are resized in 8 bits.

    The autoencoder drops the rows and columns that fill no latent cell, so that its output is a little smaller.
    """

    fewest_for_uncertainty = 2

    def working_size(self, height: int, width: int, resolution: int, sizing: Sizing, stride: int) -> WorkingSize:
        """Both sides times a factor in floating point, truncated, by the longest side.

        Raises `ConfigError` for photos with a side that fills no latent cell.
        """
        factor = min(resolution / width, resolution / height) if resolution else 1.0
        size = WorkingSize(int(height * factor), int(width * factor), stride)
        if min(self.latent_size(size)) < 1:
            raise ConfigError(
                f"compat: {size.width} x {size.height} pixels hold no latent cell of {stride} x {stride}, and the "
                "published code does not pad; choose a larger resolution"
            )
        return size

    def latent_size(self, size: WorkingSize) -> tuple[int, int]:
        """Whole latent cells."""
        return size.height // size.stride, size.width // size.stride

    def fill(self, image: Tensor, size: WorkingSize, how: Resampling) -> Tensor:
        """In steps of 1 / 255."""
        levels = resample((image * 255).round(), size.height, size.width, how).round().clamp(0, 255)
        return levels / 255 * 2 - 1

    def crop(self, values: Tensor, size: WorkingSize) -> Tensor:
        """Whole cells, and nothing to take away."""
        return values

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """Every member's noises in turn."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([drawn(shape, draws, generator) for _ in range(count)])

    def ensemble(self, modality: Modality, values: Tensor, reduction: Reduction | None) -> tuple[Tensor, Tensor]:
        """By the method and the settings of the published code."""
        return merge(modality, values, OFFICIAL, reduction)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """Antialiased when it shrinks; normals are left shorter than unit length."""
        return resample(values[None], height, width, how)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """It stays at the working size."""
        return uncertainty
