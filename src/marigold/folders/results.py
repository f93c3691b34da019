"""All files of one photo: those of each modality and, when there are several, what they make together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from marigold.core.files import delete_leftovers, prepare
from marigold.export._listing import places
from marigold.export._reports import ALL, Reports, Result, Saved
from marigold.export._write import staged, write_format
from marigold.export.base import Format, Maps, check
from marigold.export.preview import Preview
from marigold.folders.complete import format_options, is_complete, sources
from marigold.folders.sheet import write_sheet
from marigold.predict.prediction import Prediction
from marigold.predict.provenance import Provenance
from marigold.predict.settings import Request


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
        self._publishing = Lock()
        self.folder = folder
        delete_leftovers(folder)

    def are_complete(self, name: str, photo: str, known: Mapping[str, Any]) -> bool:
        """Whether all files for the photo of this hash are there, made as they would be made now.

        `known` is what the results depend on beside photo and settings, as in `save`.
        """
        reports = {modality: {**source, "photo": photo, **known} for modality, source in self._sources.items()}
        if len(reports) > 1:
            reports[ALL] = {**self._joint_sources, "photo": photo, **known}
        return all(is_complete(self._reports.path(name, key), source) for key, source in reports.items())

    def prepare(self) -> None:
        """Raises `OutputError` where no results can be written, before work is spent on them."""
        prepare(self.folder / "results.json")

    def save(self, predictions: Mapping[str, Prediction], name: str, photo: str, known: Mapping[str, Any]) -> Saved:
        """Writes the predictions by modality for the photo of this hash; several threads may do so at a time.

        Raises `OutputError`; where a file would replace a photo of the run, before any is written.
        """
        with self._reports.staged() as stage:
            results = [
                staged(
                    prediction.as_maps(),
                    prediction.report,
                    stage,
                    name,
                    self._single,
                    made_from={**self._sources[modality], "photo": photo, **known},
                )
                for modality, prediction in predictions.items()
            ]
            if len(predictions) > 1:
                results.append(self._staged_joint(predictions, stage, name, {"photo": photo, **known}))
            with self._publishing:  # ahead of the lock between processes, which is waited for with pauses
                return self._reports.publish(stage, name, results)

    def _staged_joint(
        self, predictions: Mapping[str, Prediction], stage: Path, name: str, made_from: Mapping[str, Any]
    ) -> Result:
        parts = [prediction.as_maps() for prediction in predictions.values()]
        files = places([write_sheet(stage / f"{name}_{ALL}.jpg", self._tiles(parts))], stage)
        for format_ in self._joint:
            files += write_format(format_, parts, stage, name)
        report = {modality: one.report for modality, one in predictions.items()}
        return Result(ALL, files, {**report, "made_from": {**self._joint_sources, **made_from}})

    def _tiles(self, parts: Sequence[Maps]) -> dict[str, np.ndarray]:
        """The pictures of the contact sheet by their names on it: the photo, and every map."""
        preview = next((format_ for format_ in self._single if isinstance(format_, Preview)), Preview())
        tiles = {} if parts[0].photo is None else {"photo": parts[0].photo}
        for maps in parts:
            for output, picture in preview.pictures(maps).items():
                tiles[output if output == maps.name else f"{maps.name}: {output}"] = picture
        return tiles
