"""What formats that give depth a body have in common: their options and the surface."""

from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import ClassVar

import numpy as np

from marigold.core.errors import ConfigError
from marigold.core.fields import Space
from marigold.export._options import number
from marigold.export._surface import Lens, Surface, surface
from marigold.export.base import Format, Maps, Options

DISTANCES = (1e-3, 1e6)
"""Metres that `near` and `far` may be, from a millimetre to the earth seen from far away."""
MOST_DETAIL = 1_000_000


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
        limits = {"fov": (1, 170, "degrees"), "cut": (0, 89.9, "degrees"), "detail": (0, MOST_DETAIL, "points")}
        for option, (low, high, unit) in {**limits, "near": (*DISTANCES, "m"), "far": (*DISTANCES, "m")}.items():
            found = number(option, getattr(self, option), low, high, unit)
            if option != "detail":
                object.__setattr__(self, option, found)
        if not self.near < self.far:
            raise ConfigError(
                f"near, far: {self.near:g} m and {self.far:g} m; choose --near and --far so that far is the larger one"
            )
        if not isinstance(self.detail, Integral) or self.detail == 1:
            raise ConfigError(
                f"detail: {self.detail} points cannot be used; choose 0 for every pixel, or 2 and more with --detail"
            )
        object.__setattr__(self, "detail", int(self.detail))

    def write(self, maps: Maps, folder: Path, stem: str) -> list[Path]:
        """One file per depth map."""
        # Depth without an unknown shift is 0 at the camera.
        near = self.near if maps.modality.ambiguity.shift else 0.0
        lens = Lens(self.fov, near, self.far, maps.view)
        if maps.measured is not None:
            lens = Lens(self.fov, 0.0, 1.0, maps.view)
        files = []
        for name, depth in maps.with_meaning("metric").items():
            files.append(folder / f"{stem}_{maps.label(name)}.{self.ending}")
            found = surface(depth, lens, cut=self.cut, detail=self.detail)
            if not len(found.faces):
                seen = f"all of `{name}` is seen flatter than {self.cut:g} degrees"
                raise ConfigError(
                    f"cut: {seen}; choose less with --cut, or distances --near and --far that differ less"
                )
            self.write_surface(files[-1], found, depth.shape, maps.photo, self._facts(lens, maps))
        return files

    def _facts(self, lens: Lens, maps: Maps) -> dict[str, str]:
        """What is assumed, and what is not: measured depth needs no ends, a known camera no field of view."""
        if maps.measured is None:
            return {"assumed": lens.words(), **maps.facts}
        known = {} if lens.view is None else {"camera": lens.view.words()}
        guessed = {"assumed": f"field of view {lens.fov:g} degrees"} if lens.view is None else {}
        return {**known, **guessed, **maps.facts}

    @abstractmethod
    def write_surface(
        self, file: Path, surface: Surface, size: tuple[int, ...], photo: np.ndarray | None, facts: dict[str, str]
    ) -> None:
        """Writes the surface of a depth map of this size (height, width), in the colours of the photo or grey."""
