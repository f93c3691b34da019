"""Lighting: a photo in linear light as albedo times diffuse shading plus a residual."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from marigold.core import find, pictures
from marigold.core.choices import Reduction
from marigold.core.colour import linear_to_srgb, srgb_to_linear
from marigold.core.config import require
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.ensemble import merge_affine
from marigold.measure.intrinsic import best_scale, exposed, exposure, merge
from marigold.measure.losses import decibels, root_square
from marigold.measure.metrics import Metric, psnr
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally, each
from marigold.modalities import _intrinsics as intrinsics
from marigold.modalities.base import Ambiguity, Modality

DARKEST = 1e-6
"""A scene with less light than this is encoded as black."""
ALBEDO_SPACES = ("linear", "srgb")


@dataclass(frozen=True)
class Lighting(Modality):
    """Albedo, shading and residual with photo = albedo * shading + residual, all in linear light.

    Marigold-IID-Lighting of Ke et al. 2025. Values are [B, 9, H, W] in 0 to 1; shading and residual are right up to one
    scale that they share.
    """

    brightest: float = 0.98
    """The quantile of a scene's light that becomes 1."""
    up_to_scale: bool = True
    """Shading and residual are right up to one scale; otherwise light is encoded as it is, white at 1."""
    albedo_space: Literal["linear", "srgb"] = "linear"
    """How albedo is encoded; values are linear in both."""

    pipelines = intrinsics.PIPELINES
    published: ClassVar[Mapping[str, str]] = {"prs-eth/marigold-iid-lighting-v1-1": "RAIL++-M"}

    needs = ("albedo", "shading", "residual")
    targets = ("albedo", "shading", "residual")
    outputs = ("albedo", "shading", "residual")
    channels = (3, 3, 3)
    metrics = tuple(Metric(f"{name}_psnr", "dB", higher_is_better=True) for name in outputs)
    extent = (0.0, 1.0)
    pictures = outputs
    reductions = ("median", "mean")

    @property
    def ambiguity(self) -> Ambiguity:
        """Shading and residual share one unknown scale."""
        return Ambiguity(scale=self.up_to_scale)

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """Albedo is what it is."""
        return ("shading", "residual") if self.up_to_scale else ()

    def alignment(self, protocol: Protocol) -> str:
        """Albedo is compared as it is."""
        return "least squares scale of shading, and of residual"

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Linear maps to pixels [..., 3, 3, H, W] in -1 to 1, and valid [..., 3, 1, H, W].

        Per image, shading and residual are divided by the larger of their two quantiles `brightest`, taken over all
        channels of the valid pixels; what is brighter is clipped. Pixels that may not be used are black.
        """
        valid = {name: sample.usable(name) for name in self.needs}
        light = [_quantile(sample.maps[name], valid[name], self.brightest) for name in ("shading", "residual")]
        scale = torch.maximum(*light).clamp(min=DARKEST)[..., None, None, None]
        scale = scale if self.up_to_scale else torch.ones_like(scale)
        albedo = sample.maps["albedo"]
        albedo = linear_to_srgb(albedo.clamp(0, 1)) if self.albedo_space == "srgb" else albedo
        maps = [albedo, sample.maps["shading"] / scale, sample.maps["residual"] / scale]
        pixels = [pictures.to_pixels(map_, mask) for map_, mask in zip(maps, valid.values(), strict=True)]
        return torch.stack(pixels, dim=-4), torch.stack(list(valid.values()), dim=-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Target images as predicted, [B, 3, 3, H, W] to values [B, 9, H, W] in 0 to 1."""
        values = pictures.to_values(pixels.flatten(1, 2))
        if self.albedo_space == "linear":
            return values
        return torch.cat([srgb_to_linear(values[:, :3]), values[:, 3:]], dim=1)

    def target_images(self, values: Tensor, like: Tensor) -> Tensor:
        """Values [B, 9, H, W] as pixels [B, 3, 3, H, W]; the light keeps the scale that it was predicted at."""
        albedo, light = values.split((3, 6), dim=1)
        albedo = linear_to_srgb(albedo) if self.albedo_space == "srgb" else albedo
        return torch.cat([albedo, light], dim=1).unflatten(1, (3, 3)).clamp(0, 1) * 2 - 1

    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """The median or mean of [E, 9, H, W], and the deviation from it [1, H, W], averaged over the channels.

        The light of every member is brought to a common scale first, one factor for its shading and residual together.
        """
        how = reduction or self.reduction
        albedo, deviation = merge(values[:, :3].float(), how)
        light = values[:, 3:].float()
        stacked, light_deviation = merge_affine(light.flatten(1, 2), scale=self.up_to_scale, shift=False, reduction=how)
        merged = torch.cat([albedo, stacked.view_as(light[0])])
        return merged, torch.cat([deviation, light_deviation.view_as(light[0])]).mean(dim=0, keepdim=True)

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; [B, 9, H, W] in 0 to 1."""
        return pictures.resize(values, height, width)

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """Of [B, 9, H, W] what albedo lacks in decibel, as a percentage, plus the root mean square errors of the light.

        Albedo is compared in sRGB. Shading and residual are multiplied by their common least-squares scale first,
        unless it is known.
        """
        truth, valid = self.decode(batch.pixels), batch.valid
        light = values[:, 3:]
        if self.up_to_scale:
            of_light = valid[:, 1:].expand(-1, -1, 3, -1, -1).flatten(1, 2)
            light = best_scale(light, truth[:, 3:], of_light).to(light)[:, None, None, None] * light
        surface, *lit = valid.unbind(dim=1)
        albedo = decibels(linear_to_srgb(values[:, :3]), linear_to_srgb(truth[:, :3]), surface) / 100
        found, wanted = light.split(3, dim=1), truth[:, 3:].split(3, dim=1)
        errors = [root_square(x, y, ok) for x, y, ok in zip(found, wanted, lit, strict=True)]
        return albedo + torch.stack(errors).sum()

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """Peak signal-to-noise ratios of [9, H, W] in decibel, as in the published tables.

        Albedo is compared as it is, at display gamma. Shading and residual are each multiplied by a least-squares scale
        of their own (one number, no shift, all channels together), although one scale for both would be the stricter
        test, and exposed so that the truth's 90th percentile becomes 0.8. A truth without light, such as a residual of
        zero, counts as no image.
        """
        try:
            tallies = each({f"{name}_psnr": psnr(*pair) for name, pair in self.compared(values, sample).items()})
        except DataError as error:
            raise DataError(f"{sample.key}: lighting: {error}") from None
        light = ("shading", "residual")
        dark = [name for name in light if not exposure(sample.maps[name], sample.usable(name))]
        return tallies | {f"{name}_psnr": Tally() for name in dark}

    def compared(self, values: Tensor, sample: Sample) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Albedo at display gamma, shading and residual each scaled and exposed, as they are scored."""
        found, truth = self.split(values), sample.maps
        valid = {name: sample.usable(name) for name in self.outputs}
        albedo = [map_["albedo"].clamp(0, 1) ** (1 / intrinsics.GAMMA) for map_ in (found, truth)]
        light = {
            name: (*exposed(found[name], truth[name], valid[name]), valid[name]) for name in ("shading", "residual")
        }
        return {"albedo": (albedo[0], albedo[1], valid["albedo"]), **light}

    def error(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> Tensor:
        """The mean absolute difference of the nine channels to the truth as it is encoded, light between 0 and 1.

        Shading and residual are each multiplied by their least-squares scale first.
        """
        pixels, valid = self.encode(sample)
        truth = self.decode(pixels[None])[0].split(3)
        albedo, *light = values.double().split(3)
        light = [best_scale(found, g, ok) * found for found, g, ok in zip(light, truth[1:], valid[1:], strict=True)]
        away = [found - g for found, g in zip((albedo, *light), truth, strict=True)]
        return torch.where(valid.all(dim=0), torch.cat(away).abs().mean(dim=0, keepdim=True), torch.nan)

    def counterpart(self, values: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """The truth [9, H, W], and where each map is valid: albedo as it is, light in the units of the prediction.

        With `up_to_scale` the light is divided by the one factor that brings the predicted shading and residual closest
        to the true ones by least squares, both together.
        """
        maps = torch.cat([sample.maps[name] for name in self.outputs])
        valid = torch.cat([sample.usable(name).expand(3, -1, -1) for name in self.outputs])
        light = values[3:].flatten(0, 1)[None], maps[3:].flatten(0, 1)[None], valid[3:].flatten(0, 1)[None]
        scale = best_scale(*light).clamp(min=DARKEST) if self.up_to_scale else 1.0
        truth = torch.cat([maps[:3].double(), maps[3:].double() / scale])
        return torch.where(valid, truth, 0.0).clamp(*self.extent).to(values), valid

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """Three decompositions that know nothing about light: each explains the photo in its own way.

        The photo is all albedo in white light; or all shading on a surface of one colour, the truth's median; or albedo
        is the photo divided by its blurred luminance, at the best scale, which leaves the blur as shading.
        """
        photo = srgb_to_linear(sample.image)
        white, black = torch.ones_like(photo), torch.zeros_like(photo)
        albedo, valid = sample.maps["albedo"], sample.usable("albedo")
        (colour,) = masked_quantiles(albedo.flatten(1), valid.flatten(1).expand(3, -1), (0.5,))
        quotient, blurred = pictures.divided_by_blurred_luminance(photo)
        quotient = (quotient * best_scale(quotient, albedo, valid).to(quotient)).clamp(0, 1)
        return {
            "photo as albedo": torch.cat([photo, white, black]),
            "photo as shading": torch.cat([colour[:, None, None].expand_as(photo), photo, black]),
            "photo over blurred luminance": torch.cat([quotient, blurred.expand_as(photo), black]),
        }

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All with the sRGB curve; shading and residual at one exposure, so that they can be compared.

        It brings the 90th percentile of the brightness of both together to 0.8; what is then beyond 1 is white.
        """
        light = torch.from_numpy(maps["shading"] + maps["residual"]).permute(2, 0, 1)
        factor = float(exposure(light, torch.ones_like(light[:1], dtype=torch.bool)))
        exposed = {name: _displayed(factor * maps[name]) for name in ("shading", "residual")}
        return {"albedo": _displayed(maps["albedo"]), **exposed}

    @classmethod
    def recognises(cls, index: Mapping[str, Any], words: Collection[str]) -> int:
        """By the targets that the index lists or, where it lists none, by the name."""
        return intrinsics.lists(index, cls.targets, words, "lighting")

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> Self:
        """The fields, and where there are none what `target_properties` says of albedo and light."""
        properties = content.get("target_properties") or {}
        albedo, shading = (properties.get(name) or {} for name in ("albedo", "shading"))
        stated = {"albedo_space": albedo.get("prediction_space"), "up_to_scale": shading.get("up_to_scale")}
        return super().stored({**stated, **content})

    def __post_init__(self) -> None:
        if self.albedo_space not in ALBEDO_SPACES:
            raise ConfigError(f"lighting: albedo_space: {find.unknown('space', self.albedo_space, ALBEDO_SPACES)}")
        require(0 < self.brightest <= 1, "lighting: brightest", self.brightest, "above 0 and at most 1")

    def options(self) -> dict[str, Any]:
        """As diffusers' intrinsics pipeline and the published one read them."""
        return {
            "prediction_type": "intrinsics",
            "target_properties": {
                "target_names": list(self.targets),
                "albedo": {"prediction_space": self.albedo_space, "up_to_scale": False},
                "shading": {"prediction_space": "linear", "up_to_scale": self.up_to_scale},
                "residual": {"prediction_space": "linear", "up_to_scale": self.up_to_scale},
            },
        }


def _quantile(light: Tensor, valid: Tensor, fraction: float) -> Tensor:
    """One quantile of light [..., 3, H, W] over all channels of the valid pixels, [...]."""
    (quantile,) = masked_quantiles(light.flatten(-3), valid.expand_as(light).flatten(-3), (fraction,))
    return quantile


def _displayed(linear: np.ndarray) -> np.ndarray:
    return pictures.to_bytes(linear_to_srgb(np.clip(linear, 0, 1)))
