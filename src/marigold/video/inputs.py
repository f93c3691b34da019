"""Which clips are meant by what a person names: videos by their endings, and photos in sequence where that is asked."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from marigold.core.errors import ConfigError, ImageError
from marigold.folders.listing import Listing
from marigold.folders.photos import find_photos
from marigold.video.decode import VideoFile
from marigold.video.frames import Clip, PhotoSequence
from marigold.video.options import SUFFIXES, VideoOptions


def clip_inputs(inputs: Sequence[str], options: VideoOptions) -> tuple[list[str], list[str]]:
    """The inputs that are clips, patterns of videos written out, and those that are photos.

    A name with the ending of a video is one. With `sequence` every other input is one as well. Raises `ConfigError`
    where a sequence is asked for and each input is a video.
    """
    clips, photos = [], []
    for name in inputs:
        if Path(name).suffix.lower() in SUFFIXES and not os.path.isdir(name):
            clips += _matches(name)
        else:
            photos.append(name)
    if not options.sequence:
        return clips, photos
    if not photos:
        raise ConfigError("sequence: every input is a video; leave --sequence out, or name folders of photos")
    return [*clips, *photos], []


def open_clip(name: str, options: VideoOptions, output: Path) -> Clip:
    """The clip of an input. Raises `ImageError`, `MissingExtraError`."""
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return VideoFile(path)
    photos, failures = find_photos([name], output)
    if not photos:
        raise ImageError("; ".join(failures))
    return PhotoSequence(photos, _sequence_name(path), options.rate)


def _sequence_name(path: Path) -> str:
    """The folder's name; of a pattern that of the folder that it begins with."""
    parts = [part for part in Path(os.path.abspath(path)).parts if part != os.sep]
    plain = parts[: next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))]
    return Path(plain[-1]).name if plain else "sequence"


def _matches(name: str) -> list[str]:
    """The videos that a pattern stands for; any other name as it is."""
    path = Path(os.path.expanduser(name))
    if not glob.has_magic(name) or os.path.lexists(path):
        return [name]
    return sorted(str(found) for found in Listing().matches(path)) or [name]
