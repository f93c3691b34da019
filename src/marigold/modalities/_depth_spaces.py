"""The quantities that depth can be encoded as, and the way back to depth up to one scale.

Beside depth itself these are powers of it: disparity (the power -1), its square root (-1/2) and, as the limit of
power 0, the logarithm. Their encoded range has a near end and a far end `ratio` times as far away. Pixels rise with
the quantity: near is white for disparities, black for depth and its logarithm.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.measure.losses import affine_invariant, relative
from marigold.measure.quantiles import masked_quantiles

LEAST = 1e-6
"""The near end of a scene is at least this far away, in metres."""
FLAT = 1e-6
"""A scene whose ends differ by no more than this share has one single depth."""

POWERS: dict[str, float] = {"disparity": -1.0, "log": 0.0, "sqrt-disparity": -0.5}
"""The spaces that are powers of depth; `depth` itself is `Linear`."""
NAMES = ("depth", *POWERS)


class DepthSpace(ABC):
    """How depth becomes one channel of pixels in -1 to 1, and how a share of that range, 0 to 1, is read."""

    near_is_bright: bool = False

    @abstractmethod
    def encode(self, depth: Tensor, valid: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Metres [..., 1, H, W] to pixels of that shape; `near` and `far` [..., 1, 1, 1] are the scene's ends."""

    @abstractmethod
    def decode(self, share: Tensor) -> Tensor:
        """Shares [B, 1, H, W] to depth in 0 to 1."""

    @abstractmethod
    def distance(self, share: Tensor) -> Tensor:
        """Shares of the range as distances, up to a scale and a shift that hold for all pixels of all images."""

    @abstractmethod
    def inverse(self, distance: Tensor) -> Tensor:
        """Distances, as `distance` gives them, as shares of the range."""

    @abstractmethod
    def loss(self, values: Tensor, share: Tensor, valid: Tensor) -> Tensor:
        """The error of depth [B, 1, H, W] in 0 to 1 against true shares of that shape, where `valid`, bool."""


@dataclass(frozen=True)
class Linear(DepthSpace):
    """Depth as it is, between the scene's ends."""

    shift: bool
    """The near end is black; otherwise the camera is."""

    def encode(self, depth: Tensor, valid: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """What may not be used is white."""
        return torch.where(valid, stretched(depth, near if self.shift else torch.zeros_like(near), far), 1.0)

    def decode(self, share: Tensor) -> Tensor:
        """Shares are depth."""
        return share

    def distance(self, share: Tensor) -> Tensor:
        """Shares are distances."""
        return share

    def inverse(self, distance: Tensor) -> Tensor:
        """Clipped to 0 to 1."""
        return distance.clamp(0, 1)

    def loss(self, values: Tensor, share: Tensor, valid: Tensor) -> Tensor:
        """The mean absolute error after each image's own least-squares scale and shift (Garcia et al. 2025, eq. 4)."""
        return affine_invariant(values[:, 0], share[:, 0], valid[:, 0])


@dataclass(frozen=True)
class Power(DepthSpace):
    """A power of depth, or its logarithm, over a range that is known or the scene's own."""

    power: float
    ratio: float | None
    """The far end of the range is this many times as far away as its near end; None: where the scene's own is."""
    assumed_ratio: float
    """What reading takes the ratio to be where it is the scene's own."""
    shift: bool
    """Depth 0 is the near end; otherwise it is the camera."""
    high: float
    """The quantile of a scene's depth that is its far end."""

    @property
    def near_is_bright(self) -> bool:
        """Disparities are bright near by."""
        return self.power < 0

    def encode(self, depth: Tensor, valid: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """What may not be used is like the far end."""
        near = near.clamp(min=LEAST)
        ratio = far / near if self.ratio is None else torch.full_like(near, self.ratio)
        flat = ratio <= 1 + FLAT
        share = self.share(torch.where(valid, depth, far) / near, torch.where(flat, 2.0, ratio))
        return torch.where(flat, 0.0, share * 2 - 1)

    def decode(self, share: Tensor) -> Tensor:
        """Each image's near end (0 without shift) and quantile `high` become 0 and 1.

        Exactly what `Linear` would have shown of a scene that fits into the ratio.
        """
        distance = self.distance(share)
        far = self._far(distance)
        return (stretched(distance, torch.ones_like(far) if self.shift else torch.zeros_like(far), far) + 1) / 2

    def loss(self, values: Tensor, share: Tensor, valid: Tensor) -> Tensor:
        """AbsRel as it is scored: the shares tell how far away the truth is in units of the near end."""
        distance = self.distance(share)
        return relative(values[:, 0], torch.minimum(distance, self._far(distance))[:, 0], valid[:, 0])

    def share(self, distance: Tensor, ratio: Tensor) -> Tensor:
        """Distances in units of the near end, clipped to 1 .. `ratio`, as shares of the range.

        `ratio` is above 1 and broadcasts.
        """
        distance = torch.minimum(distance.clamp(min=1), ratio)
        if self.power == 0:
            return distance.log() / ratio.log()
        farthest = ratio**self.power
        return (distance**self.power - farthest) / (1 - farthest)

    def distance(self, share: Tensor) -> Tensor:
        """Shares of the range as distances in units of the near end, 1 to the ratio."""
        if self.power == 0:
            return self._ratio**share
        farthest = self._ratio**self.power
        return (farthest + share * (1 - farthest)) ** (1 / self.power)

    def inverse(self, distance: Tensor) -> Tensor:
        """Distances in units of the near end, clipped to 1 to the ratio."""
        return self.share(distance, torch.full_like(distance, self._ratio))

    @property
    def _ratio(self) -> float:
        """What reading takes the far end of the range to be."""
        return self.assumed_ratio if self.ratio is None else self.ratio

    def _far(self, distance: Tensor) -> Tensor:
        """The quantile `high` of each whole map [B, 1, H, W], [B, 1, 1, 1]."""
        everywhere = torch.ones_like(distance, dtype=torch.bool)
        return masked_quantiles(distance.flatten(-3), everywhere.flatten(-3), (self.high,))[0][..., None, None, None]


def stretched(depth: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`low` to `high` as -1 to 1, clipped; 0 everywhere when they differ by no more than rounding."""
    flat = high - low <= FLAT * high
    stretched = (depth - low) / torch.where(flat, 1.0, high - low) * 2 - 1
    return torch.where(flat, 0.0, stretched.clamp(-1, 1))
