"""16-bit PNG: a documented straight line from levels to values, stated in the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.fields import Space
from marigold.core.png import write_png
from marigold.export.base import Format, Layer, Maps

WHITE = 65535


@dataclass(frozen=True)
class Png16(Format):
    """NAME_MAP_16bit.png, grey or RGB: value = offset + scale * level / 65535.

    Directions have offset -1 and scale 2; everything else offset 0 and scale 1, but a map that exceeds 1 has its
    largest value as scale. The ends of intervals have files of their own. Offset, scale and meaning stand in the
    file as text.
    """

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file per map and per end of its interval; the uncertainty has none."""
        return [self._written(one, maps, folder, stem) for one in (*maps.layers(), *maps.ends())]

    def _written(self, one: Layer, maps: Maps, folder: Path, stem: str) -> Path:
        offset, scale = line(one.values, one.space)
        text = {"Title": one.name, "Description": one.meaning, "Offset": f"{offset:.9g}", "Scale": f"{scale:.9g}"}
        file = folder / f"{stem}_{one.label}_16bit.png"
        curve = _curve(one.values, one.space)
        write_png(file, levels(one.values, offset, scale), text={**text, **maps.facts}, curve=curve)
        return file


def line(values: np.ndarray, space: Space) -> tuple[float, float]:
    """Offset and scale of a map: value = offset + scale * level / 65535."""
    if space == "direction":
        return -1.0, 2.0
    return 0.0, max(1.0, float(values.max()))


def levels(values: np.ndarray, offset: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Values of any shape as levels 0 to 65535, uint16, rounded; what lies outside is clipped."""
    share = (values.astype(np.float32) - np.float32(offset)) / np.float32(scale)
    return np.rint(np.clip(share, 0, 1) * np.float32(WHITE)).astype(np.uint16)


def _curve(values: np.ndarray, space: Space) -> Space | None:
    """The display curve a colour picture declares; numbers that are no colours declare none."""
    return space if values.ndim == 3 and space in ("srgb", "linear") else None
