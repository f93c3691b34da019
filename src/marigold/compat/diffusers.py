"""The Marigold pipelines of diffusers with `batch_size` 1 and a CPU generator of the seed."""

import torch
from torch import Tensor

from marigold.checkpoints.convention import Sizing
from marigold.compat._merging import DIFFUSERS, merge
from marigold.compat.base import Rules, WorkingSize, drawn
from marigold.compat.none import Native
from marigold.core.choices import Reduction, Resampling
from marigold.core.resampling import resample
from marigold.modalities.base import Modality

_PADDED = Native()


class Diffusers(Rules):
    """The working size and the padding are those of `none`."""

    fewest_for_uncertainty = 2

    def working_size(self, height: int, width: int, resolution: int, sizing: Sizing, stride: int) -> WorkingSize:
        """By the longest side, whatever the checkpoint's card says."""
        return _PADDED.working_size(height, width, resolution, "longest", stride)

    def latent_size(self, size: WorkingSize) -> tuple[int, int]:
        """The last row and column of cells are partly padding."""
        return _PADDED.latent_size(size)

    def fill(self, image: Tensor, size: WorkingSize, how: Resampling) -> Tensor:
        """Resampled in float and not clipped, whatever the resampling overshoots; then padded."""
        return _PADDED.pad(resample(image, size.height, size.width, how) * 2 - 1, size)

    def crop(self, values: Tensor, size: WorkingSize) -> Tensor:
        """Without the padding."""
        return _PADDED.crop(values, size)

    def draw(self, shape: tuple[int, ...], count: int, draws: int, seed: int) -> Tensor:
        """The starts of all members in one draw, then every member's other noises in turn."""
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randn(count, *shape, generator=generator)
        return torch.stack([torch.cat([start[None], drawn(shape, draws - 1, generator)]) for start in starts])

    def ensemble(self, modality: Modality, values: Tensor, reduction: Reduction | None) -> tuple[Tensor, Tensor]:
        """By the method and the settings of the pipelines."""
        return merge(modality, values, DIFFUSERS, reduction)

    def resize(self, modality: Modality, values: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """Without antialiasing; then the modality's range, which brings normals back to unit length."""
        return modality.resize(resample(values[None], height, width, how, antialias=False), height, width)[0]

    def resize_uncertainty(self, uncertainty: Tensor, height: int, width: int, how: Resampling) -> Tensor:
        """Without antialiasing."""
        return resample(uncertainty[None], height, width, how, antialias=False)[0]
