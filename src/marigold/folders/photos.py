"""Which photos are meant by what a person names, and what their results are called."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from marigold.core import foreign
from marigold.core.errors import ImageError
from marigold.core.images import SUFFIXES, open_photo
from marigold.core.reading import real_path
from marigold.export._reports import result_files
from marigold.folders.listing import Listing

MOST_NAMES = 5
"""How many pictures that are left out are named."""
MOST_FOLDERS = 3
"""How many folders of a photo's path may become part of a result's name."""


def find_photos(inputs: Sequence[str], output: Path | None = None) -> tuple[list[Path], list[str]]:
    """The photos meant by names of files, folders and patterns (`photos/**/*.jpg`), and a message per fruitless name.

    Each file once, in the order given. A folder stands for the photos directly in it. What earlier runs have written
    into the folder `output` is no photo there, unless it is named itself. A name that is nothing of this counts as a
    file, as does a pipe or a broken link that is called like a photo; reading it says what is wrong. A folder that
    cannot be listed has a message of its own.
    """
    found: dict[Path, Path] = {}
    failures = []
    results = set() if output is None else result_files(output)
    for name in inputs:
        listing = Listing()
        try:
            for path in _meant(name, results, listing):
                found.setdefault(real_path(path), path)
        except ImageError as error:
            failures.append(str(error))
        failures += listing.failures
    return list(found.values()), failures


def left_out(inputs: Sequence[str], output: Path | None = None) -> str:
    """A line that names the pictures which folders and patterns hold but `find_photos` leaves out; or nothing."""
    results = set() if output is None else result_files(output)
    listing = Listing()
    visible = (path for name in inputs for path in _visible(_listed(name, listing) or (), results))
    found = {real_path(path): (path, what) for path in visible if (what := _why_left_out(path))}
    named, others = list(found.values())[:MOST_NAMES], list(found.values())[MOST_NAMES:]
    kinds = Counter(f"{what}, {path.suffix.lower()}" for path, what in others)
    counted = "; ".join(f"{count} times {kind}" for kind, count in kinds.items())
    more = f" and {len(others)} more ({counted})" if others else ""
    return (
        f"left out, as it is not read here: {', '.join(f'{path} ({what})' for path, what in named)}{more}"
        if found
        else ""
    )


def result_names(photos: Sequence[Path]) -> list[str]:
    """What to call each photo's results: its name without the ending, or more of its path where that is not unique."""
    choices = [_names(photo, number) for number, photo in enumerate(photos, start=1)]
    level = [0] * len(photos)
    while True:
        names = [choice[min(i, len(choice) - 1)] for choice, i in zip(choices, level, strict=True)]
        counts = Counter(name.casefold() for name in names)
        clashing = [i for i, name in enumerate(names) if counts[name.casefold()] > 1]
        if not any(level[i] < len(choices[i]) - 1 for i in clashing):
            return names
        for i in clashing:
            level[i] += 1


def _meant(name: str, results: Set[Path], listing: Listing) -> list[Path]:
    foreign.refuse_address(name)
    listed = _listed(name, listing)
    if listed is None:
        return [_expanded(name)]
    photos = [path for path in _visible(listed, results) if path.suffix.lower() in SUFFIXES]
    if photos or listing.failures:
        return photos
    if os.path.isdir(_expanded(name)):
        raise ImageError(f"{name}: no photo in this folder; put files that end in {', '.join(SUFFIXES)} there")
    raise ImageError(f"{name}: no photo matches this pattern; check the path")


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # `~somebody` who has no home is a file's name
        return Path(name)


def _listed(name: str, listing: Listing) -> list[Path] | None:
    """What a folder holds or a pattern matches; None for the name of a file."""
    path = _expanded(name)
    if os.path.isdir(path):
        return listing.folder(path)
    if glob.has_magic(name) and not os.path.lexists(path):
        return list(listing.matches(path))
    return None


def _visible(paths: Iterable[Path], results: Set[Path]) -> list[Path]:
    visible = (path for path in paths if not path.name.startswith("."))
    return sorted(path for path in visible if not os.path.isdir(path) and real_path(path) not in results)


def _why_left_out(path: Path) -> str:
    """What a picture is that is no photo by its ending; nothing for a photo, and for a file that is no picture."""
    if path.suffix.lower() in SUFFIXES:
        return ""
    if kind := foreign.kind_of(path):
        return kind.name
    try:
        with open_photo(path) as file:
            return "a photo without the ending of one" if foreign.looks_like_photo(file.read(64)) else ""
    except (ImageError, OSError):
        return ""


def _names(photo: Path, number: int) -> list[str]:
    """Names for a photo's results, ever longer: `a`, `a_png`, `spain_a_png`, `2024_spain_a_png`, at last `a_png_7`."""
    name = f"{photo.stem}_{photo.suffix[1:]}" if photo.suffix else photo.stem
    folders = real_path(photo).parent.parts[1:]
    longer = ["_".join([*folders[-depth:], name]) for depth in range(1, min(len(folders), MOST_FOLDERS) + 1)]
    return [photo.stem, name, *longer, f"{name}_{number}"]
