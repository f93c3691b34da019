"""Where one shot ends and another begins, from the frames alone and in one pass."""

import statistics
from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = (36, 64)
"""Cells of the small picture that frames are compared by."""
BINS = 8
"""Levels of each colour channel in a histogram."""
RECENT = 12
"""Frames whose changes say what is usual."""
CHANGE, TIMES = 0.08, 3.0
"""At a cut the cells change by more than this on average, and by so many times what is usual..."""
COLOURS = 0.25
"""...and at least this share of the picture changes its colour."""


class CutFinder:
    """Tells of each frame in turn whether a shot begins there: a hard cut, or another size.

    A cut changes both where things are and which colours there are; fast motion changes the first alone and a change
    of light goes on over several frames. Fades are no cuts.
    """

    def __init__(self) -> None:
        self._before: tuple[tuple[int, int], Tensor, Tensor] | None = None
        self._recent: deque[float] = deque(maxlen=RECENT)

    def begins(self, levels: Tensor) -> bool:
        """Whether the frame [3, H, W] uint8 begins a shot; the first of all does not."""
        now = (levels.shape[-2], levels.shape[-1]), _small(levels), _histogram(levels)
        before, self._before = self._before, now
        if before is None:
            return False
        if before[0] != now[0]:
            self._recent.clear()
            return True
        change = float((now[1] - before[1]).abs().mean())
        colours = float((now[2] - before[2]).abs().sum() / 2)
        usual = statistics.median(self._recent) if self._recent else 0.0
        cut = change > max(CHANGE, TIMES * usual) and colours > COLOURS
        if cut:
            self._recent.clear()
        else:
            self._recent.append(change)
        return cut


def _small(levels: Tensor) -> Tensor:
    """Mean colours of the cells, [3, *GRID] in 0 to 1."""
    return F.adaptive_avg_pool2d(levels.float() / 255, GRID)


def _histogram(levels: Tensor) -> Tensor:
    """The share of pixels in each of BINS^3 colours."""
    step = max(1, min(levels.shape[-2:]) // 128)
    index = levels[:, ::step, ::step].long() * BINS // 256
    codes = (index[0] * BINS + index[1]) * BINS + index[2]
    return torch.bincount(codes.flatten(), minlength=BINS**3).double() / codes.numel()
