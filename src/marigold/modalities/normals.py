"""Surface normals: unit vectors in camera axes, x right, y up, z towards the viewer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core import find
from marigold.core.choices import Reduction
from marigold.core.errors import ConfigError, DataError
from marigold.core.pictures import to_bytes
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.losses import angle
from marigold.measure.metrics import NORMALS_METRICS, angular_error, normals_tallies
from marigold.measure.tally import Tally
from marigold.modalities.base import Modality

FLOOR = 1e-6
"""A vector shorter than this has no direction; it is taken to face the viewer."""
SIDES = ("right", "left")
LEAST_LENGTH = 0.1
"""A true vector shorter than this is a hole in the data."""
POINTS, ROUNDS = 16384, 50
"""The best constant direction is fitted to about this many pixels by this many iterations."""


@dataclass(frozen=True)
class Normals(Modality):
    """Unit vectors, encoded with x, y, z as red, green, blue (Ke et al. 2025, sec. III)."""

    use_full_z_range: bool = True
    """Blue from -1 to 1 is z from -1 to 1; otherwise it is z from 0 to 1, since visible surfaces rarely face away."""

    target_x: Literal["right", "left"] = "right"
    """Where x points in the target image; values have it to the right in both. It points to the left for Lotus (He et
    al. 2025) and the networks tuned end to end (Garcia et al. 2025)."""

    reduction: Literal["closest", "mean"] = "closest"
    """What an ensemble shows: at each pixel the member closest to the mean direction, or that direction itself."""

    pipelines = ("MarigoldNormalsPipeline",)
    published: ClassVar[Mapping[str, str]] = {
        "prs-eth/marigold-normals-v1-1": "RAIL++-M",
        "prs-eth/marigold-normals-v0-1": "RAIL++-M",
        "prs-eth/marigold-normals-lcm-v0-1": "RAIL++-M",
        "GonzaloMG/marigold-e2e-ft-normals": "none stated",
        "GonzaloMG/stable-diffusion-e2e-ft-normals": "none stated",
        "jingheya/lotus-normal-g-v1-1": "Apache-2.0",
        "jingheya/lotus-normal-d-v1-1": "Apache-2.0",
        "jingheya/lotus-normal-g-v1-0": "Apache-2.0",
        "jingheya/lotus-normal-d-v1-0": "Apache-2.0",
    }
    single_step: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "normals": {"target_x": "left"},
        "normal": {"target_x": "left"},
    }

    needs = ("normals",)
    targets = ("normals",)
    outputs = ("normals",)
    channels = (3,)
    metrics = NORMALS_METRICS
    extent = (0.0, 180.0)
    ends: ClassVar[Mapping[str, str]] = {"cone": "half the opening angle, in degrees, of a cone around the normal"}
    reductions = ("closest", "mean")

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Unit vectors to pixels [..., 1, 3, H, W] in -1 to 1, and valid [..., 1, 1, H, W].

        Pixels that may not be used are encoded as a surface that faces the viewer.
        """
        valid = usable(sample)
        vectors = torch.where(valid, sample.maps["normals"], _viewer(sample.maps["normals"]))
        vectors = vectors if self.target_x == "right" else _turned(vectors)
        pixels = vectors if self.use_full_z_range else _encoded_half(vectors)
        return pixels.clamp(-1, 1).unsqueeze(-4), valid.unsqueeze(-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Target images as predicted, [B, 1, 3, H, W] to unit vectors [B, 3, H, W]."""
        vectors = pixels[:, 0].float().clamp(-1, 1)
        vectors = vectors if self.target_x == "right" else _turned(vectors)
        return _unit(vectors if self.use_full_z_range else _read_half(vectors))

    def target_images(self, values: Tensor, like: Tensor) -> Tensor:
        """Unit vectors [B, 3, H, W] as pixels [B, 1, 3, H, W]; nothing is open."""
        vectors = values if self.target_x == "right" else _turned(values)
        return (vectors if self.use_full_z_range else _encoded_half(vectors)).clamp(-1, 1).unsqueeze(1)

    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """Of the members [E, 3, H, W] at each pixel the one closest to their mean direction, or that, [3, H, W].

        Two members are always equally close, so of two the result is the mean direction itself. The uncertainty
        [1, H, W] is the mean angle between the members and the mean direction, as a share of 180 degrees.
        """
        values = values.float()
        mean = _unit(values.mean(dim=0))
        angle = _angle(values, mean)
        uncertainty = angle.mean(dim=0) / torch.pi
        if (reduction or self.reduction) == "mean" or len(values) == 2:
            return mean, uncertainty
        closest = angle.argmin(dim=0, keepdim=True).expand(1, 3, -1, -1)
        return values.gather(0, closest)[0], uncertainty

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks, and back to unit length; [B, 3, H, W]."""
        return _unit(F.interpolate(values, (height, width), mode="bilinear", antialias=True))

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """The mean angle in radians between [B, 3, H, W] and the truth (Garcia et al. 2025, eq. 5)."""
        return angle(values, self.decode(batch.pixels), batch.valid[:, 0])

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """Mean, median and root mean square angular error of [3, H, W] in degrees, and shares below given angles."""
        try:
            return normals_tallies(values, sample.maps["normals"], usable(sample), protocol.pooling)
        except DataError as error:
            raise DataError(f"{sample.key}: normals: {error}") from None

    def error(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> Tensor:
        """The angle to the truth in degrees."""
        angles = angular_error(values, sample.maps["normals"])[None]
        return torch.where(usable(sample), angles, torch.nan)

    @property
    def interval_channels(self) -> tuple[int, ...]:
        """An interval is a cone around the predicted direction: half its opening angle."""
        return (1,)

    def centre(self, values: Tensor) -> Tensor:
        """The axis of the cone: an angle of 0 everywhere, [..., 1, H, W]."""
        return torch.zeros_like(values[..., :1, :, :])

    def counterpart(self, values: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """The angle between the values [3, H, W] and the true normals in degrees, [1, H, W], and where it is valid."""
        valid = usable(sample)
        angle = angular_error(values, sample.maps["normals"])[None].to(values)
        return torch.where(valid, angle, 0.0), valid

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """The one direction with the least mean angle to the truth, everywhere."""
        normals = sample.maps["normals"]
        return {"constant": median_direction(normals, usable(sample)).to(normals).expand_as(normals)}

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """x, y, z from -1 to 1 as red, green, blue from 0 to 255; (128, 128, 255) faces the viewer."""
        return {"normals": to_bytes((maps["normals"] + 1) / 2)}

    def __post_init__(self) -> None:
        if self.reduction not in self.reductions:
            raise ConfigError(f"normals: reduction: {find.unknown('reduction', str(self.reduction), self.reductions)}")
        if self.target_x not in SIDES:
            raise ConfigError(f"normals: target_x: {find.unknown('side', str(self.target_x), SIDES)}")

    @classmethod
    def recognises(cls, index: Mapping[str, Any], words: Collection[str]) -> int:
        """Also the first published checkpoints, whose class says depth: by an option, or by their name."""
        stated = "use_full_z_range" in index or index.get("prediction_type") == "normals"
        named = not cls.single_step.keys().isdisjoint(words)
        first = index.get("_class_name") == "MarigoldPipeline" and (stated or named)
        return 2 if first else super().recognises(index, words)

    def options(self) -> dict[str, Any]:
        """As diffusers' normals pipeline reads them."""
        return {"prediction_type": "normals", "use_full_z_range": self.use_full_z_range}


def usable(sample: Sample) -> Tensor:
    """Where the truth may be used, [..., 1, H, W]: allowed by the data set, finite and not a zero vector."""
    length = torch.linalg.vector_norm(sample.maps["normals"], dim=-3, keepdim=True)
    return sample.valid["normals"] & length.isfinite() & (length > LEAST_LENGTH)


def median_direction(vectors: Tensor, valid: Tensor) -> Tensor:
    """The unit vector [3, 1, 1], float64, with the least mean angle to the valid ones of `vectors` [3, H, W].

    Weiszfeld's iteration on the sphere: at the optimum the unit tangents towards all vectors cancel, so that it is
    parallel to the sum of the vectors, each divided by the sine of its angle. It looks at a regular grid of `POINTS`.
    """
    step = max(1, round((valid.numel() / POINTS) ** 0.5))
    grid = (..., slice(step // 2, None, step), slice(step // 2, None, step))
    vectors = torch.where(valid[grid], _unit(vectors[grid].double()), 0.0)
    direction = _unit(vectors.sum(dim=(-2, -1), keepdim=True))
    for _ in range(ROUNDS):
        cosine = (vectors * direction).sum(dim=-3, keepdim=True)
        sine = (1 - cosine.square()).clamp(min=1e-8).sqrt()
        direction = _unit((vectors / sine).sum(dim=(-2, -1), keepdim=True))
    return direction


def _viewer(like: Tensor) -> Tensor:
    """The direction towards the viewer, (0, 0, 1), as [3, 1, 1]."""
    return (torch.arange(3, device=like.device) == 2).to(like.dtype).view(3, 1, 1)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors [..., 3, H, W] at unit length."""
    length = torch.linalg.vector_norm(vectors, dim=-3, keepdim=True)
    return torch.where(length > FLOOR, vectors / length.clamp(min=FLOOR), _viewer(vectors))


def _turned(vectors: Tensor) -> Tensor:
    """Vectors [..., 3, H, W] with x pointing the other way."""
    return torch.cat([-vectors[..., :1, :, :], vectors[..., 1:, :, :]], dim=-3)


def _encoded_half(vectors: Tensor) -> Tensor:
    """z from 0 to 1 encoded as -1 to 1."""
    return torch.cat([vectors[..., :2, :, :], vectors[..., 2:, :, :] * 2 - 1], dim=-3)


def _read_half(vectors: Tensor) -> Tensor:
    """Blue from -1 to 1 read as z from 0 to 1."""
    return torch.cat([vectors[..., :2, :, :], vectors[..., 2:, :, :] / 2 + 0.5], dim=-3)


def _angle(vectors: Tensor, other: Tensor) -> Tensor:
    """The angle in radians between unit vectors [..., 3, H, W], [..., 1, H, W]; exact where an arc cosine is not."""
    chord = torch.linalg.vector_norm(vectors - other, dim=-3, keepdim=True)
    return 2 * torch.asin((chord / 2).clamp(max=1))
