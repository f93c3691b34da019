"""What folders hold and patterns match: each folder once, however its links lead, and what cannot be listed is told."""

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from marigold.core.errors import reason


class Listing:
    """Lists folders, and keeps a message for each that cannot be listed, which costs nothing but its own content."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def folder(self, folder: Path) -> list[Path]:
        """What a folder holds, itself left out."""
        return [folder / entry.name for entry in self._entries(folder)]

    def matches(self, pattern: Path) -> Iterator[Path]:
        """What a pattern such as `photos/**/*.jpg` matches; `**` stands for folders below folders, or none.

        As usual, hidden names match only patterns that start with a dot.
        """
        parts = pattern.parts
        start = 1 if pattern.anchor else 0
        yield from self._matches(Path(*parts[:start]), parts[start:])

    def _matches(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        if not parts:
            if os.path.lexists(folder):
                yield folder
            return
        first, rest = parts[0], parts[1:]
        if first == "**":
            for below in self._below(folder, set()):
                yield from self._matches(below, rest) if rest else self.folder(below)
        elif glob.has_magic(first):
            names = (entry.name for entry in self._entries(folder) if _fits(entry.name, first))
            for name in names:
                if not rest or os.path.isdir(folder / name):
                    yield from self._matches(folder / name, rest)
        else:
            yield from self._matches(folder / first, rest)

    def _below(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
        """A folder and those below it that are not hidden; one that links lead back to is not entered again."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            try:
                state = os.stat(folder)
            except (OSError, ValueError):
                continue
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            yield folder
            folders = [entry.name for entry in self._entries(folder) if entry.name[:1] != "." and _is_folder(entry)]
            waiting.extend(folder / name for name in sorted(folders, reverse=True))

    def _entries(self, folder: Path) -> list["os.DirEntry[str]"]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return []
        except OSError as error:
            message = f"{folder}: this folder cannot be listed ({reason(error)}); check its permissions"
            if message not in self.failures:
                self.failures.append(message)
            return []


def _fits(name: str, pattern: str) -> bool:
    return (name[:1] != "." or pattern[:1] == ".") and fnmatch.fnmatch(name, pattern)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False
