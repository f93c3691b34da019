"""`dataset.json`: what a folder of samples says of itself, believed only where it has the right types and ranges."""

import os
from pathlib import Path
from typing import Any

from marigold.core.console import printable
from marigold.core.documents import read_json
from marigold.core.errors import DataError
from marigold.core.fields import FIELDS
from marigold.core.files import make_folder, write_json
from marigold.core.find import unknown
from marigold.datasets.base import DatasetCard

INDEX = "dataset.json"
LAYOUT = "marigold samples 1"
_REMEDY = "choose another folder, or delete the file and write the data set again"
_NEAREST, _FARTHEST = 1e-3, float("inf")
_MOST_METRES = 1e12
_MOST_WORDS = 1000


def read_index(root: Path) -> dict[str, Any] | None:
    """The content of `dataset.json`, or None where there is none. Raises `DataError` when it is damaged."""
    path = root / INDEX
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        pass  # which reading it tells
    index = read_json(path, DataError, _REMEDY)
    if not isinstance(index, dict) or index.get("layout") != LAYOUT:
        raise DataError(f"{path}: not the index of a data set in the layout `{LAYOUT}`; {_REMEDY}")
    if wrong := flaw(index):
        raise DataError(f"{path}: {printable(wrong)}; correct it, or write the data set again")
    return index


def write_index(root: Path, card: DatasetCard, made: dict[str, Any]) -> None:
    """Writes `dataset.json`: the card's content, and `made`, the settings that made the samples.

    Raises `DataError` for a card that could not be read back, `OutputError` when it cannot be written.
    """
    content = {"layout": LAYOUT, **label(card, str(root)), "made": made}
    write_json(make_folder(root) / INDEX, content)


def label(card: DatasetCard, where: str) -> dict[str, Any]:
    """What an index says of a card. Raises `DataError` for one that could not be read back."""
    nearest, farthest = card.depth_range
    words = {"fields": list(card.fields), "licence": card.licence, "source": card.source}
    content = {**words, "nearest": nearest, "farthest": None if farthest == _FARTHEST else farthest}
    if wrong := flaw(content):
        raise DataError(f"the card of {where}: {printable(wrong)}; correct it")
    return content


def card(index: dict[str, Any], splits: tuple[str, ...]) -> DatasetCard:
    """What an index says, with the splits that the folder has."""
    return DatasetCard(tuple(index["fields"]), splits, index["licence"], index["source"], _range(index))


def flaw(index: dict[str, Any]) -> str:
    """What of an index cannot be used; empty where all can."""
    names = index.get("fields")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "fields: must be a list of names"
    for name in names:
        if name not in FIELDS:
            return f"fields: {unknown('field', name[:60], FIELDS)}"
    for key in ("licence", "source"):
        if not isinstance(index.get(key), str) or len(index[key]) > _MOST_WORDS:
            return f"{key}: must be text of at most {_MOST_WORDS} characters"
    near, far = index.get("nearest", _NEAREST), index.get("farthest")
    if not _is_length(near) or not (far is None or (_is_length(far) and near < far)):
        return f"nearest, farthest: must be metres, above 0 and at most {_MOST_METRES:g}, the second larger, or null"
    return ""


def _is_length(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_METRES


def _range(index: dict[str, Any]) -> tuple[float, float]:
    far = index.get("farthest")
    return float(index.get("nearest", _NEAREST)), _FARTHEST if far is None else float(far)
