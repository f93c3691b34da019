"""Places of a photo whose distance is known."""

from dataclasses import dataclass, field

import numpy as np

from marigold.core.errors import ImageError


@dataclass(frozen=True)
class Points:
    """Known planar depth at pixels of a photo. Raises `ImageError` for numbers that no point can have."""

    x: np.ndarray
    """[N] float64, from the left; the pixel is the whole part."""
    y: np.ndarray
    """[N] float64, from the top."""
    depth: np.ndarray
    """[N] float64, metres or the unit of a model, along the camera's axis."""
    origin: str
    """The file, for people."""
    metric: bool = True
    """Whether the depths are metres; otherwise they are right up to one scale."""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for what, numbers in (("x", self.x), ("y", self.y), ("depth", self.depth)):
            if len(wrong := np.flatnonzero(~np.isfinite(numbers))):
                raise ImageError(f"{self.origin}: point {wrong[0] + 1} has a {what} that is no number; correct it")
        if len(wrong := np.flatnonzero(self.depth <= 0)):
            one = wrong[0]
            raise ImageError(
                f"{self.origin}: point {one + 1} at pixel ({self.x[one]:g}, {self.y[one]:g}) is {self.depth[one]:g} m "
                "away; distances are above 0, from the camera forward"
            )

    def inside(self, width: int, height: int) -> "Points":
        """The points; raises `ImageError` where one lies outside a photo of this size or there are fewer than two."""
        outside = (self.x < 0) | (self.y < 0) | (self.x >= width) | (self.y >= height)
        if len(wrong := np.flatnonzero(outside)):
            one = wrong[0]
            raise ImageError(
                f"{self.origin}: point {one + 1} at pixel ({self.x[one]:g}, {self.y[one]:g}) is outside the photo of "
                f"{width} x {height} pixels; count from (0, 0) at the top left of the upright photo"
            )
        if len(self.x) < 2:
            raise ImageError(
                f"{self.origin}: {len(self.x)} known distances in the photo; give 2 or more, at different depths"
            )
        return self

    def pixels(self, size: tuple[int, int], photo: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns in a map of this size (height, width) of a photo of that size."""
        rows = (self.y * size[0] / photo[0]).astype(np.int64)
        columns = (self.x * size[1] / photo[1]).astype(np.int64)
        return rows.clip(0, size[0] - 1), columns.clip(0, size[1] - 1)
