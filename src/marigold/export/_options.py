"""What a person may ask of the formats; importing this loads neither NumPy nor torch."""

from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from marigold.core.console import printable
from marigold.core.errors import ConfigError

NormalStyle = Literal["opengl", "directx", "both"]
ExrLayout = Literal["layered", "flat"]

USUAL = ("npy", "png16", "preview")
"""What is written when nobody asks for anything else."""


@dataclass(frozen=True)
class Options:
    """Options of the formats; each format takes those that it has a field for."""

    colormap: str | None = None
    """Colour map of `preview` for maps of one channel, by matplotlib's name; as the modality likes when left out."""
    legend: bool = False
    """Draws a legend below each `preview`: near and far, 0 and 1, or a sphere of normals."""
    fov: float = 55.0
    """Field of view of the photo in degrees, along its longer side, for `ply` and `glb`."""
    near: float = 1.0
    """Where `ply` and `glb` place what is nearest (depth 0), in metres."""
    far: float = 3.0
    """Where `ply` and `glb` place what is farthest (depth 1), in metres."""
    cut: float = 3.0
    """Surfaces seen flatter than this many degrees are depth edges: `ply` and `glb` leave them out; 0 keeps all."""
    detail: int = 1024
    """Most points along the longer side in `ply` and `glb`; 0 takes every pixel."""
    normal_style: NormalStyle = "opengl"
    """Whose axes `normal_map` has: green is up in opengl, down in directx; both writes the two."""
    exr_layout: ExrLayout = "layered"
    """One `exr` for all maps of a modality in named layers, or one for each map with plain channels (flat), as OpenCV
    and three.js read them."""


NO_OPTIONS = Options()
"""Every option as it is when nobody says otherwise."""


def number(option: str, value: object, low: float, high: float, unit: str) -> float:
    """The value of an option. Raises `ConfigError`, which names it, for what is no number from `low` to `high`."""
    with suppress(OverflowError):  # of an integer that no float can be
        if isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) <= high:
            return float(value)
    raise ConfigError(
        f"{option}: {_shown(value)} {unit} cannot be used; choose {low:.9g} to {high:.9g} with --{option}"
    )


def _shown(value: object) -> str:
    """A value of an option, in few characters."""
    if isinstance(value, float):
        return f"{value:g}"
    try:
        return printable(repr(value)[:40])
    except ValueError:  # of an integer with thousands of digits
        return "a number of thousands of digits"
