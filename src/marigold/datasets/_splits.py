"""The splits of a data set by lists that the user has, such as the published ones: `lists: {train: FILE, val: FILE}`.

The first path of a line is the photo's, and the sample's key.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.datasets._lists import read_list

Row = tuple[str, ...]


def published(lists: Mapping[str, Path], root: Path, names: Mapping[str, str]) -> Mapping[str, Path]:
    """The lists that a user gives, or else those of the published evaluation that lie in the root.

    `names` has their file names by split. They lie beside a root that is a tar.
    """
    folder = root if os.path.isdir(root) else Path(root).parent
    return lists or {split: folder / name for split, name in names.items() if os.path.isfile(folder / name)}


def rows(lists: Mapping[str, Path], split: str, columns: int) -> Mapping[str, Row]:
    """The lines of a split's list by their first path, in the order of the file. Raises `DataError`."""
    if split not in lists:
        raise DataError(f"lists: {unknown('split', printable(split), lists)}; give its list too")
    path = Path(lists[split])
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return _rows(path, columns, 0, 0)  # which says why it cannot be read
    return _rows(path, columns, state.st_size, state.st_mtime_ns)


def row(lists: Mapping[str, Path], key: str, columns: int) -> Row:
    """The line of a sample. Raises `DataError` where no list has it."""
    for split in lists:
        if found := rows(lists, split, columns).get(key):
            return found
    raise DataError(f"{printable(key)}: in none of the lists {', '.join(map(str, lists.values()))}; scan them again")


@lru_cache(maxsize=8)
def _rows(path: Path, columns: int, size: int, changed: int) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in read_list(path, columns):
        if found.setdefault(row[0], row) != row:
            raise DataError(f"{path}: names {printable(row[0])} twice, with different files; leave one of them")
    return found
