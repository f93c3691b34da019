"""The frames of a clip in order, with their times: of a video file, or of photos that are a sequence."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from marigold.core.errors import ImageError
from marigold.core.images import read_photo
from marigold.core.raster import Photo
from marigold.core.reading import open_file


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, in the order in which it is shown, counted from 0."""

    number: int
    photo: Photo | None
    """None where it cannot be read."""
    ticks: int
    """When it is shown, in units of the clip's `tick`."""
    error: str = ""
    """Why it cannot be read."""
    damaged: bool = False
    """Whether the decoder has filled gaps in it."""


@dataclass
class Lost:
    """What a decoder could not make a frame of, counted while frames are read."""

    packets: int = 0
    reasons: list[str] = field(default_factory=list)


class Clip(ABC):
    """Something that has frames; reading it again gives the same frames."""

    name: str
    tick: Fraction
    """Seconds of a unit of time."""
    rate: float
    """Frames per second, on average."""
    notes: tuple[str, ...] = ()
    """What a person should know about how it is read."""
    lost: Lost

    @property
    def step(self) -> int:
        """How many ticks a frame is shown, on average."""
        return max(1, round(1 / (self.rate * self.tick)))

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """All frames, one at a time. Raises `ImageError` where there is none."""

    @abstractmethod
    def digest(self) -> str:
        """A hash of all that the frames come from. Raises `ImageError`."""


class PhotoSequence(Clip):
    """Photos as the frames of a clip, at a fixed rate."""

    def __init__(self, photos: Sequence[Path], name: str, rate: float) -> None:
        self._photos, self.name, self.rate, self.lost = photos, name, rate, Lost()
        self.tick = 1 / Fraction(rate).limit_denominator(1001 * 1000)

    def frames(self) -> Iterator[Frame]:
        """One frame for each photo, also for those that cannot be read. Raises `ImageError` where there is none."""
        if not self._photos:
            raise ImageError(f"{self.name}: a sequence without photos; name a folder or a pattern that has some")
        for number, path in enumerate(self._photos):
            try:
                yield Frame(number, read_photo(path), number)
            except ImageError as error:
                yield Frame(number, None, number, str(error))

    def digest(self) -> str:
        """A hash of the photos' names, sizes and times of change, which tell thousands of files apart at once."""
        digest = hashlib.sha256(str(self.tick).encode())
        for path in self._photos:
            try:
                state = os.stat(path)
            except OSError:
                continue
            digest.update(f"{path.name}/{state.st_size}/{state.st_mtime_ns};".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 hash of a file. Raises `ImageError`."""
    with open_file(path, ImageError, "check the path and its permissions") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
