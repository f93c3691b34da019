"""How large a refined map is, by which tiles it is covered, and what to say before time is spent on it."""

from dataclasses import dataclass

from torch import Tensor

from marigold.accel.runtime import Runtime
from marigold.compat.base import WorkingSize, rules
from marigold.core.errors import ConfigError
from marigold.diffusion.tiles import Tiling
from marigold.predict.infer import FEWEST_CELLS, working_sizes
from marigold.predict.settings import UPSCALE, Refinement, Settings

MOST_PIXELS = 4_000_000
"""Above so many pixels the published refiner was seen to lose the global shape."""


@dataclass(frozen=True)
class Canvas:
    """The size at which a photo's map is refined, and that of the global pass before it."""

    size: WorkingSize
    start: WorkingSize
    notes: tuple[str, ...] = ()
    """What a person should know of this size beforehand."""


def canvas_of(runtime: Runtime, settings: Settings, photo: Tensor, stride: int | None = None) -> Canvas:
    """The canvas of a photo [3, H, W], of cells of this `stride`, or those of the global pass when None.

    Raises `ConfigError` and `DeviceMemoryError` for one without a size.
    """
    assert settings.refinement is not None
    start = working_sizes(runtime, settings, photo)[0]
    height, width = photo.shape[-2:]
    upscale = settings.refinement.upscale
    if upscale is None:
        sides = (_side(start.height, UPSCALE, height), _side(start.width, UPSCALE, width))
    else:
        sides = (round(start.height * upscale), round(start.width * upscale))
    size = WorkingSize(*sides, stride or start.stride)
    return Canvas(size, start, tuple(_notes(size, start, (height, width), upscale)))


def tiling_of(size: WorkingSize, refinement: Refinement) -> Tiling:
    """The tiles of a canvas in latent cells. Raises `ConfigError` for tiles that are no whole cells, or too few."""
    cells, rest = divmod(refinement.tile, size.stride)
    if rest or cells < FEWEST_CELLS:
        use = max(cells, FEWEST_CELLS) * size.stride
        raise ConfigError(
            f"tile: {refinement.tile} pixels are not a multiple of a latent cell's {size.stride}, at least "
            f"{FEWEST_CELLS * size.stride}; use {use}"
        )
    return Tiling(*rules("none").latent_size(size), cells)


def _side(start: int, factor: float, photo: int) -> int:
    """A side so many times as large, but no larger than the photo's; never smaller than it was."""
    return max(start, min(round(start * factor), photo))


def _notes(size: WorkingSize, start: WorkingSize, photo: tuple[int, int], upscale: float | None) -> list[str]:
    height, width = photo
    at, notes = f"refined at {size.width} x {size.height} pixels", []
    if size.height > max(height, start.height) or size.width > max(width, start.width):
        notes.append(f"{at}, beyond the photo's own {width} x {height}, which has no more to show; lower --upscale")
    if upscale is not None and upscale > UPSCALE:
        notes.append(f"{at}, {upscale:g} times the global pass: beyond {UPSCALE:g} the global shape may get lost")
    if size.height * size.width > MOST_PIXELS:
        megapixels, most = size.height * size.width / 1e6, MOST_PIXELS / 1e6
        notes.append(f"{at} ({megapixels:.1f} megapixels): beyond {most:g} the global shape may get lost")
    return notes
