"""Maps as files: the formats asked for, and a report that is written last."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from marigold.core.errors import MarigoldError, OutputError
from marigold.core.files import make_folder
from marigold.core.find import name_of
from marigold.export._reports import Reports
from marigold.export.base import Format, Maps
from marigold.export.preview import white


def save(
    maps: Maps,
    report: Mapping[str, Any],
    reports: Reports,
    name: str,
    formats: Sequence[Format],
    *,
    made_from: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes maps in every format that can hold them and returns the files; NAME_MODALITY.json comes last.

    That is `report` with the files, the seconds of writing and `made_from`: everything that the files depend on. What
    the report before it has listed and this one does not is deleted. Raises `OutputError` and `ConfigError`.
    """
    start = time.perf_counter()
    folder = make_folder(reports.folder)
    path = reports.path(name, maps.name)
    earlier = reports.discard(path)
    files = [file for one in formats if one.takes(maps.modality) for file in write_format(one, [maps], folder, name)]
    complete = dict(report)
    if maps.uncertainty is not None:
        complete["uncertainty_white"] = white(maps.uncertainty)
    complete["seconds"] = {**report.get("seconds", {}), "write": round(time.perf_counter() - start, 4)}
    if made_from is not None:
        complete["made_from"] = made_from
    reports.write(path, complete, files)
    reports.delete_leftovers(earlier, name)
    return [*files, path]


def write_format(format_: Format, parts: Sequence[Maps], folder: Path, name: str) -> list[Path]:
    """The files of one format. Errors that no format is to raise, as one of another package may, say whose they are."""
    try:
        return format_.write_set(parts, folder, name)
    except (MarigoldError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise OutputError(f"format `{name_of(format_)}` cannot hold its maps ({reason}); leave it out") from error
