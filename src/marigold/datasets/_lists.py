"""Lists of samples in a text file, as the published training has them: a line of relative paths for each sample."""

from pathlib import Path

from marigold.core.errors import DataError
from marigold.core.reading import read_bytes

_MOST = 256 << 20
_REMEDY = "check the path of the list"


def read_list(path: Path, columns: int) -> list[tuple[str, ...]]:
    """The first `columns` words of every line that holds any, in the order of the file.

    Raises `DataError` naming the file and the line for one with fewer words, and for a list that is empty or no text.
    """
    try:
        text = read_bytes(path, DataError, _REMEDY, _MOST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 ({error.reason}); {_REMEDY}") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) < columns:
            raise DataError(f"{path}: line {number} has {len(words)} paths, {columns} are needed; {_REMEDY}")
        rows.append(tuple(words[:columns]))
    if not rows:
        raise DataError(f"{path}: names no sample; {_REMEDY}")
    return rows
