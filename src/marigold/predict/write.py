"""Predictions as files: the formats asked for, and a report that is written last."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.errors import OutputError
from marigold.core.files import make_folder, write_json
from marigold.export.base import Format, Maps, chosen
from marigold.export.preview import white
from marigold.predict.prediction import Prediction


def save(
    prediction: Prediction,
    folder: Path,
    name: str,
    formats: Sequence[Format],
    *,
    made_from: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes one prediction in every format that can hold it and returns the files; NAME_MODALITY.json comes last.

    `made_from` goes into the report: everything that the files depend on. Raises `OutputError`.
    """
    start = time.perf_counter()
    make_folder(folder)
    maps = maps_of(prediction)
    path = discard_report(folder, name, maps.name)
    report = dict(prediction.report)
    taken = [format_ for format_ in formats if format_.takes(maps.modality)]
    files = [file for format_ in taken for file in format_.write(maps, folder, name)]
    if prediction.uncertainty is not None:
        report["uncertainty_white"] = white(prediction.uncertainty)
    report["seconds"] = {**report.get("seconds", {}), "write": round(time.perf_counter() - start, 4)}
    return [*files, write_report(path, report, files, made_from)]


def as_formats(formats: str | Sequence[str | Format]) -> list[Format]:
    """Formats by name (`npy,exr` or a sequence) or ready made. Raises `UnknownNameError` and `ConfigError`."""
    if isinstance(formats, str):
        return chosen(formats)
    return [made for one in formats for made in ([one] if isinstance(one, Format) else chosen(one))]


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


def report_path(folder: Path, name: str, modality: str) -> Path:
    """Where the report of one photo and modality is."""
    return folder / f"{name}_{modality}.json"


def discard_report(folder: Path, name: str, modality: str) -> Path:
    """The path of a report, where none is any more: while files are replaced, none may say that they are complete."""
    path = report_path(folder, name, modality)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be replaced ({error.strerror}); choose another folder") from error
    return path


def write_report(
    path: Path, report: Mapping[str, Any], files: Sequence[Path], made_from: Mapping[str, Any] | None
) -> Path:
    """Writes the report of these files, itself among them, and returns its path."""
    made = {} if made_from is None else {"made_from": made_from}
    write_json(path, {**report, **made, "files": places([*files, path], path.parent)})
    return path


def places(files: Sequence[Path], folder: Path) -> list[str]:
    """Where files are within a folder."""
    return [file.relative_to(folder).as_posix() for file in files]
