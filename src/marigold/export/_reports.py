"""The reports in a folder: each lists the files of one result, so that the next result can take the place of them all.

Files of a photo are written into a staging folder first. When all of them are whole, they move to their places under
a lock, and a report that lists the former ones and the coming ones stands there meanwhile: no other process mixes its
files with them, and whatever stops this one leaves no file that no report lists.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from marigold.core.errors import OutputError
from marigold.core.files import cannot_write, keep_aside, make_folder, reason, staging, write_json
from marigold.core.find import names
from marigold.core.locks import locked
from marigold.core.reading import real_path
from marigold.export._listing import alike, files_of, photo_of, places, stored
from marigold.modalities.base import Modality

LOCK = ".marigold.lock"
WAIT = 120.0
"""Seconds to wait for another process, which holds the lock for a moment only."""
ALL = "all"
"""What the report of several modalities is called."""
REPLACED = (
    "replaces results of another photo of this name, or of this one before it changed; another --output keeps both"
)
_UNFINISHED = {"unfinished": "the files are being written; the next run over the photo writes them again"}


@dataclass(frozen=True)
class Result:
    """What one report is about."""

    key: str
    """The modality, or `ALL`."""
    files: list[str]
    """Where the files are: in the staging folder, and later in the folder of the reports."""
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Saved:
    """What has been written for one photo."""

    files: list[Path]
    notes: list[str]
    """What there is to know about what was there before."""


class Reports:
    """The reports in one folder, for whatever replaces results there."""

    def __init__(self, folder: Path, photos: Iterable[Path] = ()) -> None:
        """`photos` are those of the run: none of them is replaced or deleted, whatever a report says."""
        self.folder = folder
        photos = list(photos)
        self._photos = {real_path(photo) for photo in photos}
        self._taken = {key: photo for photo in _within(folder, photos) for key in alike([photo])}
        self._listed: dict[Path, set[str]] | None = None

    def path(self, name: str, key: str) -> Path:
        """Where the report of one photo and modality is."""
        return self.folder / f"{name}_{key}.json"

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A temporary folder for the files of one photo. Raises `OutputError`, which names the place they go to."""
        with staging(self.folder) as stage:
            try:
                yield stage
            except OutputError as error:
                raise OutputError(str(error).replace(str(stage), str(self.folder))) from error.__cause__

    def publish(self, stage: Path, name: str, results: Sequence[Result]) -> Saved:
        """Moves staged files of photo NAME to their places, writes the reports, and deletes what results had before.

        What this program has not written keeps its content: a file in the way that no report lists gets another name.
        Raises `OutputError`; before anything is changed where a photo of the run, a folder or a link is in the way.
        """
        listed = {self.path(name, one.key): [*one.files, f"{name}_{one.key}.json"] for one in results}
        self._check(file for files in listed.values() for file in files)
        with locked(self.folder / LOCK, f"{self.folder}: results are being written", wait=WAIT):
            earlier = {path: [file for file in files_of(path) if _is_of(file, name)] for path in listed}
            notes = {path: self._make_way(path, files, earlier[path]) for path, files in listed.items()}
            for one, path in zip(results, listed, strict=True):
                former = photo_of(path)
                if former not in (None, _photo(one.report)):
                    notes[path].append(REPLACED)
            for path, files in listed.items():
                self._write(path, _UNFINISHED, [*earlier[path], *files])
            for one in results:
                self._move(stage, one.files)
            self.delete_leftovers([file for files in earlier.values() for file in files], name, listed)
            for one, path in zip(results, listed, strict=True):
                self._write(path, _with_notes(one.report, notes[path]), listed[path])
        files = dict.fromkeys(file for files in listed.values() for file in files)
        said = dict.fromkeys(note for some in notes.values() for note in some)
        return Saved([self.folder / file for file in files], list(said))

    def delete_leftovers(self, files: Sequence[str], name: str, coming: Mapping[Path, Sequence[str]]) -> None:
        """Deletes those of the files that replaced reports of NAME have listed and no report will list any more.

        Only what a result of NAME has in the folder counts, no link, nothing behind a link and no photo of this run.
        `coming` is what the next reports will list. Raises `OutputError`.
        """
        instead = {path: alike(listed) for path, listed in coming.items()}
        for file in dict.fromkeys(files):
            path = self.folder / file
            own = _is_of(file, name) and os.path.isfile(path) and not self._is_linked(file)
            if own and real_path(path) not in self._photos and not self._is_listed(file, name, instead):
                _delete(path)
                self._delete_empty(PurePath(file).parent)

    def _check(self, files: Iterable[str]) -> None:
        """Raises `OutputError` for what is never replaced or written through."""
        for file in files:
            path = self.folder / file
            if taken := [self._taken[key] for key in alike([file]) & self._taken.keys()]:
                raise OutputError(
                    f"its result {self.folder / taken[0]} is a photo of this run; choose another --output"
                )
            if os.path.isdir(path) and not os.path.islink(path):
                raise OutputError(f"{path}: cannot be written (is a directory); choose another folder or move it away")
            if self._is_linked(PurePath(file).parent):
                raise OutputError(f"{path.parent}: a link, which is not followed; choose another folder or remove it")
            if blocking := [part for part in path.parents if os.path.lexists(part) and not os.path.isdir(part)]:
                raise OutputError(f"{blocking[0]}: cannot be written (not a directory); choose another folder")

    def _make_way(self, report: Path, files: Sequence[str], earlier: Sequence[str]) -> list[str]:
        """Gives other names to files in the way that no report lists, and a note for each."""
        known = alike(earlier)
        foreign = [file for file in files if os.path.lexists(self.folder / file) and not alike([file]) <= known]
        return [self._kept(file) for file in foreign if not self._is_listed(file, "", {})]

    def _kept(self, file: str) -> str:
        path = self.folder / file
        kept = keep_aside(path)
        return f"{path.name} was there and is in no report: it is called {kept.name} now"

    def _write(self, path: Path, report: Mapping[str, Any], files: Sequence[str]) -> None:
        listed = list(dict.fromkeys(files))
        write_json(path, {**report, "files": [stored(file) for file in listed]})
        if self._listed is not None:
            self._listed[path] = alike(listed)

    def _move(self, stage: Path, files: Sequence[str]) -> None:
        for file in files:
            path = self.folder / file
            make_folder(path.parent)
            try:
                if os.path.lexists(stage / file):  # not yet moved as the file of another modality, too
                    os.replace(stage / file, path)
            except OSError as error:
                raise OutputError(cannot_write(path, error)) from error

    def _is_listed(self, file: str, name: str, instead: Mapping[Path, set[str]]) -> bool:
        """Whether any report lists the file; all of them are read for the first that this is asked of.

        Those that listed it then, and those of photo NAME, are read again: another process may have replaced them. What
        is `instead` known of some counts in the place of what they say.
        """
        if self._listed is None:
            self._listed = {report: alike(files_of(report)) for report in reports_in(self.folder)}
        key = alike([file])
        holders = {report for report, files in self._listed.items() if key <= files}
        if name:
            holders |= {self.path(name, one) for one in (ALL, *names(Modality))}
        return any(key <= (instead[report] if report in instead else alike(files_of(report))) for report in holders)

    def _is_linked(self, file: str | PurePath) -> bool:
        """Whether a path within the folder is a link or leads through one."""
        path = PurePath(file)
        return any(os.path.islink(self.folder / part) for part in (path, *path.parents) if part.name)

    def _delete_empty(self, place: PurePath) -> None:
        """Removes folders within the folder that have nothing in them any more."""
        with suppress(OSError):
            for part in (place, *place.parents):
                if part.name:
                    (self.folder / part).rmdir()


