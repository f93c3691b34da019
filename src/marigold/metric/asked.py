"""What a person says of distances and cameras; importing this loads neither NumPy nor torch."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

from marigold.core.errors import ConfigError


@dataclass(frozen=True)
class Asked:
    """Known distances and cameras. Raises `ConfigError` for what does not go together."""

    known: Path | None = None
    """Known distances, a CSV file of x,y,metres with pixels counted from 0; depth is written in metres. For several
    photos a folder of files called like them."""
    known_depth: Path | None = None
    """A sparse or dense map of metres (16-bit PNG, EXR, NPY, PFM, TIFF; 0 where nothing is known), or NPY points [N, 3]
    in camera axes with --camera; depth is written in metres. For several photos a folder."""
    known_scale: float | None = None
    """How many levels of a 16-bit PNG of --known-depth are a metre, such as 1000 or 256."""
    colmap: Path | None = None
    """The folder of a COLMAP model that the photos are in; depth is written in its unit, and several photos make one
    point cloud, OUTPUT/cloud.ply."""
    unit: float | None = None
    """How many metres the unit of the COLMAP model is; without it depth is right up to scale."""
    complete: bool = False
    """Guides the sampling by the known distances, after Marigold-DC: 50 steps with gradients through the networks,
    which take much longer, and several times the memory."""
    camera: str | None = None
    """The camera: fx,fy,cx,cy in pixels; a JSON file with these keys; or a COLMAP folder. Left out, it comes from
    --colmap or the photo's EXIF data, or --fov is assumed."""

    def __post_init__(self) -> None:
        sources = [name for name in ("known", "known_depth", "colmap") if getattr(self, name) is not None]
        if len(sources) > 1:
            first, second = (name.replace("_", "-") for name in sources[:2])
            raise ConfigError(f"known distances: --{first} and --{second} are both given; give one of them")
        for name, of in (("known_scale", "known_depth"), ("unit", "colmap")):
            number = getattr(self, name)
            if number is not None and not (math.isfinite(number) and number > 0):
                raise ConfigError(f"{name}: {number} cannot be used; give a number above 0")
            if number is not None and getattr(self, of) is None:
                raise ConfigError(f"{name}: counts with --{of.replace('_', '-')} alone; add it, or leave {name} out")

        if self.complete and not self.distances:
            raise ConfigError("complete: no distance is known; give --known, --known-depth or --colmap")

    @property
    def anything(self) -> bool:
        """Whether anything is known."""
        return any(getattr(self, field.name) != field.default for field in fields(self))

    @property
    def distances(self) -> bool:
        """Whether distances are known, so that depth can be brought to them."""
        return any(path is not None for path in (self.known, self.known_depth, self.colmap))
