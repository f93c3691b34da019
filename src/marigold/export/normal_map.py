"""Normal maps as engines read them: x, y, z from -1 to 1 as red, green, blue from nothing to full."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np

from marigold.core.errors import ConfigError
from marigold.core.fields import Space
from marigold.core.find import unknown
from marigold.core.png import write_png
from marigold.export._options import NormalStyle
from marigold.export.base import Format, Maps, Options
from marigold.export.png16 import levels

_GREEN = {"opengl": "up", "directx": "down"}


@dataclass(frozen=True)
class NormalMap(Format):
    """NAME_MAP_STYLE.png with 8 bits and NAME_MAP_STYLE_16bit.png with 16, of every map of directions.

    OpenGL: Blender, Unity, Godot and glTF. DirectX: Unreal and 3ds Max.
    """

    meaning: ClassVar[Space | None] = "direction"
    normal_style: NormalStyle = Options.normal_style

    def __post_init__(self) -> None:
        if self.normal_style not in get_args(NormalStyle):
            raise ConfigError(f"normal_style: {unknown('style', str(self.normal_style), get_args(NormalStyle))}")

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """Two files per map and style."""
        files = []
        for style in _GREEN if self.normal_style == "both" else [self.normal_style]:
            for name, normals in maps.with_meaning("direction").items():
                colours = normal_colours(normals, style)
                for ending, picture in (("", to_bytes(colours)), ("_16bit", colours)):
                    files.append(folder / f"{stem}_{maps.label(name)}_{style}{ending}.png")
                    write_png(files[-1], picture, {**description(style), **maps.facts})
        return files


def normal_colours(normals: np.ndarray, style: str) -> np.ndarray:
    """Unit vectors [H, W, 3], x right, y up, z towards the viewer, as uint16 colours; DirectX turns y around."""
    turned = normals if _GREEN[style] == "up" else normals * np.array([1, -1, 1], np.float32)
    return levels(turned, offset=-1.0, scale=2.0)


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Levels 0 to 65535 as 0 to 255, rounded."""
    return ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)


def description(style: str) -> dict[str, str]:
    """What a normal map says about itself."""
    axes = f"red right, green {_GREEN[style]}, blue towards the viewer"
    return {"Title": f"normal map ({style})", "Description": f"{axes}; value = 2 * level / white - 1; not a colour"}
