"""All files of one photo: those of each modality and, when there are several, what they make together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from marigold.core.errors import OutputError
from marigold.core.reading import real_path
from marigold.export._reports import Reports, alike, photo_of, places
from marigold.export._write import save, write_format
from marigold.export.base import Format, Maps, check
from marigold.export.preview import Preview
from marigold.folders.complete import format_options, is_complete, sources
from marigold.folders.sheet import write_sheet
from marigold.predict.prediction import Prediction
from marigold.predict.provenance import Provenance
from marigold.predict.settings import Request
from marigold.predict.together import ALL

REPLACED = (
    "replaces results of another photo of this name, or of this one before it changed; another --output keeps both"
)


class Results:
    """Where the results of a run's photos go, and whether they are there already.

    One modality writes its own files. Several write theirs, and then NAME_all.jpg (the photo beside every map), the
    files that they make together, such as a set of textures, and at last NAME_all.json.
    """

    def __init__(
        self,
        provenances: Mapping[str, Provenance],
        request: Request,
        formats: Sequence[Format],
        folder: Path,
        photos: Sequence[Path] = (),
    ) -> None:
        """`photos` are all of the run. Raises `ConfigError` for a format that can hold nothing of these modalities."""
        check(formats, [provenance.modality for provenance in provenances.values()])
        self._joint = [format_ for format_ in formats if format_.together and len(provenances) > 1]
        self._single = [format_ for format_ in formats if format_ not in self._joint]
        self._sources = {name: sources(one, request, self._single) for name, one in provenances.items()}
        self._joint_sources = {"parts": self._sources, "formats": format_options(self._joint)}
        self._reports = Reports(folder, photos)
        self._photos = _within(folder, photos)
        self.folder = folder

    def are_complete(self, name: str, photo: str) -> bool:
        """Whether all files for the photo of this hash are there, made as they would be made now."""
        reports = {modality: {**source, "photo": photo} for modality, source in self._sources.items()}
        if len(reports) > 1:
            reports[ALL] = {**self._joint_sources, "photo": photo}
        return all(is_complete(self._reports.path(name, key), source) for key, source in reports.items())

    def with_notes(self, predictions: Mapping[str, Prediction], name: str, photo: str) -> dict[str, Prediction]:
        """The predictions for the photo of this hash, with a note where they take the place of another photo's."""
        found = {modality: photo_of(self._reports.path(name, modality)) for modality in predictions}
        return {
            modality: one if found[modality] in (None, photo) else _with_note(one, REPLACED)
            for modality, one in predictions.items()
        }

    def save(self, predictions: Mapping[str, Prediction], name: str, photo: str) -> list[Path]:
        """Writes the predictions by modality for the photo of this hash and returns the files.

        Raises `OutputError`; where a file would replace a photo of the run, before any is written.
        """
        self._spare_photos(predictions, name, photo)
        return self._save(self._reports, predictions, name, photo)

    def _spare_photos(self, predictions: Mapping[str, Prediction], name: str, photo: str) -> None:
        """Only writing tells what files are called; where photos have names like theirs, that is tried elsewhere."""
        near = [path for path in self._photos if path.casefold().startswith(f"{name}_".casefold())]
        if not near:
            return
        with TemporaryDirectory(prefix="marigold-") as elsewhere:
            files = self._save(Reports(Path(elsewhere)), predictions, name, photo)
            taken = alike(places(files, Path(elsewhere)))
        for path in near:
            if alike([path]) <= taken:
                raise OutputError(f"its result {self.folder / path} is a photo of this run; choose another --output")

    def _save(self, reports: Reports, predictions: Mapping[str, Prediction], name: str, photo: str) -> list[Path]:
        files = [
            file
            for modality, prediction in predictions.items()
            for file in save(
                prediction.as_maps(),
                prediction.report,
                reports,
                name,
                self._single,
                made_from={**self._sources[modality], "photo": photo},
            )
        ]
        return files if len(predictions) < 2 else [*files, *self._save_joint(reports, predictions, name, photo)]

    def _save_joint(self, reports: Reports, predictions: Mapping[str, Prediction], name: str, photo: str) -> list[Path]:
        parts = [prediction.as_maps() for prediction in predictions.values()]
        path = reports.path(name, ALL)
        earlier = reports.discard(path)
        files = [write_sheet(reports.folder / f"{name}_{ALL}.jpg", self._tiles(parts))]
        for format_ in self._joint:
            files += write_format(format_, parts, reports.folder, name)
        report = {modality: one.report for modality, one in predictions.items()}
        reports.write(path, {**report, "made_from": {**self._joint_sources, "photo": photo}}, files)
        reports.delete_leftovers(earlier, name)
        return [*files, path]

    def _tiles(self, parts: Sequence[Maps]) -> dict[str, np.ndarray]:
        """The pictures of the contact sheet by their names on it: the photo, and every map."""
        preview = next((format_ for format_ in self._single if isinstance(format_, Preview)), Preview())
        tiles = {} if parts[0].photo is None else {"photo": parts[0].photo}
        for maps in parts:
            for output, picture in preview.pictures(maps).items():
                tiles[output if output == maps.name else f"{maps.name}: {output}"] = picture
        return tiles


def _with_note(prediction: Prediction, note: str) -> Prediction:
    return replace(prediction, report={**prediction.report, "notes": [*prediction.report["notes"], note]})


def _within(folder: Path, photos: Sequence[Path]) -> list[str]:
    """Where those of the photos are that lie in a folder."""
    there = real_path(folder)
    paths = (real_path(photo.parent) / photo.name for photo in photos)
    return places([path for path in paths if path.is_relative_to(there)], there)
