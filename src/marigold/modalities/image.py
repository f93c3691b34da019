"""The photo itself: what a generator makes before it is adapted to anything else."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marigold.core import pictures
from marigold.core.choices import Reduction
from marigold.core.fields import Space
from marigold.core.sample import Sample
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.intrinsic import merge
from marigold.measure.metrics import Metric, psnr
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Image(Modality):
    """An sRGB picture; values are [B, 3, H, W] in 0 to 1."""

    pipelines = ("StableDiffusionPipeline",)

    needs = ()
    targets = ("image",)
    outputs = ("image",)
    channels = (3,)
    metrics = (Metric("psnr", "dB", higher_is_better=True),)
    pictures = ("image",)
    reductions = ("median", "mean")

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The photo as pixels [..., 1, 3, H, W] in -1 to 1; every pixel [..., 1, 1, H, W] is valid."""
        pixels = (sample.image * 2 - 1).unsqueeze(-4)
        return pixels, torch.ones_like(pixels[..., :1, :, :], dtype=torch.bool)

    def decode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 1, 3, H, W] to a picture [B, 3, H, W] in 0 to 1."""
        return pictures.to_values(pixels[:, 0])

    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """The median or mean of [E, 3, H, W], and the deviation from it [1, H, W], averaged over the channels."""
        merged, deviation = merge(values.float(), reduction or self.reduction)
        return merged, deviation.mean(dim=0, keepdim=True)

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; [B, 3, H, W] in 0 to 1."""
        return pictures.resize(values, height, width)

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """The peak signal-to-noise ratio of [3, H, W] in decibel, over all pixels."""
        valid = torch.ones_like(values[:1], dtype=torch.bool)
        return {"psnr": Tally(psnr(values, sample.image, valid).item(), 1)}

    def compared(self, values: Tensor, sample: Sample) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """The picture and the photo."""
        return {"image": (values.clamp(0, 1), sample.image, torch.ones_like(values[:1], dtype=torch.bool))}

    def meaning(self, output: str) -> Space:
        """A photo is in sRGB."""
        return "srgb"

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The picture itself, [H, W, 3] uint8."""
        return {"image": pictures.to_bytes(maps["image"])}

    def options(self) -> dict[str, Any]:
        """The parts of diffusers' pipeline that there are none of."""
        return {
            "safety_checker": [None, None],
            "feature_extractor": [None, None],
            "requires_safety_checker": False,
        }
