"""The reports in a folder: each lists the files of one result; what a replaced one alone has listed is deleted."""

import json
import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.errors import OutputError
from marigold.core.files import reason, write_json
from marigold.core.reading import real_path


class Reports:
    """The reports in one folder, for whatever replaces results there."""

    def __init__(self, folder: Path, photos: Iterable[Path] = ()) -> None:
        """`photos` are those of the run: none of them is deleted, whatever a report says."""
        self.folder = folder
        self._photos = {real_path(photo) for photo in photos}
        self._listed: dict[Path, set[str]] = {}

    def path(self, name: str, modality: str) -> Path:
        """Where the report of one photo and modality is."""
        return self.folder / f"{name}_{modality}.json"

    def discard(self, path: Path) -> list[str]:
        """Removes a report and returns the files that it lists. Raises `OutputError`.

        While files are replaced, none may say that they are complete.
        """
        files = files_of(path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be replaced ({error.strerror}); choose another folder") from error
        return files

    def write(self, path: Path, report: Mapping[str, Any], files: Sequence[Path]) -> Path:
        """Writes the report of these files, itself among them, and returns its path. Raises `OutputError`."""
        listed = places([*files, path], self.folder)
        write_json(path, {**report, "files": listed})
        if self._listed:
            self._listed[path] = alike(listed)
        return path

    def delete_leftovers(self, files: Sequence[str], name: str) -> None:
        """Deletes those of the files that a discarded report of NAME has listed which no report lists any more.

        A report is data from disk and may name anything: only what a result of NAME has directly in the folder counts,
        no link and no photo of this run. Raises `OutputError`.
        """
        own = [file for file in files if file.startswith(f"{name}_") and not {"/", "\\"} & {*file}]
        there = [file for file in own if _is_file(self.folder / file) and not self._is_photo(file)]
        for file in there:
            if not self._is_listed(file):
                _delete(self.folder / file)

    def _is_photo(self, file: str) -> bool:
        return real_path(self.folder / file) in self._photos

    def _is_listed(self, file: str) -> bool:
        """Whether any report lists the file; all of them are read for the first that this is asked of."""
        if not self._listed:
            self._listed = {report: alike(files_of(report)) for report in self.folder.glob("*.json")}
        (key,) = alike([file])
        return any(key in files for files in self._listed.values())


def content_of(report: Path) -> dict[str, Any]:
    """What a report says; nothing for other JSON and where there is none."""
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def files_of(report: Path) -> list[str]:
    """The files of a report, itself among them; none for other JSON."""
    files = content_of(report).get("files")
    if not isinstance(files, list) or report.name not in files:
        return []
    return files if all(isinstance(file, str) for file in files) else []


def photo_of(report: Path) -> str | None:
    """The hash of the photo that a report's files were made from; None where it says nothing of that."""
    made_from = content_of(report).get("made_from")
    photo = made_from.get("photo") if isinstance(made_from, dict) else None
    return photo if isinstance(photo, str) else None


def result_files(folder: Path) -> set[Path]:
    """The files, with resolved paths, that the reports in a folder call their own; nothing where there is no folder."""
    listed = (folder / file for report in folder.glob("*.json") for file in files_of(report))
    return {real_path(path) for path in listed if os.path.exists(path)}  # which is false for what can be no name at all


def places(files: Sequence[Path], folder: Path) -> list[str]:
    """Where files are within a folder."""
    return [file.relative_to(folder).as_posix() for file in files]


def alike(files: Collection[str]) -> set[str]:
    """Names as file systems compare them that tell neither cases nor ways to write an accent apart."""
    return {unicodedata.normalize("NFC", file).casefold() for file in files}


def _is_file(path: Path) -> bool:
    return os.path.isfile(path) and not os.path.islink(path)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: an earlier result that cannot be deleted ({reason(error)}); delete it yourself"
        ) from error
