"""Pictures to look at: colours by eye, not by number."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.colour import colormap
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.png import write_png
from marigold.export import _legend
from marigold.export.base import Format, Maps, Options

WHITE_QUANTILE = 0.95
"""White in an uncertainty picture is this quantile of the uncertainty."""
STEPS = 512
"""Colours in the bar of a legend."""


@dataclass(frozen=True)
class Preview(Format):
    """NAME_MAP_colored.png, 8-bit RGB, and NAME_MODALITY_uncertainty.png."""

    colormap: str | None = Options.colormap
    legend: bool = Options.legend

    def __post_init__(self) -> None:
        if self.colormap is None:
            return
        if not isinstance(self.colormap, str):
            raise ConfigError(f"colormap: {self.colormap!r} is no name; choose one of matplotlib's with --colormap")
        try:
            colormap(np.zeros((1, 1), np.float32), self.colormap)  # an unknown name is found before any work is done
        except UnknownNameError as error:
            raise UnknownNameError(f"colormap: {error} (--colormap)") from None

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """A picture per map, and one of the uncertainty if there is any."""
        shown = self.pictures(maps)
        if self.legend:
            shown = {name: self._explained(maps, name, picture) for name, picture in shown.items()}
        files = {folder / f"{stem}_{maps.label(name)}_colored.png": picture for name, picture in shown.items()}
        if maps.uncertainty is not None:
            file = folder / f"{stem}_{maps.name}_uncertainty.png"
            files[file] = self.uncertainty(maps.uncertainty)
        for file, picture in files.items():
            write_png(file, picture)
        return list(files)

    def pictures(self, maps: Maps) -> dict[str, np.ndarray]:
        """What a person looks at, [H, W, 3] uint8 by name: as the modality shows it, or by the chosen colour map."""
        values_shown = maps.shown()
        shown = maps.modality.colorize(values_shown)
        if self.colormap is not None:
            scalars = {name: values for name, values in values_shown.items() if values.ndim == 2}
            shown |= {name: colormap(values, self.colormap) for name, values in scalars.items()}
        return shown

    def uncertainty(self, uncertainty: np.ndarray) -> np.ndarray:
        """Grey [H, W], or [H, W, 3] by the chosen colour map or with a legend; the end of the scale is `white`."""
        end = white(uncertainty)
        shown = self._scale(np.clip(uncertainty / max(end, 1e-12), 0, 1))
        if not self.legend:
            return shown
        return _legend.with_bar(_as_rgb(shown), _as_rgb(self._scale(_ramp()))[0], ("0", f"{end:.2g}"))

    def _scale(self, share: np.ndarray) -> np.ndarray:
        return np.rint(share * 255).astype(np.uint8) if self.colormap is None else colormap(share, self.colormap)

    def _explained(self, maps: Maps, name: str, picture: np.ndarray) -> np.ndarray:
        """The picture above what its colours mean; pictures of light and reflectance explain themselves."""
        if name not in maps.values:
            return picture
        values, meaning = maps.values[name], maps.modality.meaning(name)
        if meaning == "direction":
            normals, inside = _legend.sphere(_legend.sphere_size(picture))
            ball = _legend.on_background(self._alone(maps, name, normals), inside)
            return _legend.with_sphere(picture, ball, "how a sphere looks")
        if values.ndim == 2:
            words = _ends(maps, values) if meaning == "metric" else ("0", "1")
            return _legend.with_bar(picture, self._alone(maps, name, _ramp())[0], words)
        return picture

    def _alone(self, maps: Maps, name: str, values: np.ndarray) -> np.ndarray:
        """The picture of other values in the place of one map."""
        size = values.shape[:2]
        others = {other: np.zeros((*size, *there.shape[2:]), np.float32) for other, there in maps.values.items()}
        return self.pictures(Maps(maps.modality, {**others, name: values}))[name]


def _ends(maps: Maps, depth: np.ndarray) -> tuple[str, str]:
    """The words at the ends of a bar of depth."""
    unit = {"metric": " m", "up to scale": ""}.get(maps.measured or "")
    return ("near", "far") if unit is None else (f"{depth.min():.3g}{unit}", f"{depth.max():.3g}{unit}")


def white(uncertainty: np.ndarray) -> float:
    """The uncertainty that is shown white."""
    return float(np.quantile(uncertainty, WHITE_QUANTILE))


def _as_rgb(picture: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.atleast_3d(picture), (*picture.shape[:2], 3))


def _ramp() -> np.ndarray:
    """0 to 1 from left to right, [1, STEPS]."""
    return np.linspace(0, 1, STEPS, dtype=np.float32)[None]
