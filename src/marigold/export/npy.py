"""NumPy files: every number as it was predicted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.files import whole_file
from marigold.export.base import Format, Maps


@dataclass(frozen=True)
class Npy(Format):
    """NAME_MAP.npy, float32 [H, W] or [H, W, C], and NAME_MODALITY_uncertainty.npy, [H, W].

    The ends of intervals: NAME_MAP_lower.npy and NAME_MAP_upper.npy, or NAME_MAP_cone.npy.
    """

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file per map and per end of its interval, and one for the uncertainty if there is any."""
        arrays = {maps.label(name): values for name, values in maps.values.items()}
        arrays |= {end.label: end.values for end in maps.ends()}
        if maps.uncertainty is not None:
            arrays[f"{maps.name}_uncertainty"] = maps.uncertainty
        files = {folder / f"{stem}_{name}.npy": values for name, values in arrays.items()}
        for file, values in files.items():
            with whole_file(file) as opened:
                np.save(opened, values, allow_pickle=False)
        return list(files)
