"""Appearance: what surfaces are made of, as albedo, roughness and metallicity."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core import find, pictures
from marigold.core.choices import Reduction
from marigold.core.colour import linear_to_srgb, srgb_to_linear
from marigold.core.errors import CheckpointError, ConfigError, DataError
from marigold.core.fields import Space
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.intrinsic import best_scale, mean_absolute_error, merge
from marigold.measure.losses import decibels, masked_absolute
from marigold.measure.metrics import Metric, psnr
from marigold.measure.quantiles import masked_quantiles
from marigold.measure.tally import Tally, each
from marigold.modalities import _intrinsics as intrinsics
from marigold.modalities.base import Modality

ALBEDO_SPACES = ("srgb", "linear", "gamma")
MATERIAL_SPACES = ("linear", "gamma")
MATERIAL = ["roughness", "metallicity", None]
"""The channels of the material image."""


@dataclass(frozen=True)
class Appearance(Modality):
    """Albedo encoded as an sRGB image, and a material image: roughness red, metallicity green, blue unused.

    Marigold-IID-Appearance of Ke et al. 2025. Values are [B, 5, H, W] in 0 to 1: albedo in sRGB, then roughness and
    metallicity as they are.
    """

    albedo_space: Literal["srgb", "linear", "gamma"] = "srgb"
    """How albedo is encoded; values are sRGB in all. `gamma` is linear light to the power of 1 / 2.2, as the published
    training has it, which differs from sRGB by up to 0.034."""
    material_space: Literal["linear", "gamma"] = "linear"
    """How roughness and metallicity are encoded: as they are, or to the power of 1 / 2.2, as the published training has
    them. Values are as they are in both."""

    pipelines = intrinsics.PIPELINES
    published: ClassVar[Mapping[str, str]] = {"prs-eth/marigold-iid-appearance-v1-1": "RAIL++-M"}

    needs = ("albedo", "roughness", "metallicity")
    targets = ("albedo", "material")
    outputs = ("albedo", "roughness", "metallicity")
    channels = (3, 1, 1)
    metrics = (
        Metric("albedo_psnr", "dB", higher_is_better=True),
        Metric("material_psnr", "dB", higher_is_better=True),
        Metric("roughness_error"),
        Metric("metallicity_error"),
    )
    extent = (0.0, 1.0)
    pictures = ("albedo", "material")
    reductions = ("median", "mean")

    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Linear albedo, roughness and metallicity to pixels [..., 2, 3, H, W] in -1 to 1, and valid [..., 2, 1, H, W].

        Pixels that may not be used are black; a material is valid where roughness and metallicity both are.
        """
        surface = sample.usable("albedo")
        material = sample.usable("roughness") & sample.usable("metallicity")
        albedo = _ENCODED[self.albedo_space](sample.maps["albedo"].clamp(0, 1))
        roughness, metallicity = (sample.maps[name].clamp(0, 1) for name in ("roughness", "metallicity"))
        stacked = torch.cat([roughness, metallicity, torch.zeros_like(roughness)], dim=-3)
        stacked = _ENCODED[self.material_space](stacked)
        pixels = torch.stack([pictures.to_pixels(albedo, surface), pictures.to_pixels(stacked, material)], dim=-4)
        return pixels, torch.stack([surface, material], dim=-4)

    def decode(self, pixels: Tensor) -> Tensor:
        """Target images as predicted, [B, 2, 3, H, W] to values [B, 5, H, W] in 0 to 1."""
        albedo, material = pictures.to_values(pixels[:, 0]), pictures.to_values(pixels[:, 1, :2])
        if self.albedo_space != "srgb":
            albedo = linear_to_srgb(_DECODED[self.albedo_space](albedo))
        return torch.cat([albedo, _DECODED[self.material_space](material)], dim=1)

    def target_images(self, values: Tensor, like: Tensor) -> Tensor:
        """Values [B, 5, H, W] as pixels [B, 2, 3, H, W]; the material's third channel is black. Nothing is open."""
        albedo = values[:, :3]
        if self.albedo_space != "srgb":
            albedo = _ENCODED[self.albedo_space](srgb_to_linear(albedo))
        material = F.pad(_ENCODED[self.material_space](values[:, 3:]), (0, 0, 0, 0, 0, 1))
        return torch.stack([albedo, material], dim=1).clamp(0, 1) * 2 - 1

    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """The median or mean of [E, 5, H, W], and the deviation from it [1, H, W], averaged over the channels."""
        merged, deviation = merge(values.float(), reduction or self.reduction)
        return merged, deviation.mean(dim=0, keepdim=True)

    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Bilinear, antialiased when it shrinks; [B, 5, H, W] in 0 to 1."""
        return pictures.resize(values, height, width)

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """Of [B, 5, H, W] what albedo lacks in decibel, as a percentage, plus the mean absolute error of the material.

        As each is scored: one decibel of albedo counts as much as a hundredth of roughness and metallicity. Each is
        taken over its own valid pixels.
        """
        truth = self.decode(batch.pixels)
        surface, material = batch.valid.unbind(dim=1)
        albedo = decibels(values[:, :3], truth[:, :3], surface) / 100
        return albedo + masked_absolute(values[:, 3:], truth[:, 3:], material)

    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """Peak signal-to-noise ratios in decibel of albedo, in sRGB, and of roughness and metallicity together.

        And the mean absolute error of either of these, all as they are. The prediction is [5, H, W]; nothing is scaled
        first, each over its own valid pixels. Published tables take the material's ratio over three channels, the third
        of which is always 0 in the truth: by up to 1.76 dB (10 log10 of 3/2) they show more.
        """
        found, pairs = self.split(values), self.compared(values, sample)
        material, truth, known = pairs["material"]
        try:
            scores = {
                "albedo_psnr": psnr(*pairs["albedo"]),
                "material_psnr": psnr(material[:2], truth[:2], known),
                **{
                    f"{name}_error": mean_absolute_error(found[name], sample.maps[name], sample.usable(name))
                    for name in ("roughness", "metallicity")
                },
            }
        except DataError as error:
            raise DataError(f"{sample.key}: appearance: {error}") from None
        return each(scores)

    def compared(self, values: Tensor, sample: Sample) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Albedo in sRGB; the material as an image, roughness red, metallicity green and blue 0, without a curve."""
        found, truth = self.split(values), sample.maps
        surfaces = [torch.cat([map_["roughness"], map_["metallicity"]]) for map_ in (found, truth)]
        material, wanted = (F.pad(surface, (0, 0, 0, 0, 0, 1)) for surface in surfaces)
        known = sample.usable("roughness") & sample.usable("metallicity")
        albedo = linear_to_srgb(truth["albedo"].clamp(0, 1))
        return {
            "albedo": (found["albedo"], albedo, sample.usable("albedo")),
            "material": (material, wanted, known),
        }

    def counterpart(self, values: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """The truth [5, H, W], albedo in sRGB, and where each is valid."""
        truth, valid = super().counterpart(values, sample)
        return torch.cat([linear_to_srgb(truth[:3]), truth[3:]]), valid

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """For albedo the photo itself, and the photo divided by its blurred luminance at the best scale.

        Roughness and metallicity are the constants with the least mean error, the truth's medians.
        """
        constants = [_best_constant(sample, name) for name in ("roughness", "metallicity")]
        quotient, _ = pictures.divided_by_blurred_luminance(srgb_to_linear(sample.image))
        scale = best_scale(quotient, sample.maps["albedo"], sample.usable("albedo")).to(quotient)
        reflectance = linear_to_srgb((scale * quotient).clamp(0, 1))
        return {
            "photo": torch.cat([sample.image, *constants]),
            "photo over blurred luminance": torch.cat([reflectance, *constants]),
        }

    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Albedo as it is; roughness and metallicity grey, white is 1, without a display curve."""
        return {name: pictures.to_bytes(maps[name]) for name in self.outputs}

    def meaning(self, output: str) -> Space:
        """Albedo is in sRGB."""
        return "srgb" if output == "albedo" else "linear"

    @classmethod
    def recognises(cls, index: Mapping[str, Any], words: Collection[str]) -> int:
        """By the targets that the index lists or, where it lists none, by the name."""
        return intrinsics.lists(index, cls.targets, words, "appearance")

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> Self:
        """The fields, and where there are none what `target_properties` says of albedo and roughness.

        The published checkpoint says `srgb` and `linear`. Raises `CheckpointError` for a material image with other
        channels.
        """
        properties = content.get("target_properties") or {}
        albedo, material = (properties.get(name) or {} for name in ("albedo", "material"))
        if list(material.get("sub_target_names", MATERIAL)) != MATERIAL:
            raise CheckpointError(
                f"target_properties: material holds {material['sub_target_names']}, but `appearance` reads roughness "
                "in red and metallicity in green; write a modality of your own for it"
            )
        roughness = properties.get("roughness")
        shown = isinstance(roughness, Mapping) and roughness.get("prediction_space") == "srgb"
        stated = {"albedo_space": albedo.get("prediction_space"), "material_space": "gamma" if shown else None}
        return super().stored({**stated, **content})

    def __post_init__(self) -> None:
        if self.albedo_space not in ALBEDO_SPACES:
            raise ConfigError(f"appearance: albedo_space: {find.unknown('space', self.albedo_space, ALBEDO_SPACES)}")
        if self.material_space not in MATERIAL_SPACES:
            raise ConfigError(
                f"appearance: material_space: {find.unknown('space', self.material_space, MATERIAL_SPACES)}"
            )

    def options(self) -> dict[str, Any]:
        """As diffusers' intrinsics pipeline and the published one read them, whose `srgb` is what a screen shows."""
        albedo, material = ("srgb" if space == "gamma" else space for space in (self.albedo_space, self.material_space))
        return {
            "prediction_type": "intrinsics",
            "target_properties": {
                "target_names": list(self.targets),
                "albedo": {"prediction_space": albedo, "up_to_scale": False},
                "material": {
                    "prediction_space": "stack",
                    "up_to_scale": False,
                    "sub_target_names": list(MATERIAL),
                },
                "roughness": {"prediction_space": material, "up_to_scale": False},
                "metallicity": {"prediction_space": material, "up_to_scale": False},
            },
        }


_ENCODED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "srgb": linear_to_srgb,
    "linear": lambda values: values,
    "gamma": lambda values: values ** (1 / intrinsics.GAMMA),
}
"""What is stored of values in linear light, 0 to 1."""
_DECODED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda values: values,
    "gamma": lambda values: values**intrinsics.GAMMA,
}
"""The way back."""


def _best_constant(sample: Sample, name: str) -> Tensor:
    truth = sample.maps[name]
    (middle,) = masked_quantiles(truth.flatten(), sample.usable(name).flatten(), (0.5,))
    return middle.expand_as(truth)
