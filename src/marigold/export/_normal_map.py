"""Normal maps as engines read them: x, y, z from -1 to 1 as red, green, blue from nothing to full."""

from pathlib import Path

import numpy as np

from marigold.core.png import write_png
from marigold.export.base import Maps
from marigold.export.png16 import levels

GREEN_IS = {"opengl": "up", "directx": "down"}


def write_normal_maps(maps: Maps, folder: Path, stem: str, style: str) -> list[Path]:
    """NAME_MAP_STYLE.png and NAME_MAP_STYLE_16bit.png for every map of directions."""
    files = []
    for name, normals in maps.with_meaning("direction").items():
        colours = normal_colours(normals, style)
        for ending, picture in (("", to_bytes(colours)), ("_16bit", colours)):
            files.append(folder / f"{stem}_{maps.label(name)}_{style}{ending}.png")
            write_png(files[-1], picture, {**description(style), **maps.facts})
    return files


def normal_colours(normals: np.ndarray, style: str) -> np.ndarray:
    """Unit vectors [H, W, 3], x right, y up, z towards the viewer, as uint16 colours; DirectX turns y around."""
    turned = normals if GREEN_IS[style] == "up" else normals * np.array([1, -1, 1], np.float32)
    return levels(turned, offset=-1.0, scale=2.0)


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Levels 0 to 65535 as 0 to 255, rounded."""
    return ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)


def description(style: str) -> dict[str, str]:
    """What a normal map says about itself."""
    axes = f"red right, green {GREEN_IS[style]}, blue towards the viewer"
    return {"Title": f"normal map ({style})", "Description": f"{axes}; value = 2 * level / white - 1; not a colour"}
