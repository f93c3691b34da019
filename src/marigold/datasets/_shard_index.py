"""Which shards a folder holds, and where in them each part of each sample lies.

    shards.json   fields, splits, licence, source, the shards with their bytes, and how they were made; written last
    index.npy     a row for each sample (`row_type`), which `numpy.load` reads

Both are believed only where they agree with each other, and with the sizes that the shards have.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from marigold.core.console import printable
from marigold.core.documents import read_json
from marigold.core.errors import DataError
from marigold.core.files import whole_file, write_json
from marigold.core.limits import SAMPLES
from marigold.core.reading import read_bytes
from marigold.datasets import _decode, _index, _shard_parts
from marigold.datasets.base import DatasetCard

LABEL, INDEX = "shards.json", "index.npy"
LAYOUT = "marigold shards 1"
MOST_KEY = 1000
"""Bytes of a sample's key in UTF-8."""
SPLIT = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}-\d{5,9}\.tar")
_MOST_HEADER = 1 << 12
_REMEDY = f"delete {LABEL} there and give the command of `marigold prepare` again"


@dataclass(frozen=True)
class Shard:
    """A tar of samples."""

    name: str
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Part:
    """A member of a sample, and where it lies."""

    name: str
    start: int
    """From the start of its shard, in bytes."""
    size: int
    crc32: int

    @property
    def end(self) -> int:
        """The byte behind its last one."""
        return self.start + self.size


@dataclass(frozen=True)
class Index:
    """What a folder of shards holds."""

    root: Path
    card: DatasetCard
    shards: tuple[Shard, ...]
    made: dict[str, Any]
    """The command that made them, as `data/prepare.py` writes it."""
    rows: np.ndarray
    """Of `row_type`, in the order of splits and, in each, of the data set that they were made from."""

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of every key."""
        return {key: place for place, key in enumerate(_texts(self.rows["key"]))}

    def keys(self, split: str) -> list[str]:
        """The keys of a split, in order."""
        return _texts(self.rows["key"][self.rows["split"] == self.card.splits.index(split)])

    def stem(self, row: np.void) -> str:
        """What the names of a sample's members begin with in their shard."""
        return stem(self.card.splits[row["split"]], row["number"])

    def parts(self, row: np.void) -> list[Part]:
        """The members of a sample, in the order in which they are stored."""
        columns = (row[name].tolist() for name in ("offset", "size", "crc32"))
        return [Part(*one) for one in zip(_shard_parts.names(self.card.fields), *columns, strict=True)]


def stem(split: str, number: int) -> str:
    """What the names of the members of a split's sample begin with in their shard, up to the first dot."""
    return f"{split}/{number:08d}"


def shard_name(split: str, number: int) -> str:
    """What a split's shard is called."""
    return f"{split}-{number:05d}.tar"


def row_type(fields: tuple[str, ...], key: int) -> np.dtype:
    """The type of the rows, for keys of at most `key` bytes.

    `number` is the place of the sample in its split of the data set, from which samples may be missing; `offset`,
    `size` (bytes) and `crc32` are those of each member, in the order of `_shard_parts.names`, `offset` from the start
    of the shard.
    """
    members = len(_shard_parts.names(fields))
    columns = [("key", f"S{key}"), ("split", "<u2"), ("shard", "<u4")]
    columns += [(name, "<u4") for name in ("number", "height", "width")]
    return np.dtype([*columns, ("offset", "<u8", members), ("size", "<u8", members), ("crc32", "<u4", members)])


def write(root: Path, card: DatasetCard, shards: Sequence[Shard], made: dict[str, Any], rows: np.ndarray) -> None:
    """Writes both files. Raises `OutputError`, and `DataError` for a card that could not be read back."""
    with whole_file(root / INDEX) as file:
        np.save(file, rows, allow_pickle=False)
    check = imagecodecs.deflate_crc32((root / INDEX).read_bytes())
    content = {"layout": LAYOUT, **_index.label(card, str(root)), "splits": list(card.splits), "samples": len(rows)}
    content |= {"crc32": check, "shards": [[shard.name, shard.size] for shard in shards], "made": made}
    write_json(root / LABEL, content)


def has_label(root: Path) -> bool:
    """Whether a folder says that it holds shards."""
    return os.path.lexists(root / LABEL)


def opened(root: Path) -> Index:
    """The index of a folder, which is read once in a process. Raises `DataError` where there is none, or a damaged one.

    Its rows lie within their shards.
    """
    if not has_label(root):
        raise DataError(f"{root}: holds no shards (no {LABEL}); `marigold prepare` makes them")
    return _opened(root, _state(root / LABEL), _state(root / INDEX))


