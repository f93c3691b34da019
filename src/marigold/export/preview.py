"""Pictures to look at: colours by eye, not by number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.colour import colormap
from marigold.core.images import write_png8
from marigold.export.base import Format, Maps
from marigold.modalities.base import Modality

WHITE_QUANTILE = 0.95
"""White in an uncertainty picture is this quantile of the uncertainty."""


@dataclass(frozen=True)
class Preview(Format):
    """NAME_MAP_colored.png, 8-bit RGB, and NAME_MODALITY_uncertainty.png."""

    colormap: str | None = None

    def takes(self, modality: Modality) -> bool:
        """Anything."""
        return True

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """A picture per map, and one of the uncertainty if there is any."""
        files = {
            folder / f"{stem}_{maps.label(name)}_colored.png": shown for name, shown in self.pictures(maps).items()
        }
        if maps.uncertainty is not None:
            shown = self._uncertainty(maps.uncertainty)
            files[folder / f"{stem}_{maps.name}_uncertainty.png"] = shown
        for file, picture in files.items():
            write_png8(file, picture)
        return list(files)

    def pictures(self, maps: Maps) -> dict[str, np.ndarray]:
        """What a person looks at, [H, W, 3] uint8 by name: as the modality shows it, or by the chosen colour map."""
        shown = maps.modality.colorize(dict(maps.values))
        if self.colormap is not None:
            scalars = {name: values for name, values in maps.values.items() if values.ndim == 2}
            shown |= {name: colormap(values, self.colormap) for name, values in scalars.items()}
        return shown

    def _uncertainty(self, uncertainty: np.ndarray) -> np.ndarray:
        """Grey, or the chosen colour map; its last colour is a high quantile of the uncertainty."""
        share = np.clip(uncertainty / max(white(uncertainty), 1e-12), 0, 1)
        return np.rint(share * 255).astype(np.uint8) if self.colormap is None else colormap(share, self.colormap)


def white(uncertainty: np.ndarray) -> float:
    """The uncertainty that is shown white."""
    return float(np.quantile(uncertainty, WHITE_QUANTILE))
