"""OpenEXR: every map of a modality in one file, float32, colours in linear light, with names that say what is what."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.colour import srgb_to_linear
from marigold.core.fields import Space
from marigold.export._openexr import write_openexr
from marigold.export.base import CONVENTIONS, Format, Maps
from marigold.modalities.base import Modality

_SCALAR = "V"


@dataclass(frozen=True)
class Exr(Format):
    """NAME_MODALITY.exr: `depth.Z`; `normals.X`, `.Y`, `.Z`; `albedo.R`, `.G`, `.B`; `roughness.V`; `uncertainty.V`."""

    def takes(self, modality: Modality) -> bool:
        """Anything."""
        return True

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file; an attribute for every map says what its numbers mean."""
        channels: dict[str, np.ndarray] = {}
        words = {"Software": "marigold", **maps.facts}
        for name, values in maps.values.items():
            space = maps.modality.meaning(name)
            channels |= _channels(name, srgb_to_linear(values) if space == "srgb" else values, space)
            words[name] = CONVENTIONS["linear" if space == "srgb" else space]
        if maps.uncertainty is not None:
            channels[f"uncertainty.{_SCALAR}"] = maps.uncertainty
            words["uncertainty"] = "disagreement of the ensemble's members, in the unit of the maps"
        file = folder / f"{stem}_{maps.name}.exr"
        write_openexr(file, channels, words)
        return [file]


def _channels(name: str, values: np.ndarray, space: Space) -> dict[str, np.ndarray]:
    """A map as channels of a layer of its name; more than three channels are numbered."""
    if values.ndim == 2:
        return {f"{name}.{'Z' if space == 'metric' else _SCALAR}": values}
    count = values.shape[-1]
    letters = ("XYZ" if space == "direction" else "RGB") if count == 3 else [str(number) for number in range(count)]
    return {f"{name}.{letter}": values[..., index] for index, letter in enumerate(letters)}
