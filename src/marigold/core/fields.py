"""The vocabulary of physical maps: for every field its channels, unit, range, resize rule and mirror sign.

A field is what a data set provides and what a modality encodes. Resize rules: `smooth` interpolates valid pixels,
`nearest` never mixes two surfaces, `unit` interpolates and renormalises vectors. `mirror` holds the factor of each
channel under a left-right flip.
"""

from dataclasses import dataclass
from typing import Literal

Space = Literal["metric", "linear", "srgb", "direction"]
Resize = Literal["smooth", "nearest", "unit"]


@dataclass(frozen=True)
class Field:
    """One kind of physical map."""

    name: str
    channels: int
    unit: str
    space: Space
    resize: Resize
    low: float
    high: float
    mirror: tuple[float, ...]


def _scalar(name: str, unit: str, space: Space, resize: Resize, high: float) -> Field:
    return Field(name, 1, unit, space, resize, 0.0, high, (1.0,))


def _colour(name: str, unit: str, space: Space, high: float) -> Field:
    return Field(name, 3, unit, space, "smooth", 0.0, high, (1.0, 1.0, 1.0))


INFINITE = float("inf")

FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        # Planar depth: the z coordinate in front of the camera, not the length of the ray.
        _scalar("depth", "metre", "metric", "nearest", INFINITE),
        # Camera axes: x right, y up, z towards the viewer; a left-right mirror negates x.
        Field("normals", 3, "unit vector", "direction", "unit", -1.0, 1.0, (-1.0, 1.0, 1.0)),
        _colour("albedo", "reflectance", "linear", 1.0),
        _scalar("roughness", "GGX roughness", "linear", "smooth", 1.0),
        _scalar("metallicity", "fraction", "linear", "smooth", 1.0),
        # image (linear) = albedo * shading + residual.
        _colour("shading", "relative radiance", "linear", INFINITE),
        _colour("residual", "relative radiance", "linear", INFINITE),
        # Where an edge was drawn: 1, elsewhere 0.
        _scalar("edges", "share", "linear", "nearest", 1.0),
        # Of which region a pixel is, by the number of the region; 0 is of none.
        _scalar("regions", "number of the region", "metric", "nearest", INFINITE),
    )
}