def _state(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:  # which reading it tells
        return 0, 0
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=8)
def _opened(root: Path, label: tuple[int, int], table: tuple[int, int]) -> Index:
    content = _read_label(root)
    card = _index.card(content, tuple(content["splits"]))
    shards = tuple(Shard(name, size) for name, size in content["shards"])
    index = Index(root, card, shards, content["made"], _read_rows(root, content, card.fields))
    if wrong := _misplaced(index):
        raise DataError(f"{root / INDEX}: {wrong}; {_REMEDY}")
    return index


def remedy(root: Path) -> str:
    """What to do about shards that are damaged."""
    return f"see `marigold prepare check {printable(root)}`"


def _read_label(root: Path) -> dict[str, Any]:
    path = root / LABEL
    content = read_json(path, DataError, _REMEDY)
    if not isinstance(content, dict) or content.get("layout") != LAYOUT:
        raise DataError(f"{path}: not the label of shards in the layout `{LAYOUT}`; {_REMEDY}")
    if wrong := _index.flaw(content) or _flaw(content):
        raise DataError(f"{path}: {printable(wrong)}; {_REMEDY}")
    return content


def _flaw(content: dict[str, Any]) -> str:
    """What of a label cannot be used, apart from its card; empty where all can."""
    splits, shards, made = content.get("splits"), content.get("shards"), content.get("made")
    if not isinstance(splits, list) or not all(isinstance(split, str) and SPLIT.fullmatch(split) for split in splits):
        return "splits: must be a list of names"
    if not _differ(splits) or not _differ(content["fields"]):
        return "splits, fields: must be different ones"
    if not isinstance(shards, list) or not all(map(_is_shard, shards)):
        return "shards: must be a list of names such as train-00000.tar, each with its bytes"
    made = made if isinstance(made, dict) else {}
    kinds = {"dataset": str, "raw": str, "settings": dict, "together": int}
    if not all(isinstance(made.get(name), kind) for name, kind in kinds.items()) or made["together"] < 1:
        return f"made: must be a mapping with {', '.join(kinds)}"
    if not _is_count(content.get("crc32")):
        return "crc32: must be a number"
    return "" if _is_count(content.get("samples"), SAMPLES) else f"samples: must be a number up to {SAMPLES}"


def _differ(names: list[str]) -> bool:
    return len(set(names)) == len(names)


def is_own(name: str) -> bool:
    """Whether a file of shards is called so."""
    return name in (LABEL, INDEX) or bool(_NAME.fullmatch(name))


def _is_shard(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return False
    return bool(_NAME.fullmatch(value[0])) and _is_count(value[1])


def _is_count(value: object, most: int = 1 << 62) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _read_rows(root: Path, label: dict[str, Any], fields: tuple[str, ...]) -> np.ndarray:
    path, samples = root / INDEX, label["samples"]
    most = samples * row_type(fields, MOST_KEY).itemsize + _MOST_HEADER
    content = read_bytes(path, DataError, _REMEDY, most)
    if imagecodecs.deflate_crc32(content) != label["crc32"]:
        raise DataError(f"{path}: does not go with {LABEL}; {_REMEDY}")
    rows = _decode.npy(content, printable(path))
    longest = rows.dtype["key"].itemsize if rows.dtype.names and "key" in rows.dtype.names else 0
    if not 1 <= longest <= MOST_KEY or rows.dtype != row_type(fields, longest) or rows.shape != (samples,):
        raise DataError(f"{path}: has not the {samples} rows that {LABEL} tells of; {_REMEDY}")
    return rows


def _misplaced(index: Index) -> str:
    """What of the rows leads nowhere; empty where nothing does."""
    rows = index.rows
    if (rows["shard"] >= len(index.shards)).any() or (rows["split"] >= len(index.card.splits)).any():
        return "has samples in shards or splits that there are not"
    ends = np.array([shard.size for shard in index.shards], np.uint64)[rows["shard"]][:, None]
    if (rows["size"] > ends).any() or (rows["offset"] > ends - rows["size"]).any():
        return "has samples that reach beyond their shards"
    return "" if len(index.places) == len(rows) else "has a key twice"


def as_bytes(key: str) -> bytes:
    """A key as the index holds it. Raises `ValueError` for halves of characters that are no bytes of a file's name."""
    return key.encode("utf-8", "surrogateescape")


def _texts(keys: np.ndarray) -> list[str]:
    return [key.decode("utf-8", "surrogateescape") for key in keys.tolist()]
