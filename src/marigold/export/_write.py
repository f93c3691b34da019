"""Predictions as files: the formats asked for, and a report that is written last."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.errors import ConfigError
from marigold.core.files import make_folder
from marigold.export._reports import Reports
from marigold.export.base import Format, Maps, chosen
from marigold.export.preview import white
from marigold.predict.prediction import Prediction


def save(
    prediction: Prediction,
    reports: Reports,
    name: str,
    formats: Sequence[Format],
    *,
    made_from: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes one prediction in every format that can hold it and returns the files; NAME_MODALITY.json comes last.

    `made_from` goes into the report: everything that the files depend on. What the report before it has listed and
    this one does not is deleted. Raises `OutputError`.
    """
    start = time.perf_counter()
    folder = make_folder(reports.folder)
    maps = maps_of(prediction)
    path = reports.path(name, maps.name)
    earlier = reports.discard(path)
    report = dict(prediction.report)
    taken = [format_ for format_ in formats if format_.takes(maps.modality)]
    files = [file for format_ in taken for file in format_.write(maps, folder, name)]
    if prediction.uncertainty is not None:
        report["uncertainty_white"] = white(prediction.uncertainty)
    report["seconds"] = {**report.get("seconds", {}), "write": round(time.perf_counter() - start, 4)}
    if made_from is not None:
        report["made_from"] = made_from
    reports.write(path, report, files)
    reports.delete_leftovers(earlier, name)
    return [*files, path]


def as_formats(formats: str | Sequence[str | Format]) -> list[Format]:
    """Formats by name (`npy,exr` or a sequence) or ready made. Raises `UnknownNameError` and `ConfigError`."""
    if isinstance(formats, str):
        return chosen(formats)
    if not isinstance(formats, Iterable):
        raise ConfigError(_cannot_use(formats))
    return [made for one in formats for made in _as_formats(one)]


def _as_formats(one: object) -> list[Format]:
    if isinstance(one, Format):
        return [one]
    if isinstance(one, str):
        return chosen(one)
    raise ConfigError(_cannot_use(one))


def _cannot_use(one: object) -> str:
    return f'formats: {one!r} cannot be used; give a sequence of names and formats, such as ["npy", Ply(fov=60)]'


def maps_of(prediction: Prediction) -> Maps:
    """A prediction as the formats take it."""
    checkpoint = prediction.report.get("checkpoint", {})
    facts = {"Software": "marigold", "Source": checkpoint.get("name", ""), "Copyright": checkpoint.get("licence", "")}
    return Maps(
        prediction.modality,
        prediction.maps,
        uncertainty=prediction.uncertainty,
        photo=prediction.photo,
        facts={fact: words for fact, words in facts.items() if words},
    )
