"""All files of one photo: those of each modality and, when there are several, what they make together."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from marigold.export.base import Format, Maps, check
from marigold.export.preview import Preview
from marigold.predict.complete import Maker, format_options, is_complete, sources
from marigold.predict.prediction import Prediction
from marigold.predict.reports import Reports
from marigold.predict.request import Request
from marigold.predict.sheet import write_sheet
from marigold.predict.together import ALL
from marigold.predict.write import maps_of, save


class Results:
    """Where the results of a run's photos go, and whether they are there already.

    One modality writes its own files. Several write theirs, and then NAME_all.jpg (the photo beside every map), the
    files that they make together, such as a set of textures, and at last NAME_all.json.
    """

    def __init__(
        self,
        makers: Mapping[str, Maker],
        request: Request,
        formats: Sequence[Format],
        folder: Path,
        photos: Iterable[Path] = (),
    ) -> None:
        """`photos` are all of the run. Raises `ConfigError` for a format that can hold nothing of these modalities."""
        check(formats, [maker.modality for maker in makers.values()])
        self._joint = [format_ for format_ in formats if format_.together and len(makers) > 1]
        self._single = [format_ for format_ in formats if format_ not in self._joint]
        self._sources = {name: sources(one, request, self._single) for name, one in makers.items()}
        self._joint_sources = {"parts": self._sources, "formats": format_options(self._joint)}
        self._reports = Reports(folder, photos)
        self.folder = folder

    def are_complete(self, name: str, photo: str) -> bool:
        """Whether all files for the photo of this hash are there, made as they would be made now."""
        reports = {modality: {**made, "photo": photo} for modality, made in self._sources.items()}
        if len(reports) > 1:
            reports[ALL] = {**self._joint_sources, "photo": photo}
        return all(is_complete(self._reports.path(name, key), made) for key, made in reports.items())

    def save(self, predictions: Mapping[str, Prediction], name: str, photo: str) -> list[Path]:
        """Writes the predictions by modality for the photo of this hash and returns the files. Raises `OutputError`."""
        files = [
            file
            for modality, prediction in predictions.items()
            for file in save(
                prediction, self._reports, name, self._single, made_from={**self._sources[modality], "photo": photo}
            )
        ]
        return files if len(predictions) < 2 else [*files, *self._save_joint(predictions, name, photo)]

    def _save_joint(self, predictions: Mapping[str, Prediction], name: str, photo: str) -> list[Path]:
        parts = [maps_of(prediction) for prediction in predictions.values()]
        path = self._reports.path(name, ALL)
        earlier = self._reports.discard(path)
        files = [write_sheet(self.folder / f"{name}_{ALL}.jpg", self._tiles(parts))]
        for format_ in self._joint:
            files += format_.write_set(parts, self.folder, name)
        report = {modality: made.report for modality, made in predictions.items()}
        self._reports.write(path, {**report, "made_from": {**self._joint_sources, "photo": photo}}, files)
        self._reports.delete_leftovers(earlier, name)
        return [*files, path]

    def _tiles(self, parts: Sequence[Maps]) -> dict[str, np.ndarray]:
        """The pictures of the contact sheet by their names on it: the photo, and every map."""
        preview = next((format_ for format_ in self._single if isinstance(format_, Preview)), Preview())
        tiles = {} if parts[0].photo is None else {"photo": parts[0].photo}
        for maps in parts:
            for output, picture in preview.pictures(maps).items():
                tiles[output if output == maps.name else f"{maps.name}: {output}"] = picture
        return tiles
