"""OpenEXR: float32, colours in linear light; the maps of a modality as layers of one file, or each plain in its own.

Blender and Nuke show layers. OpenCV and three.js open only files whose channels are called R, G, B or Y.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from marigold.core.colour import srgb_to_linear
from marigold.core.errors import ConfigError
from marigold.core.fields import Space
from marigold.core.find import unknown
from marigold.export._openexr import write_openexr
from marigold.export._options import ExrLayout
from marigold.export.base import CONVENTIONS, Format, Maps, Options

UNCERTAINTY = "uncertainty"


@dataclass(frozen=True)
class Exr(Format):
    """NAME_MODALITY.exr: `depth.Z`; `normals.X`, `.Y`, `.Z`; `albedo.R`, `.G`, `.B`; `roughness.V`; `uncertainty.V`.

    The ends of intervals are layers as well: `depth_lower.Z`, `normals_cone.V`.

    Flat: NAME_MAP.exr with `Y` or `R`, `G`, `B` for every map, and NAME_MODALITY_uncertainty.exr.
    """

    exr_layout: ExrLayout = Options.exr_layout

    def __post_init__(self) -> None:
        if self.exr_layout not in get_args(ExrLayout):
            raise ConfigError(f"exr_layout: {unknown('layout', str(self.exr_layout), get_args(ExrLayout))}")

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file, or one for each map; an attribute named like each map says what its numbers mean."""
        return self._flat(maps, folder, stem) if self.exr_layout == "flat" else self._layered(maps, folder, stem)

    def _layered(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        channels: dict[str, np.ndarray] = {}
        words = dict(maps.facts)
        for name, _, values, letters, meaning in _layers(maps):
            channels |= {f"{name}.{letter}": values[..., index] for index, letter in enumerate(letters)}
            words[name] = meaning
        file = folder / f"{stem}_{maps.name}.exr"
        write_openexr(file, channels, words)
        return [file]

    def _flat(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        files = []
        for name, label, values, letters, meaning in _layers(maps):
            files.append(folder / f"{stem}_{label}.exr")
            plain = {1: "Y", 3: "RGB"}.get(len(letters), letters)
            channels = {letter: values[..., index] for index, letter in enumerate(plain)}
            write_openexr(files[-1], channels, {**maps.facts, name: meaning})
        return files


def _layers(maps: Maps) -> Iterator[tuple[str, str, np.ndarray, str | list[str], str]]:
    """Name, label, values [H, W, C], letters of the channels and meaning of every map, end and uncertainty."""
    for one in (*maps.layers(), *maps.ends()):
        shown = one.space == "srgb"
        linear = srgb_to_linear(one.values) if shown else one.values
        meaning = one.meaning.replace(CONVENTIONS["srgb"], CONVENTIONS["linear"]) if shown else one.meaning
        yield one.name, one.label, np.atleast_3d(linear), _letters(one.values, one.space), meaning
    if maps.uncertainty is not None:
        meaning = "disagreement of the ensemble's members, in the unit of the maps"
        yield UNCERTAINTY, f"{maps.name}_{UNCERTAINTY}", maps.uncertainty[..., None], "V", meaning


def _letters(values: np.ndarray, space: Space) -> str | list[str]:
    """What the channels of a map are called; more than three are numbered."""
    if values.ndim == 2:
        return "Z" if space == "metric" else "V"
    if values.shape[-1] == 3:
        return "XYZ" if space == "direction" else "RGB"
    return [str(number) for number in range(values.shape[-1])]
