"""What every pattern function takes and gives: a `TexturePoints` on a surface and its `Texture`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import layout


@dataclass(frozen=True)
class TexturePoints:
    """N points that share one kind of pattern."""

    columns: Tensor
    """[WIDTH, N] packed materials, see `layout.py`."""
    point: Tensor
    """[3, N] object-local position in metres."""
    normal: Tensor
    """[3, N] object-local unit normal."""
    footprint: Tensor
    """[N] metres per pixel."""

    def __getitem__(self, column: int) -> Tensor:
        return self.columns[column]

    def colour(self, column: int) -> Tensor:
        """Three columns [3, N] from this one."""
        return self.columns[column : column + 3]

    @property
    def seed(self) -> Tensor:
        """The material's seed [N], int32."""
        return self.columns[layout.SEED].int()

    @property
    def stretched(self) -> Tensor:
        """The position [3, N] with each axis divided by the material's stretch."""
        return self.point / self.columns[layout.STRETCH : layout.STRETCH + 3]

    def palette(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four colours [3, N] A, B, C, D."""
        columns = (layout.COLOUR_A, layout.COLOUR_B, layout.COLOUR_C, layout.COLOUR_D)
        return tuple(self.colour(column) for column in columns)  # type: ignore[return-value]


@dataclass(frozen=True)
class Texture:
    """What a pattern decides before age is added; what is left out is flat and even."""

    albedo: Tensor
    """[3, N] linear."""
    rough: Tensor | float = 0.5
    """[N] in 0 to 1, from the material's low to its high roughness."""
    slope: Tensor | None = None
    """[3, N] gradient of the relief, of order 1 before the material's RELIEF."""
    glow: Tensor | float = 1.0
    """[N] or [3, N] factor of the material's emission."""


def blend(a: Tensor, b: Tensor, amount: Tensor) -> Tensor:
    """Colours [3, N] from `a` at amount 0 to `b` at amount 1; `amount` [N] is clipped to this range."""
    return torch.lerp(a, b, amount.clamp(0, 1).expand_as(a))
