"""Depth: 0 near to 1 far, right up to the scale and shift of the scene."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marigold.core import pictures
from marigold.core.colour import colormap
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Sample
from marigold.measure.alignment import STANDARD, Protocol, align, row_ramp
from marigold.measure.ensemble import merge_affine
from marigold.measure.metrics import depth_metrics
from marigold.measure.published import Search, merge_depth
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Depth(Modality):
    """Planar depth, painted as a grey picture between two quantiles of the scene (Ke et al. 2024, sec. 3.2)."""

    scale_invariant: bool = True
    """Predictions have an unknown scale."""
    shift_invariant: bool = True
    """Predictions have an unknown shift."""
    low: float = 0.02
    """The quantile of a scene's depth that is painted -1."""
    high: float = 0.98
    """The quantile of a scene's depth that is painted 1."""

    needs = ("depth",)
    targets = ("depth",)
    outputs = ("depth",)
    channels = (1,)

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Metres to grey pixels [..., 1, 3, H, W] in -1 to 1, and valid [..., 1, 1, H, W].

        Per image: the quantiles `low` and `high` of the valid depth go to -1 and 1, what is beyond is clipped. Pixels
        that may not be used are painted 1 (far), as sky should look. A scene of one single depth is painted 0.
        """
        if not self.scale_invariant:
            raise ConfigError("depth: metric depth has no painted range; train with scale_invariant: true")
        depth, valid = sample.maps["depth"], usable(sample)
        low, high = masked_quantiles(depth.flatten(-3), valid.flatten(-3), (self.low, self.high))
        low = low if self.shift_invariant else torch.zeros_like(low)
        pixels = _stretched(depth, low[..., None, None, None], high[..., None, None, None])
        pixels = torch.where(valid, pixels, 1.0)
        return pixels.expand(*pixels.shape[:-3], 3, -1, -1).unsqueeze(-4), valid.unsqueeze(-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Painted pixels [B, 1, 3, H, W] to depth [B, 1, H, W] in 0 to 1: the mean of the three channels."""
        return pictures.read_off(pixels[:, 0].float().mean(dim=-3, keepdim=True))

    def ensemble(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The median of jointly aligned members [E, 1, H, W] and their median absolute deviation, [1, H, W] each."""
        merged, deviation = merge_affine(values[:, 0].float(), scale=self.scale_invariant, shift=self.shift_invariant)
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

    def options(self) -> dict[str, Any]:
        """As diffusers' depth pipeline reads them."""
        return {
            "prediction_type": "depth",
            "scale_invariant": self.scale_invariant,
            "shift_invariant": self.shift_invariant,
        }


def usable(sample: Sample) -> Tensor:
    """Where the truth may be used: allowed by the data set, finite and in front of the camera."""
    return sample.usable("depth") & (sample.maps["depth"] > 0)


def _stretched(depth: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`low` to `high` as -1 to 1, clipped; 0 everywhere when they differ by no more than rounding."""
    flat = high - low <= 1e-6 * high
    stretched = (depth - low) / torch.where(flat, 1.0, high - low) * 2 - 1
    return torch.where(flat, 0.0, stretched.clamp(-1, 1))
