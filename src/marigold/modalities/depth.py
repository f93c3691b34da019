"""Depth: 0 near to 1 far, right up to the scale and shift of the scene."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from marigold.core import find, pictures
from marigold.core.choices import Reduction
from marigold.core.colour import colormap
from marigold.core.config import require
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol, align, least_squares, row_ramp
from marigold.measure.curve import Curve
from marigold.measure.ensemble import merge_affine
from marigold.measure.metrics import DEPTH_METRICS, depth_tallies
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally
from marigold.modalities._depth_spaces import FLAT, NAMES, POWERS, DepthSpace, Linear, Power
from marigold.modalities.base import Ambiguity, Modality

RELATIVE_DISPARITY: Mapping[str, Any] = {"target_space": "disparity", "fixed_ratio": False}
"""The options of networks that others taught disparity, between each scene's own ends."""

MOST_RATIO = 1e6
"""How many times as far as the near end the far end may be: single precision tells no more apart."""

ENDS = (0.02, 0.98)
"""Between these quantiles of the truth lie the colours of a comparison."""

LEAST_SCALE = 1e-9
"""Metres from 0 to 1 of a map that tells nothing of the truth, or its opposite."""


@dataclass(frozen=True)
class Depth(Modality):
    """Planar depth, encoded as a grey target image between two quantiles of the scene (Ke et al. 2024, sec. 3.2).

    Values are depth in 0 to 1 whatever quantity is encoded.
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
    """The quantile of a prediction that becomes 1; what is farther is clipped to it. For checkpoints that encode up to
    the farthest pixel (`high: 1`): a few pixels behind all others would take the range of the map."""
    target_space: Literal["depth", "disparity", "log", "sqrt-disparity"] = "depth"
    """What is encoded: depth, disparity (1 / depth), its square root, or the logarithm of depth."""
    ratio: float = 32.0
    """Outside the space `depth`: the far end of the encoded range is this many times as far away as its near end."""
    fixed_ratio: bool = True
    """False encodes between the scene's own near and far end, as others do; pixels then no longer say how far
    apart they are, so that values keep their order, but not their proportions."""
    assumed_ratio: float = 10.0
    """With `fixed_ratio` false: how many times as far as the near end reading takes the far end to be."""

    pipelines = ("MarigoldDepthPipeline", "MarigoldPipeline", "MarigoldDepthHRPipeline")
    published: ClassVar[Mapping[str, str]] = {
        "prs-eth/marigold-depth-v1-1": "RAIL++-M",
        "prs-eth/marigold-depth-v1-0": "RAIL++-M",
        "prs-eth/marigold-depth-lcm-v1-0": "RAIL++-M",
        "prs-eth/marigold-depth-hr-v1-1": "Apache-2.0",
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
    metrics = DEPTH_METRICS
    extent = (0.0, 1.0)
    reductions = ("median", "mean")

    @property
    def ambiguity(self) -> Ambiguity:
        """As the fields say."""
        return Ambiguity(self.scale_invariant, self.shift_invariant)

    def alignment(self, protocol: Protocol) -> str:
        """By the protocol."""
        return str(protocol)

    @property
    def space(self) -> DepthSpace:
        """The quantity that is encoded, with its range."""
        if self.target_space not in POWERS:
            return Linear(self.shift_invariant)
        ratio = self.ratio if self.fixed_ratio else None
        return Power(POWERS[self.target_space], ratio, self.assumed_ratio, self.shift_invariant, self.high)

    @property
    def curve(self) -> Curve:
        """The encoded quantity where values were read from it by an assumed ratio, which is right for no scene."""
        if self.target_space not in POWERS or self.fixed_ratio or not self.shift_invariant:
            return Curve()
        return Curve(POWERS[self.target_space], self.assumed_ratio)

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Metres to grey pixels [..., 1, 3, H, W] in -1 to 1, and valid [..., 1, 1, H, W].

        Per image: the quantiles `low` and `high` of the valid depth are the near and the far end, -1 and 1;
        what is beyond is clipped. Pixels that may not be used are like the far end, as sky should look. A scene of one
        single depth is 0.

        In the other spaces the near end is 1 (black, -1, for `log`), and what is `ratio` times as far the
        opposite; the scene's far end lies in between.
        """
        if not self.scale_invariant:
            raise ConfigError("depth: metric depth has no encoded range; train with scale_invariant: true")
        depth, valid = sample.maps["depth"], usable(sample)
        low, high = masked_quantiles(depth.flatten(-3), valid.flatten(-3), (self.low, self.high))
        low, high = low[..., None, None, None], high[..., None, None, None]
        pixels = self.space.encode(depth, valid, low, high)
        return pixels.expand(*pixels.shape[:-3], 3, -1, -1).unsqueeze(-4), valid.unsqueeze(-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 1, 3, H, W] to depth [B, 1, H, W] in 0 to 1, from the mean of the three channels."""
        return self.space.decode(_share(pixels))

    def target_images(self, values: Tensor, like: Tensor) -> Tensor:
        """Depth [B, 1, H, W] in 0 to 1 as grey pixels [B, 1, 3, H, W].

        Values are distances up to scale and shift, which become those of `like` by least squares over the pixels that
        neither end clips. Where these do not tell them, the pixels are those of `like`.
        """
        distance = self.space.distance(_share(like)).cpu()
        between = ((values > 0) & (values < 1)).cpu()
        scale, shift = (x[..., None, None].float() for x in least_squares(values.cpu(), distance, between))
        share = self.space.inverse(scale * values.cpu() + shift)
        share = torch.where(scale > 0, share, _share(like).cpu())
        return (share * 2 - 1).to(values.device)[:, None].expand(-1, -1, 3, -1, -1)

    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """The median or mean of jointly aligned members [E, 1, H, W] and their deviation from it, [1, H, W] each.

        With `shown` below 1 that quantile of the result becomes 1, and both are in units of it.
        """
        merged, deviation = merge_affine(
            values[:, 0].float(),
            scale=self.scale_invariant,
            shift=self.shift_invariant,
            reduction=reduction or self.reduction,
        )
        if self.shown < 1:
            everywhere = torch.ones_like(merged, dtype=torch.bool)
            (far,) = masked_quantiles(merged.flatten(), everywhere.flatten(), (self.shown,))
            far = torch.where(far > FLAT, far, 1.0)
            merged, deviation = (merged / far).clamp(max=1), deviation / far
        return merged[None], deviation[None]

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; [B, 1, H, W] in 0 to 1."""
        return pictures.resize(values, height, width)

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """The error of [B, 1, H, W] after each image's own least-squares scale and shift, as the space measures it.

        Each scene's truth is between 0 and 1 or relative to its distance, so that wide scenes do not count more.
        """
        return self.space.loss(values, _share(batch.pixels), batch.valid[:, 0])

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """The depth metrics of [1, H, W] against metres, after alignment by the protocol."""
        truth, valid = sample.maps["depth"][0], usable(sample)[0]
        try:
            return depth_tallies(align(values[0], truth, valid, protocol), truth, valid, protocol.pooling)
        except DataError as error:
            raise DataError(f"{sample.key}: depth: {error}") from None

    def error(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> Tensor:
        """The relative error |aligned - truth| / truth, as a fraction."""
        truth, valid = sample.maps["depth"], usable(sample)
        positive = torch.where(valid, truth, 1.0)
        return torch.where(valid, (align(values, positive, valid, protocol) - positive).abs() / positive, torch.nan)

    def counterpart(self, values: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """The depth in metres as the map [1, H, W] shows depths, 0 to 1, and where it is valid.

        The map's scale and shift are those that bring it closest to the truth by least squares, as it is scored; the
        truth is mapped by the inverse. So the interval, brought to metres like the map, holds the true depth.
        """
        truth, valid = sample.maps["depth"], usable(sample)
        scale, shift = least_squares(values, truth, valid)
        shown = (truth.double() - shift[..., None, None]) / scale.clamp(min=LEAST_SCALE)[..., None, None]
        return torch.where(valid, shown, 0.0).clamp(*self.extent).to(values), valid

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """The best affine function of the image row, and the best constant."""
        depth = sample.maps["depth"]
        row = row_ramp(*depth.shape[-2:], like=depth)
        return {"affine in the row": row[None], "constant": torch.full_like(depth, 0.5)}

    def comparable(self, values: Tensor, sample: Sample, protocol: Protocol) -> tuple[Tensor, Tensor, Tensor]:
        """Both as shares between the ends of the truth's depth, [1, H, W]; the prediction is aligned first."""
        truth, valid = sample.maps["depth"].double(), usable(sample)
        aligned = align(values[0], truth[0], valid[0], protocol)[None]
        near, far = masked_quantiles(truth.flatten(), valid.flatten(), ENDS)
        extent = (far - near).clamp(min=FLAT)
        return ((aligned - near) / extent).clamp(0, 1), ((truth - near) / extent).clamp(0, 1), valid

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Red near to violet far (Spectral)."""
        return {"depth": colormap(maps["depth"])}

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> Self:
        """The fields; where there are none, a `prediction_type` of disparity means each scene's own range of it."""
        options = RELATIVE_DISPARITY if content.get("prediction_type") == "disparity" else {}
        return super().stored({**options, **content})

    def options(self) -> dict[str, Any]:
        """As diffusers' depth pipeline reads them; it shows what is encoded, near bright for the disparities."""
        return {
            "prediction_type": "disparity" if self.space.near_is_bright else "depth",
            "scale_invariant": self.scale_invariant,
            "shift_invariant": self.shift_invariant,
        }

    def __post_init__(self) -> None:
        if self.target_space not in NAMES:
            raise ConfigError(f"depth: target_space: {find.unknown('space', str(self.target_space), NAMES)}")
        for name, ratio in (("ratio", self.ratio), ("assumed_ratio", self.assumed_ratio)):
            require(1 < ratio <= MOST_RATIO, f"depth: {name}", ratio, f"above 1 and at most {MOST_RATIO:g}")
        require(0 <= self.low < self.high <= 1, "depth: low, high", (self.low, self.high), "in 0 to 1, in this order")
        require(0 < self.shown <= 1, "depth: shown", self.shown, "above 0 and at most 1")


def usable(sample: Sample) -> Tensor:
    """Where the truth may be used: allowed by the data set, finite and in front of the camera."""
    return sample.usable("depth") & (sample.maps["depth"] > 0)


def _share(pixels: Tensor) -> Tensor:
    """Pixels [B, 1, 3, H, W] in about -1 to 1 as shares of the encoded range [B, 1, H, W], 0 to 1."""
    return pictures.to_values(pixels[:, 0].float().mean(dim=-3, keepdim=True))
