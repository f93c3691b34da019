"""A denoiser of whole canvases that sees one tile at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from marigold.accel.runtime import Runtime
from marigold.compat.base import WorkingSize
from marigold.diffusion.tiles import Fusion, Tiling
from marigold.predict.attempts import Batches


class TiledDenoiser:
    """Splits the noisy canvases of E members by their tiles, in batches; what it gives does not depend on these.

    `condition` is [1, C * conditions, H, W] for all members, `batch` the number of tiles that the network takes at
    once, by the plan when None.
    """

    def __init__(self, runtime: Runtime, condition: Tensor, tiling: Tiling, batch: int | None = None) -> None:
        self._backbone, self._condition, self._tiling = runtime.estimator.backbone, condition, tiling
        self._batches = Batches(runtime, batch, "tile")
        stride, tile = self._backbone.stride, tiling.tiles[0]
        self._size = WorkingSize(tile.height * stride, tile.width * stride, stride)
        self.most = 0
        """The most tiles that ran at once."""

    @property
    def notes(self) -> list[str]:
        """What memory did not hold."""
        return self._batches.notes

    def __call__(self, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """The pair (clean, noise) of noisy canvases x [E, N * C, H, W] at time t."""
        fusion = Fusion(self._tiling, len(x), 2 * x.shape[1], x.device)
        rows = list(fusion.rows())
        for part, pairs in self._batches.run(self._size, len(rows), lambda part: self._pairs(x, t, rows[part])):
            self.most = max(self.most, len(pairs))
            for (member, tile), pair in zip(rows[part], pairs, strict=True):
                fusion.add(member, tile, pair)
        clean, noise = fusion.canvas.chunk(2, dim=1)
        return clean, noise

    def _pairs(self, x: Tensor, t: int, rows: Sequence[tuple[int, int]]) -> Tensor:
        """What the network says of some tiles, [rows, 2 * N * C, h, w]: clean and noise."""
        tiles = self._tiling.tiles
        noisy = torch.stack([tiles[tile].of(x[member]) for member, tile in rows])
        seen = torch.stack([tiles[tile].of(self._condition[0]) for _, tile in rows])
        return torch.cat(self._backbone.denoise(noisy, t, seen), dim=1)
