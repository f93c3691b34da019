"""A canvas of latents as overlapping tiles whose answers are averaged at every step (Bar-Tal et al. 2023, eq. 5).

What a network says of tile i counts by W_i / sum_j W_j, where W_i falls towards the borders that the tile has with
others. The average is linear, and so is a step of DDIM in what the network says, so that averaging outputs, the pairs
(clean, noise) or the latents of the next step are one and the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tile:
    """A window of a canvas, in latent cells."""

    top: int
    left: int
    height: int
    width: int

    def of(self, x: Tensor) -> Tensor:
        """The window of x [..., H, W], a view."""
        return x[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Tiling:
    """A canvas of `height` x `width` cells covered by tiles of one size, with sides of at most `side` cells.

    Neighbours overlap by half of a tile or more, but for the rounding to whole cells.
    """

    height: int
    width: int
    side: int

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """Row by row."""
        height, width = min(self.side, self.height), min(self.side, self.width)
        rows, columns = _starts(self.height, height), _starts(self.width, width)
        return tuple(Tile(top, left, height, width) for top in rows for left in columns)

    @cached_property
    def shares(self) -> tuple[Tensor, ...]:
        """By how much each tile counts at its cells, [h, w] float32; at every cell of the canvas these sum to 1."""
        weights = [self._weight(tile) for tile in self.tiles]
        total = torch.zeros(self.height, self.width)
        for tile, weight in zip(self.tiles, weights, strict=True):
            tile.of(total).add_(weight)
        return tuple(weight / tile.of(total) for tile, weight in zip(self.tiles, weights, strict=True))

    def borders(self) -> Tensor:
        """The cells beside a tile's border inside the canvas, [H, W] bool: where a seam would be."""
        found = torch.zeros(self.height, self.width, dtype=torch.bool)
        for edge in _inner({tile.top for tile in self.tiles}, self.tiles[0].height, self.height):
            found[edge - 1 : edge + 1] = True
        for edge in _inner({tile.left for tile in self.tiles}, self.tiles[0].width, self.width):
            found[:, edge - 1 : edge + 1] = True
        return found

    def _weight(self, tile: Tile) -> Tensor:
        """A window of Hann over the distance to the borders inside the canvas, from 0 there to 1 in the middle, [h, w].

        A border that is the canvas's own has no neighbour to give way to. Where tiles overlap by half, the windows of
        neighbours sum to 1 by themselves, and their slope is 0 at the borders.
        """
        rows = _distance(tile.top, tile.height, self.height, self.side)
        columns = _distance(tile.left, tile.width, self.width, self.side)
        return _hann(rows, self.side)[:, None] * _hann(columns, self.side)[None]


class Fusion:
    """The average of what tiles say of the canvases [E, C, H, W] of E members, in float32."""

    def __init__(self, tiling: Tiling, members: int, channels: int, device: torch.device) -> None:
        self.tiling = tiling
        self.canvas = torch.zeros(members, channels, tiling.height, tiling.width, device=device)
        self._shares = [share.to(device) for share in tiling.shares]

    def rows(self) -> Iterator[tuple[int, int]]:
        """Every tile of every member, as the numbers of both."""
        return ((member, tile) for member in range(len(self.canvas)) for tile in range(len(self._shares)))

    def add(self, member: int, tile: int, answer: Tensor) -> None:
        """Counts what the network says of a tile, [C, h, w]."""
        self.tiling.tiles[tile].of(self.canvas[member]).add_(answer.float() * self._shares[tile])


def _starts(length: int, side: int) -> list[int]:
    """Where windows of this side begin that cover the length evenly, each half over the one before, or more."""
    steps = -(-2 * (length - side) // side)
    return sorted({round(number * (length - side) / steps) for number in range(steps + 1)}) if steps else [0]


def _inner(starts: set[int], side: int, length: int) -> set[int]:
    """The borders inside a length: each is before the cell of this number."""
    return {edge for start in starts for edge in (start, start + side) if 0 < edge < length}


def _distance(start: int, side: int, length: int, most: int) -> Tensor:
    """Of each cell's middle the distance to the window's nearer end inside the length; `most` without such ends."""
    cells = torch.arange(side, dtype=torch.float32)
    before = cells + 0.5 if start > 0 else torch.full_like(cells, most)
    behind = side - 0.5 - cells if start + side < length else torch.full_like(cells, most)
    return torch.minimum(before, behind)


def _hann(distance: Tensor, side: int) -> Tensor:
    """sin^2(pi d / side) up to the middle of a side, and 1 from there on."""
    return (torch.pi * distance.clamp(max=side / 2) / side).sin().square()
