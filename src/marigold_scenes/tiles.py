"""Pictures as square tiles: rays travel in groups, one for each tile."""

from dataclasses import dataclass

from torch import Tensor

TILE = 16
"""Pixels along the side of a tile."""


@dataclass(frozen=True)
class Raster:
    """The pixels of a picture, `height` by `width`, and the same padded to whole tiles, `high` by `wide`."""

    height: int
    width: int

    @property
    def high(self) -> int:
        """The padded height."""
        return -(-self.height // TILE) * TILE

    @property
    def wide(self) -> int:
        """The padded width."""
        return -(-self.width // TILE) * TILE

    def focal(self, tangent: Tensor) -> Tensor:
        """The focal length in pixels for the tangent of half the horizontal field of view."""
        return 0.5 * self.width / tangent


def to_tiles(image: Tensor, side: int = TILE) -> Tensor:
    """Pictures [B, C, H, W], whose height and width are multiples of `side`, as groups [B * tiles, C, side * side]."""
    batch, channels, height, width = image.shape
    # [B, C, rows, side, columns, side]
    tiles = image.reshape(batch, channels, height // side, side, width // side, side)
    # => [B, rows, columns, C, side, side] => [B * tiles, C, side * side]
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side * side)


def from_tiles(groups: Tensor, height: int, width: int, side: int = TILE) -> Tensor:
    """The inverse of `to_tiles`: groups [B * tiles, C, side * side] as pictures [B, C, height, width]."""
    rows, columns = height // side, width // side
    # [B, rows, columns, C, side, side]
    tiles = groups.view(-1, rows, columns, groups.shape[1], side, side)
    # => [B, C, rows, side, columns, side] => [B, C, H, W]
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(-1, groups.shape[1], height, width)
