"""The quantities that depth can be painted as, and the way back to depth up to one scale.

Beside depth itself these are powers of it: disparity (the power -1), its square root (-1/2) and, as the limit of
power 0, the logarithm. A painted range has a near end and a far end `ratio` times as far away. What is painted rises
with the quantity: near is white for disparities, black for depth and its logarithm.
"""

from typing import Literal

import torch
from torch import Tensor

DepthSpace = Literal["depth", "disparity", "log", "sqrt-disparity"]

POWERS: dict[str, float] = {"depth": 1.0, "disparity": -1.0, "log": 0.0, "sqrt-disparity": -0.5}


def paint_share(distance: Tensor, space: str, ratio: Tensor) -> Tensor:
    """Distances in units of the near end, clipped to 1 .. `ratio`, as shares of the painted range, 0 to 1.

    `ratio` is above 1 and broadcasts; `space` is none in which depth is painted as it is.
    """
    distance, power = torch.minimum(distance.clamp(min=1), ratio), POWERS[space]
    if power == 0:
        return distance.log() / ratio.log()
    farthest = ratio**power
    return (distance**power - farthest) / (1 - farthest)


def read_share(share: Tensor, space: str, ratio: float) -> Tensor:
    """Shares of the painted range, 0 to 1, as distances in units of the near end, 1 to `ratio`."""
    power = POWERS[space]
    if power == 0:
        return ratio**share
    farthest = ratio**power
    return (farthest + share * (1 - farthest)) ** (1 / power)