def reports_in(folder: Path) -> list[Path]:
    """What is called like a report in a folder; nothing where there is no folder, or it cannot be listed."""
    try:
        return list(folder.glob("*.json"))
    except OSError:
        return []


def result_files(folder: Path) -> set[Path]:
    """The files, with resolved paths, that the reports in a folder call their own; nothing where there is no folder."""
    listed = (folder / file for report in reports_in(folder) for file in files_of(report))
    return {real_path(path) for path in listed if os.path.exists(path)}


def _is_of(file: str, name: str) -> bool:
    """Whether a listed file is called as those of photo NAME are: NAME_x, or NAME_x/y/zNAME_z as in texture sets."""
    first, *others = PurePath(file).parts
    return first.startswith(f"{name}_") and (not others or f"{name}_" in others[-1])


def _photo(report: Mapping[str, Any]) -> str | None:
    return (report.get("made_from") or {}).get("photo")


def _with_notes(report: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    return {**report, "notes": [*report.get("notes", []), *notes]} if notes else dict(report)


def _within(folder: Path, photos: Iterable[Path]) -> list[str]:
    """Where those of the photos are that lie in a folder."""
    there = real_path(folder)
    paths = (real_path(photo.parent) / photo.name for photo in photos)
    return places([path for path in paths if path.is_relative_to(there)], there)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: an earlier result that cannot be deleted ({reason(error)}); delete it yourself"
        ) from error
