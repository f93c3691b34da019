"""What is used unless another implementation is followed: every field by its own rule, every member its own noise."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.checkpoints.convention import Sizing
from marigold.compat.base import Rules, WorkingSize, drawn
from marigold.core import seeds
from marigold.core.choices import Reduction, Resampling
from marigold.core.resampling import resample
from marigold.modalities.base import Modality


class Native(Rules):
    """Padded to whole latent cells, float throughout."""

    fewest_for_uncertainty = 3  # of two members that disagree, nothing tells which one is off

    def working_size(self, height: int, width: int, resolution: int, sizing: Sizing, stride: int) -> WorkingSize:
        """`longest`: the longest side becomes `resolution` by integer arithmetic, as in diffusers.

        `area`: the photo gets as many pixels as a square one of that side, so that wide and tall photos are not worked
        at a sliver. Small photos are enlarged.
        """
        if not resolution:
            return WorkingSize(height, width, stride)
        if sizing == "area":
            factor = resolution / math.sqrt(height * width)
            return WorkingSize(max(1, round(height * factor)), max(1, round(width * factor)), stride)
        longest = max(height, width)
        return WorkingSize(max(1, height * resolution // longest), max(1, width * resolution // longest), stride)

    def latent_size(self, size: WorkingSize) -> tuple[int, int]:
        """The last row and column of cells are partly padding."""
        return -(-size.height // size.stride), -(-size.width // size.stride)

    def fill(self, image: Tensor, size: WorkingSize, how: Resampling) -> Tensor:
        """Resampled in float, and padded."""
        return self.pad(resample(image, size.height, size.width, how).clamp(0, 1) * 2 - 1, size)

    def pad(self, image: Tensor, size: WorkingSize) -> Tensor:
        """A picture at the working size as whole latent cells, by repeating its right and bottom edge."""
        rows, columns = self.latent_size(size)
        padding = (0, columns * size.stride - size.width, 0, rows * size.stride - size.height)
        return F.pad(image, padding, mode="replicate")

    def crop(self, values: Tensor, size: WorkingSize) -> Tensor:
        """Without the padding."""
        return values[..., : size.height, : size.width]

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """A member's noise depends on the seed and its number alone."""
        streams = [seeds.stream(seed, "noise", member) for member in range(count)]
        return torch.stack([drawn(shape, draws, stream) for stream in streams])

    def ensemble(self, modality: Modality, values: Tensor, reduction: Reduction | None) -> tuple[Tensor, Tensor]:
        """By the modality."""
        return modality.ensemble(values) if reduction is None else modality.ensemble(values, reduction)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """By the modality; in another way than `bilinear`, its rule brings the result back into its range."""
        if values.shape[-2:] == (height, width):
            return values
        if how != "bilinear":
            values = resample(values[None], height, width, how)[0]
        return modality.resize(values[None], height, width)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """As maps are."""
        return resample(uncertainty[None], height, width, how).clamp(min=0)[0]
