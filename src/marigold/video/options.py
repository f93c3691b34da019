"""What a person may ask of a clip; importing this loads neither NumPy nor torch."""

from dataclasses import dataclass

from marigold.core.config import require, require_within

ENDINGS = "mp4 m4v mov mkv webm avi mpg mpeg ts mts m2ts wmv flv ogv 3gp"
SUFFIXES = tuple(f".{ending}" for ending in ENDINGS.split())
"""Endings of the files that count as videos."""
RATE = (0.001, 1000.0)
"""Frames per second that a sequence of photos may have."""
MOST_SMOOTHED = 16
"""Frames before and after a frame that may smooth it."""


@dataclass(frozen=True)
class VideoOptions:
    """How the frames of a clip are made to agree. Raises `ConfigError` for a number out of range."""

    sequence: bool = False
    """Takes the photos of each input, a folder or a pattern, as the frames of a clip, in the order of their names."""
    rate: float = 24.0
    """Frames per second of a sequence of photos; a video has its own timing."""
    carry: float = 0.0
    """The share of the previous frame's final latent in the noise that a frame starts from; 0 lets frames share
    batches."""
    align: bool = True
    """Solves one scale and shift for each frame jointly over a clip, where the modality leaves them open."""
    smooth: int = 2
    """Frames before and after a frame whose values smooth it where the video stands still; 0 smooths nothing."""

    def __post_init__(self) -> None:
        require_within("", self, rate=RATE, carry=(0.0, 1.0), smooth=(0, MOST_SMOOTHED))
        for name in ("sequence", "align"):
            require(isinstance(getattr(self, name), bool), name, getattr(self, name), "true or false")
