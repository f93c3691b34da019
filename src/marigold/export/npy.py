"""NumPy files: every number as it was predicted."""

from dataclasses import dataclass
from pathlib import Path

from marigold.core.images import write_npy
from marigold.export.base import Format, Maps
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Npy(Format):
    """NAME_MAP.npy, float32 [H, W] or [H, W, C], and NAME_MODALITY_uncertainty.npy, [H, W]."""

    def takes(self, modality: Modality) -> bool:
        """Anything."""
        return True

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file per map, and one for the uncertainty if there is any."""
        arrays = {maps.label(name): values for name, values in maps.values.items()}
        if maps.uncertainty is not None:
            arrays[f"{maps.name}_uncertainty"] = maps.uncertainty
        files = {folder / f"{stem}_{name}.npy": values for name, values in arrays.items()}
        for file, values in files.items():
            write_npy(file, values)
        return list(files)
