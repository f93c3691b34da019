"""Maps as files: the formats asked for, and a report that is written last."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.errors import MarigoldError, OutputError
from marigold.core.find import name_of
from marigold.export._listing import places
from marigold.export._reports import Reports, Result
from marigold.export.base import Format, Maps
from marigold.export.preview import white


def save(maps: Maps, report: Mapping[str, Any], reports: Reports, name: str, formats: Sequence[Format]) -> list[Path]:
    """Writes maps in every format that can hold them and returns the files; NAME_MODALITY.json comes last.

    That is `report` with the files and the seconds of writing. What the report before it has listed and this one does
    not is deleted. Raises `OutputError` and `ConfigError`.
    """
    with reports.staged() as stage:
        return reports.publish(stage, name, [staged(maps, report, stage, name, formats)]).files


def staged(
    maps: Maps,
    report: Mapping[str, Any],
    stage: Path,
    name: str,
    formats: Sequence[Format],
    *,
    made_from: Mapping[str, Any] | None = None,
) -> Result:
    """Writes maps into the staging folder; the report says `made_from`: everything that the files depend on."""
    start = time.perf_counter()
    files = [file for one in formats if one.takes(maps.modality) for file in write_format(one, [maps], stage, name)]
    complete = dict(report)
    if maps.with_meaning("metric"):
        complete["depth"] = maps.reach
    if maps.uncertainty is not None:
        complete["uncertainty_white"] = white(maps.uncertainty)
    complete["seconds"] = {**report.get("seconds", {}), "write": round(time.perf_counter() - start, 4)}
    if made_from is not None:
        complete["made_from"] = made_from
    return Result(maps.name, files, complete)


def write_format(format_: Format, parts: Sequence[Maps], folder: Path, name: str) -> list[str]:
    """The files of one format, as paths within the folder.

    Here alone a format is called, which may be one of another package. Whatever it raises becomes a `MarigoldError`.
    """
    words = f"format `{name_of(format_)}`"
    try:
        return _written(format_.write_set(parts, folder, name), folder)
    except MarigoldError:
        raise
    except MemoryError as error:
        raise OutputError(f"{words}: not enough memory for its files; lower --detail or leave it out") from error
    except OSError as error:
        raise OutputError(
            f"{folder}: {words} cannot write its files ({error}); make room there or leave it out"
        ) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise OutputError(f"{words} cannot hold its maps ({reason}); leave it out") from error


def _written(files: Sequence[Path], folder: Path) -> list[str]:
    """Where the files of a format are within the folder. Raises `ValueError` for those that are not there."""
    listed = places(files, folder)
    if missing := [file for file in listed if ".." in Path(file).parts or not os.path.isfile(folder / file)]:
        raise ValueError(f"{missing[0]} is not a file that it has written")
    return listed
