"""MIT Intrinsic Images: objects in a laboratory with reflectance, shading and highlights (Grosse et al. 2009).

    MIT-intrinsic/data/OBJECT/{original,diffuse,reflectance,shading,specular,mask}.png

All are linear light, of 16 bits; the mask is 0 outside of the object and 65025 on it. `original` is diffuse + specular,
and diffuse is close to s * reflectance * shading for an s of each object, which is measured here by least squares over
the object, so that the fields keep the promise of all data sets: photo (linear) = albedo * shading + residual.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from marigold.core.colour import linear_to_srgb
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.core.sample import Sample
from marigold.datasets import _decode
from marigold.datasets._layers import layered
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard

FILES = ("original", "diffuse", "reflectance", "shading", "specular")
_MASK = "mask"


@dataclass(frozen=True)
class Mit(Dataset):
    """Photos with albedo, shading and residual; all are to evaluate on."""

    card = DatasetCard(
        fields=("albedo", "shading", "residual"),
        splits=("test",),
        licence="by the terms of its makers",
        source="MIT Intrinsic Images (Grosse et al. 2009), photographs of objects",
        mask="pixels of the object",
    )

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the objects. Raises `DataError` where there is none."""
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = _opened(root)
        found = [name for name in tree.folders() if tree.has(f"{name}/original.png")]
        if not found:
            raise DataError(f"{root}: no OBJECT/original.png; give the folder that holds MIT-intrinsic/data")
        return found

    def read(self, root: Path, key: str) -> Sample:
        """A photo with its parts; albedo is within 0 to 1, and shading grey. Raises `DataError`."""
        tree = _opened(root)
        names = {kind: f"{key}/{kind}.png" for kind in FILES}
        light = {kind: _decode.photo(tree.read(name), tree.where(name)) for kind, name in names.items()}
        valid = _usable(tree, f"{key}/{_MASK}.png")
        _check_sizes(tree, key, {**light, _MASK: valid})
        albedo, shading = balanced(light["reflectance"], light["shading"], light["diffuse"], valid)
        maps = {"albedo": albedo, "shading": shading, "residual": light["specular"]}
        maps = {name: torch.where(valid, values, 0) for name, values in maps.items()}
        return Sample(key, linear_to_srgb(light["original"]), maps, {name: valid.clone() for name in maps})

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and all files that are read."""
        tree = _opened(root)
        return " ".join([repr(self), *(tree.identity(f"{key}/{kind}.png") for kind in (*FILES, _MASK))])


def balanced(reflectance: Tensor, shading: Tensor, diffuse: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Albedo and shading, [3, H, W] linear, whose product is nearest to the diffuse light, and albedo at most 1.

    s = sum(diffuse * reflectance * shading) / sum((reflectance * shading)^2) over the valid pixels, [1, H, W], makes
    s * reflectance the albedo. Where that exceeds 1, albedo is divided by its maximum, and shading multiplied by it.
    """
    product = (reflectance * shading).double() * valid
    energy = product.square().sum()
    scale = (product * diffuse).sum() / energy if energy > 0 else product.new_ones(())
    excess = (scale * (reflectance * valid).max()).clamp(min=1)
    albedo = (reflectance * (scale / excess)).float().clamp(max=1)
    return albedo, (shading * excess).float()


def _usable(tree: Tree, name: str) -> Tensor:
    """Where a mask is not 0, [1, H, W], bool."""
    samples = _decode.integers(tree.read(name), tree.where(name))
    return torch.from_numpy(samples.reshape(*samples.shape[:2], -1).any(axis=-1))[None]


def _check_sizes(tree: Tree, key: str, maps: dict[str, Tensor]) -> None:
    height, width = maps["original"].shape[-2:]
    for kind, values in maps.items():
        if values.shape[-2:] != (height, width):
            found = f"{values.shape[-1]} x {values.shape[-2]}"
            where = tree.where(f"{key}/{kind}.png")
            raise DataError(f"{where}: {found}, the photo {width} x {height}; download the object again")


def _opened(root: Path) -> Tree:
    return layered(root, lambda tree: ["data", "MIT-intrinsic/data"])
