"""How far a checkpoint's maps are off, measured on scenes that it has not seen: what its card says of intervals."""

from dataclasses import dataclass, field
from itertools import pairwise

from marigold.checkpoints.convention import TTA, Sizing
from marigold.core.config import require, require_within
from marigold.core.limits import SAMPLES, SETTINGS
from marigold.core.plain import shown

LARGEST = 1e6
"""A scale, floor or quantile: far more than any map is off."""
MOST_LEVELS, MOST_OUTPUTS = 100, 100
FEWEST = 3
"""Members of which one tells how far they disagree."""


@dataclass(frozen=True)
class Spread:
    """How the error of one map goes with the disagreement of the members.

    `scale * (uncertainty + floor)` is the error to be expected of a pixel, in the map's unit (of normals in degrees);
    `quantiles` times as much is what the shares `levels` of all pixels stay within.
    """

    scale: float
    floor: float
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        require_within("", self, scale=(0.0, LARGEST), floor=(0.0, LARGEST))
        sorted_ = all(0 <= one <= other <= LARGEST for one, other in pairwise((0.0, *self.quantiles)))
        require(
            sorted_, "quantiles", shown(list(self.quantiles)), f"from 0 to {LARGEST:,.0f}, none below the one before"
        )


@dataclass(frozen=True)
class Calibration:
    """What was measured with one set of settings; the settings are those of a prediction."""

    steps: int
    ensemble: int
    resolution: int
    sizing: Sizing
    tta: TTA
    images: int
    """How many images it was measured on, each of which counts alike."""
    data: str
    """Which images: data set, split and number."""
    levels: tuple[float, ...]
    """Shares of all pixels, ascending, that `quantiles` go with."""
    outputs: dict[str, Spread] = field(default_factory=dict)
    """By the name of the map."""

    def __post_init__(self) -> None:
        require_within("", self, **{name: SETTINGS[name] for name in ("steps", "resolution")})
        require_within("", self, ensemble=(FEWEST, SETTINGS["ensemble"][1]), images=(1, SAMPLES))
        ascending = all(one < other for one, other in pairwise((0.0, *self.levels, 1.0)))
        require(ascending, "levels", shown(list(self.levels)), "above 0 and below 1, each above the one before")
        require(0 < len(self.levels) <= MOST_LEVELS, "levels", len(self.levels), f"1 to {MOST_LEVELS} numbers")
        require(0 < len(self.outputs) <= MOST_OUTPUTS, "outputs", len(self.outputs), f"1 to {MOST_OUTPUTS} maps")
        for name, spread in self.outputs.items():
            fits = len(spread.quantiles) == len(self.levels)
            require(fits, f"outputs.{shown(name)}.quantiles", len(spread.quantiles), "as many numbers as `levels`")
