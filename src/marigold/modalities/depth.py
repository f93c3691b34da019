"""Depth: 0 near to 1 far, right up to the scale and shift of the scene."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from marigold.compat._merging import Search, merge_depth
from marigold.core import find, pictures
from marigold.core.colour import colormap
from marigold.core.config import require
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol, align, row_ramp
from marigold.measure.ensemble import merge_affine
from marigold.measure.losses import affine_invariant, relative
from marigold.measure.metrics import depth_metrics
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally
from marigold.modalities._depth_spaces import POWERS, DepthSpace, paint_share, read_share
from marigold.modalities.base import Modality

LEAST = 1e-6
"""The near end of a scene is at least this far away, in metres."""
RELATIVE_DISPARITY: Mapping[str, Any] = {"target_space": "disparity", "fixed_ratio": False}
"""The options of networks that others taught disparity, between each scene's own ends."""
FLAT = 1e-6
"""A scene whose ends differ by no more than this share has one single depth."""


@dataclass(frozen=True)
class Depth(Modality):
    """Planar depth, painted as a grey picture between two quantiles of the scene (Ke et al. 2024, sec. 3.2).

    Values are depth in 0 to 1 whatever quantity is painted.
    """

    scale_invariant: bool = True
    """Predictions have an unknown scale."""
    shift_invariant: bool = True
    """Predictions have an unknown shift."""
    low: float = 0.02
    """The quantile of a scene's depth that is its near end."""
    high: float = 0.98
    """The quantile of a scene's depth that is its far end."""
    shown: float = 1.0
    """The quantile of a prediction that becomes 1; what is farther is clipped to it. For checkpoints that paint up to
    the farthest pixel (`high: 1`): a few pixels behind all others would take the range of the map."""
    target_space: DepthSpace = "depth"
    """What is painted: depth, disparity (1 / depth), its square root, or the logarithm of depth."""
    ratio: float = 32.0
    """Outside the space `depth`: the far end of the painted range is this many times as far away as its near end."""
    fixed_ratio: bool = True
    """False paints between the scene's own near and far end, as others do; what is painted then no longer says how far
    apart they are, so that values keep their order, but not their proportions."""
    assumed_ratio: float = 10.0
    """With `fixed_ratio` false: how many times as far as the near end reading takes the far end to be."""

    pipelines = ("MarigoldDepthPipeline", "MarigoldPipeline")
    published: ClassVar[Mapping[str, str]] = {
        "prs-eth/marigold-depth-v1-1": "RAIL++-M",
        "prs-eth/marigold-depth-v1-0": "RAIL++-M",
        "prs-eth/marigold-depth-lcm-v1-0": "RAIL++-M",
        "GonzaloMG/marigold-e2e-ft-depth": "none stated",
        "GonzaloMG/stable-diffusion-e2e-ft-depth": "none stated",
        "jingheya/lotus-depth-g-v2-1-disparity": "Apache-2.0",
        "jingheya/lotus-depth-d-v2-0-disparity": "Apache-2.0",
        "jingheya/lotus-depth-g-v1-0": "Apache-2.0",
        "jingheya/lotus-depth-d-v1-0": "Apache-2.0",
    }
    single_step: ClassVar[Mapping[str, Mapping[str, Any]]] = {"disparity": RELATIVE_DISPARITY, "depth": {}}

    needs = ("depth",)
    targets = ("depth",)
    outputs = ("depth",)
    channels = (1,)

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Metres to grey pixels [..., 1, 3, H, W] in -1 to 1, and valid [..., 1, 1, H, W].

        Per image: the quantiles `low` and `high` of the valid depth are the near and the far end, painted -1 and 1;
        what is beyond is clipped. Pixels that may not be used are painted like the far end, as sky should look. A scene
        of one single depth is painted 0.

        In the other spaces the near end is painted 1 (black, -1, for `log`), and what is `ratio` times as far the
        opposite; the scene's far end lies in between.
        """
        if not self.scale_invariant:
            raise ConfigError("depth: metric depth has no painted range; train with scale_invariant: true")
        depth, valid = sample.maps["depth"], usable(sample)
        low, high = masked_quantiles(depth.flatten(-3), valid.flatten(-3), (self.low, self.high))
        low, high = low[..., None, None, None], high[..., None, None, None]
        if self.target_space == "depth":
            near = low if self.shift_invariant else torch.zeros_like(low)
            pixels = torch.where(valid, _stretched(depth, near, high), 1.0)
        else:
            pixels = self._paint(torch.where(valid, depth, high), low.clamp(min=LEAST), high)
        return pixels.expand(*pixels.shape[:-3], 3, -1, -1).unsqueeze(-4), valid.unsqueeze(-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Painted pixels [B, 1, 3, H, W] to depth [B, 1, H, W] in 0 to 1: the mean of the three channels.

        Outside the space `depth` it is turned into depth, and each image's near end (0 without shift) and quantile
        `high` become 0 and 1: exactly what the space `depth` would have shown of a scene that fits into the ratio.
        """
        share = pictures.read_off(pixels[:, 0].float().mean(dim=-3, keepdim=True))
        return share if self.target_space == "depth" else self._read(share)

    def ensemble(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The median of jointly aligned members [E, 1, H, W] and their median absolute deviation, [1, H, W] each.

        With `shown` below 1 that quantile of the median becomes 1, and both are in units of it.
        """
        merged, deviation = merge_affine(values[:, 0].float(), scale=self.scale_invariant, shift=self.shift_invariant)
        if self.shown < 1:
            everywhere = torch.ones_like(merged, dtype=torch.bool)
            (far,) = masked_quantiles(merged.flatten(), everywhere.flatten(), (self.shown,))
            far = torch.where(far > FLAT, far, 1.0)
            merged, deviation = (merged / far).clamp(max=1), deviation / far
        return merged[None], deviation[None]

    def ensemble_as_published(self, values: Tensor, search: Search) -> tuple[Tensor, Tensor]:
        """The median of members [E, 1, H, W] aligned by the public implementations' search, stretched to 0 to 1."""
        merged, deviation = merge_depth(
            values[:, 0].float(), search, scale=self.scale_invariant, shift=self.shift_invariant
        )
        return merged[None], deviation[None]

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; [B, 1, H, W] in 0 to 1."""
        return pictures.resize(values, height, width)

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """The mean absolute error of [B, 1, H, W] after each image's own least-squares scale and shift.

        Garcia et al. 2025, eq. 4, with each scene's truth between 0 and 1, so that wide scenes do not count more. The
        other spaces tell how far away the truth is in units of the near end: there it is the relative error, AbsRel as
        it is scored.
        """
        valid = batch.valid[:, 0, 0]
        if self.target_space == "depth":
            return affine_invariant(values[:, 0], self.decode(batch.pixels)[:, 0], valid)
        distance = self._distance(pictures.read_off(batch.pixels[:, 0].float().mean(dim=-3, keepdim=True)))
        return relative(values[:, 0], torch.minimum(distance, self._far(distance))[:, 0], valid)

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """The depth metrics of [1, H, W] against metres, after alignment by the protocol."""
        truth, valid = sample.maps["depth"][0], usable(sample)[0]
        try:
            metrics = depth_metrics(align(values[0], truth, valid, protocol), truth, valid)
        except DataError as error:
            raise DataError(f"{sample.key}: depth: {error}") from None
        numbers = torch.stack(list(metrics.values())).tolist()
        return {name: Tally(number, 1) for name, number in zip(metrics, numbers, strict=True)}

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """The best affine function of the image row, and the best constant."""
        depth = sample.maps["depth"]
        row = row_ramp(*depth.shape[-2:], like=depth)
        return {"affine in the row": row[None], "constant": torch.full_like(depth, 0.5)}

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Red near to violet far (Spectral)."""
        return {"depth": colormap(maps["depth"])}

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> Self:
        """The fields; where there are none, a `prediction_type` of disparity means each scene's own range of it."""
        options = RELATIVE_DISPARITY if content.get("prediction_type") == "disparity" else {}
        return super().stored({**options, **content})

    def options(self) -> dict[str, Any]:
        """As diffusers' depth pipeline reads them; it shows what is painted, near bright for the disparities."""
        return {
            "prediction_type": "disparity" if POWERS[self.target_space] < 0 else "depth",
            "scale_invariant": self.scale_invariant,
            "shift_invariant": self.shift_invariant,
        }

    def __post_init__(self) -> None:
        if self.target_space not in POWERS:
            raise ConfigError(f"depth: target_space: {find.unknown('space', str(self.target_space), POWERS)}")
        require(self.ratio > 1, "depth: ratio", self.ratio, "above 1")
        require(self.assumed_ratio > 1, "depth: assumed_ratio", self.assumed_ratio, "above 1")
        require(0 <= self.low < self.high <= 1, "depth: low, high", (self.low, self.high), "in 0 to 1, in this order")
        require(0 < self.shown <= 1, "depth: shown", self.shown, "above 0 and at most 1")

    def _paint(self, depth: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Depth [..., 1, H, W] as pixels of a space that is not `depth`."""
        ratio = torch.full_like(near, self.ratio) if self.fixed_ratio else far / near
        flat = ratio <= 1 + FLAT
        share = paint_share(depth / near, self.target_space, torch.where(flat, 2.0, ratio))
        return torch.where(flat, 0.0, share * 2 - 1)

    def _read(self, share: Tensor) -> Tensor:
        """What is painted, [B, 1, H, W] in 0 to 1, as depth in 0 to 1."""
        distance = self._distance(share)
        far = self._far(distance)
        near = torch.ones_like(far) if self.shift_invariant else torch.zeros_like(far)
        return (_stretched(distance, near, far) + 1) / 2

    def _distance(self, share: Tensor) -> Tensor:
        """What is painted, 0 to 1, as distance in units of the near end."""
        return read_share(share, self.target_space, self.ratio if self.fixed_ratio else self.assumed_ratio)

    def _far(self, distance: Tensor) -> Tensor:
        """The quantile `high` of each whole picture [B, 1, H, W], [B, 1, 1, 1]."""
        everywhere = torch.ones_like(distance, dtype=torch.bool)
        return masked_quantiles(distance.flatten(-3), everywhere.flatten(-3), (self.high,))[0][..., None, None, None]


def usable(sample: Sample) -> Tensor:
    """Where the truth may be used: allowed by the data set, finite and in front of the camera."""
    return sample.usable("depth") & (sample.maps["depth"] > 0)


def _stretched(depth: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`low` to `high` as -1 to 1, clipped; 0 everywhere when they differ by no more than rounding."""
    flat = high - low <= FLAT * high
    stretched = (depth - low) / torch.where(flat, 1.0, high - low) * 2 - 1
    return torch.where(flat, 0.0, stretched.clamp(-1, 1))
