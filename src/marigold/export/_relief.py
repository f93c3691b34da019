"""What formats that give depth a body have in common: their options and the surface."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from marigold.core.errors import ConfigError
from marigold.core.fields import Space
from marigold.export._surface import Lens, Surface, surface
from marigold.export.base import Format, Maps, Options


@dataclass(frozen=True)
class Relief(Format):
    """NAME_MAP.ENDING for every depth map."""

    fov: float = Options.fov
    near: float = Options.near
    far: float = Options.far
    cut: float = Options.cut
    detail: int = Options.detail

    meaning: ClassVar[Space | None] = "metric"
    ending: ClassVar[str]

    def __post_init__(self) -> None:
        if not 1 <= self.fov <= 170:
            raise ConfigError(f"fov: {self.fov:g} degrees cannot be used; choose 1 to 170")
        if not 0 < self.near < self.far < float("inf"):
            raise ConfigError(f"near, far: {self.near:g} m and {self.far:g} m; choose 0 < near < far")
        if not 0 <= self.cut < 90:
            raise ConfigError(f"cut: {self.cut:g} degrees cannot be used; choose 0 to less than 90")
        if self.detail < 0 or self.detail == 1:
            raise ConfigError(f"detail: {self.detail} points cannot be used; choose 0 for every pixel, or 2 and more")

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file per depth map."""
        # Depth without an unknown shift is 0 at the camera.
        near = self.near if maps.modality.ambiguity.shift else 0.0
        lens = Lens(self.fov, near, self.far)
        files = []
        for name, depth in maps.with_meaning("metric").items():
            files.append(folder / f"{stem}_{maps.label(name)}.{self.ending}")
            found = surface(depth, lens, cut=self.cut, detail=self.detail)
            if not len(found.faces):
                raise ConfigError(f"cut: all of `{name}` is seen flatter than {self.cut:g} degrees; choose less")
            self.write_surface(files[-1], found, depth.shape, maps.photo, {"assumed": lens.words(), **maps.facts})
        return files

    @abstractmethod
    def write_surface(
        self, file: Path, surface: Surface, size: tuple[int, ...], photo: np.ndarray | None, facts: dict[str, str]
    ) -> None:
        """Writes the surface of a depth map of this size (height, width), in the colours of the photo or grey."""
