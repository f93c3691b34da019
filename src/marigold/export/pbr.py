"""Texture sets for physically based materials, under the names by which Blender and Unreal recognise their parts.

Blender: the words that Node Wrangler's "Add Principled Setup" looks for. Unreal: prefix `T_`, suffixes `BC`, `N`, `ORM`
(occlusion, roughness, metallic as red, green, blue) and `H`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from marigold.core.colour import linear_to_srgb
from marigold.core.files import make_folder
from marigold.core.png import write_png
from marigold.export.base import Format, Maps, outputs
from marigold.export.normal_map import description, normal_colours, to_bytes
from marigold.export.png16 import levels
from marigold.modalities.base import Modality

ROUGHNESS, METALLIC, ALBEDO = "roughness", "metallicity", "albedo"


@dataclass(frozen=True)
class Pbr(Format):
    """NAME_pbr/blender/NAME_basecolor.png and NAME_pbr/unreal/T_NAME_BC.png and their like, as far as maps allow."""

    together: ClassVar[bool] = True

    def takes(self, modality: Modality) -> bool:
        """Albedo, roughness, metallicity, directions and depth."""
        of_use = {ROUGHNESS, METALLIC, ALBEDO, *outputs(modality, "direction"), *outputs(modality, "metric")}
        return not of_use.isdisjoint(modality.outputs)

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """What one modality gives of the set."""
        return self.write_set([maps], folder, stem)

    def write_set(self, parts: Sequence[Maps], folder: Path, stem: str) -> list[Path]:
        """What these modalities give; of two albedos the one that comes with a roughness counts."""
        facts = {name: words for maps in parts for name, words in maps.facts.items()}
        files = []
        for place, picture, text in _textures(parts, stem):
            files.append(folder / f"{stem}_pbr" / place)
            make_folder(files[-1].parent)
            curve = "srgb" if text["Title"] == "base colour" else None
            write_png(files[-1], picture, {**text, **facts}, curve)
        return files


def _textures(parts: Sequence[Maps], stem: str) -> Iterator[tuple[str, np.ndarray, dict[str, str]]]:
    """Place in the folder, levels and description of every texture."""
    albedo = _albedo(parts)
    if albedo is not None:
        text = {"Title": "base colour", "Description": "sRGB"}
        yield f"blender/{stem}_basecolor.png", to_bytes(levels(albedo)), text
        yield f"unreal/T_{stem}_BC.png", to_bytes(levels(albedo)), text
    scalars = {name: _found(parts, name) for name in (ROUGHNESS, METALLIC)}
    for values, word in zip(scalars.values(), ("roughness", "metallic"), strict=True):
        if values is not None:
            yield f"blender/{stem}_{word}.png", to_bytes(levels(values)), _plain(word)
    roughness, metallic = scalars.values()
    if roughness is not None and metallic is not None:
        packed = np.stack([np.ones_like(roughness), roughness, metallic], axis=-1)
        yield f"unreal/T_{stem}_ORM.png", to_bytes(levels(packed)), _plain("occlusion (none), roughness, metallic")
    for normals in (values for maps in parts for values in maps.with_meaning("direction").values()):
        yield f"blender/{stem}_normal.png", normal_colours(normals, "opengl"), description("opengl")
        yield f"unreal/T_{stem}_N.png", to_bytes(normal_colours(normals, "directx")), description("directx")
    for depth in (maps.shown()[name] for maps in parts for name in maps.with_meaning("metric")):
        text = {"Title": "height", "Description": "1 - depth: white near, black far; linear, not a colour"}
        yield f"blender/{stem}_height.png", levels(1 - depth), text
        yield f"unreal/T_{stem}_H.png", levels(1 - depth), text


def _plain(title: str) -> dict[str, str]:
    return {"Title": title, "Description": "0 to 1, linear; not a colour"}


def _found(parts: Sequence[Maps], name: str) -> np.ndarray | None:
    return next((maps.values[name] for maps in parts if name in maps.values), None)


def _albedo(parts: Sequence[Maps]) -> np.ndarray | None:
    """Albedo in sRGB, from the modality that also gives roughness if there is one."""
    having = sorted((maps for maps in parts if ALBEDO in maps.values), key=lambda maps: ROUGHNESS not in maps.values)
    if not having:
        return None
    values = having[0].values[ALBEDO]
    return values if having[0].modality.meaning(ALBEDO) == "srgb" else linear_to_srgb(np.clip(values, 0, 1))
