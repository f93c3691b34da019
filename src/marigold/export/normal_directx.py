"""DirectX normal maps (green is down), as Unreal and 3ds Max read them."""

from dataclasses import dataclass
from pathlib import Path

from marigold.export._normal_map import write_normal_maps
from marigold.export.base import Format, Maps, outputs
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class NormalDirectx(Format):
    """NAME_MAP_directx.png with 8 bits and NAME_MAP_directx_16bit.png with 16, of every map of directions."""

    def takes(self, modality: Modality) -> bool:
        """Directions."""
        return bool(outputs(modality, "direction"))

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """Two files per map."""
        return write_normal_maps(maps, folder, stem, "directx")
