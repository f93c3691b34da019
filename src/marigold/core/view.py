"""The camera of a photo, with the size of the picture that its numbers are for, and where they come from."""

from dataclasses import dataclass

from marigold.core.errors import ConfigError
from marigold.core.sample import Camera

_SAME_SHAPE = 0.02
"""Sizes whose sides have ratios that differ by less than this share are the same picture, scaled and rounded."""


@dataclass(frozen=True)
class View:
    """A pinhole camera without distortion; pixels, with the centre of the first one at (0.5, 0.5)."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    origin: str
    """Where the numbers come from, for people."""

    def at(self, width: int, height: int) -> Camera:
        """The camera of the same picture at another size. Raises `ConfigError` for one of another shape."""
        across, down = width / self.width, height / self.height
        if abs(across / down - 1) > _SAME_SHAPE:
            raise ConfigError(
                f"camera: {self.origin} is of {self.width} x {self.height} pixels, the photo has {width} x {height}; "
                "give the camera of this photo, upright and not cropped"
            )
        return Camera(self.fx * across, self.fy * down, self.cx * across, self.cy * down)

    def words(self) -> str:
        """The camera, for people."""
        numbers = f"fx {self.fx:.6g}, fy {self.fy:.6g}, cx {self.cx:.6g}, cy {self.cy:.6g}"
        return f"{numbers} of {self.width} x {self.height} pixels ({self.origin})"
