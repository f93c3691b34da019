"""Samples in shards, as `marigold prepare` writes them: plain tars with an index, read in any order with one seek each.

The same samples as the data set that they were made from gave, under the same keys, up to what is stored: the photo in
8 bits, lengths in float32, everything else in float16, where directions keep a fiftieth of a degree and colours three
significant digits. A sample's bytes are compared with their checksums whenever it is read.
"""

import os
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import pairwise
from pathlib import Path

import imagecodecs
import numpy as np

from marigold.core.config import NAME, encode
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, MarigoldError, reason
from marigold.core.fields import FIELDS
from marigold.core.files import as_path
from marigold.core.find import name_of, unknown
from marigold.core.plain import shown, word
from marigold.core.raster import MAX_PIXELS
from marigold.core.reading import open_file
from marigold.core.sample import Sample
from marigold.datasets import _shard_index, _shard_parts
from marigold.datasets._shard_index import Index, Part, opened
from marigold.datasets.base import Dataset, DatasetCard

_GAP = 1 << 16
"""Bytes between two parts that are read along rather than jumped over."""


@dataclass(frozen=True)
class Shards(Dataset):
    """A folder that `marigold prepare` made."""

    fields: tuple[str, ...] = ()
    """The fields to read; empty means all that are there."""
    card: DatasetCard = field(
        default=DatasetCard(tuple(FIELDS), ("train", "test"), "see shards.json", "see shards.json"), init=False
    )

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise ConfigError(f"fields: {unknown('field', printable(name), FIELDS)}")

    def card_of(self, root: Path) -> DatasetCard:
        """As the folder's `shards.json` says. Raises `DataError`."""
        return opened(as_path(root, "root", DataError)).card

    def scan(self, root: Path, split: str) -> list[str]:
        """The keys of a split, in the order of the data set that they were made from. Raises `DataError`."""
        index = opened(as_path(root, "root", DataError))
        if split not in index.card.splits:
            there = ", ".join(index.card.splits) or "none"
            raise DataError(f"{root}: no split `{printable(split)}`; there are: {there}")
        return index.keys(split)

    def read(self, root: Path, key: str) -> Sample:
        """One sample. Raises `DataError` naming its shard and key when it is not what was written."""
        index, row, fields = self._found(root, key)
        shard, remedy = index.shards[row["shard"]], _shard_index.remedy(index.root)
        size = int(row["height"]), int(row["width"])
        try:
            parts = _parts(index, row, fields)
            _check_size(parts, _shard_parts.largest(fields, size), size)
            with open_file(index.root / shard.name, DataError, remedy) as file:
                if (stored := os.fstat(file.fileno()).st_size) != shard.size:
                    raise ValueError(f"the shard has {stored} bytes, of {shard.size}")
                return _shard_parts.decode(key, _contents(file, parts), fields, size)
        except MarigoldError:
            raise
        except Exception as error:  # decoders meet damaged bytes with errors of every type
            told = reason(error) if isinstance(error, OSError) else " ".join(str(error).split())[:200]
            where = f"{printable(index.root / shard.name)}: {printable(key)}"
            raise DataError(f"{where}: damaged ({printable(told) or type(error).__name__}); {remedy}") from error

    def identity(self, root: Path, key: str) -> str:
        """The checksums and sizes of the parts that are read. Raises `DataError`."""
        index, row, fields = self._found(root, key)
        return " ".join(f"{part.crc32:08x}+{part.size}" for part in _parts(index, row, fields))

    def _found(self, root: Path, key: str) -> tuple[Index, np.void, tuple[str, ...]]:
        """The index, the row of the key in it, and the fields to read."""
        index = opened(as_path(root, "root", DataError))
        if (place := index.places.get(key)) is None:
            raise DataError(f"{printable(index.root)}: no sample `{shown(key)}`; scan the data set again")
        if missing := [name for name in self.fields if name not in index.card.fields]:
            there = ", ".join(index.card.fields) or "the photo alone"
            raise DataError(
                f"{printable(index.root)}: has no {', '.join(missing)}, only {there}; prepare it with these fields"
            )
        chosen = tuple(name for name in index.card.fields if name in (self.fields or index.card.fields))
        return index, index.rows[place], chosen


def stand_in(dataset: Dataset, root: Path) -> Dataset:
    """What reads the samples at a root: the data set itself or, where shards lie there that were made from it, those.

    So a recipe for a data set as it was downloaded works with its shards, too. Raises `DataError` for shards of another
    data set, or made with other settings.
    """
    if isinstance(dataset, Shards) or not _shard_index.has_label(root):
        return dataset
    made = opened(root).made
    asked = {name: value for name, value in encode(dataset).items() if name != NAME}
    remedy = "choose that, or read them as they are with `dataset: shards`"
    if made["dataset"] != name_of(dataset):
        raise DataError(f"{root}: holds shards of {word(made['dataset'])}, not of {name_of(dataset)}; {remedy}")
    for name, value in asked.items():
        if name != "fields" and made["settings"].get(name) != value:
            was = shown(made["settings"].get(name))
            raise DataError(f"{root}: holds shards made with {name} {was}, not {shown(value)}; {remedy}")
    return Shards(tuple(asked.get("fields", ())))


def _check_size(parts: list[Part], most: tuple[int, ...], size: tuple[int, int]) -> None:
    """Raises `ValueError` for more bytes than a photo of this size explains."""
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ValueError(f"{size[1]} x {size[0]} pixels, which no sample has")
    for part, limit in zip(parts, most, strict=True):
        if part.size > limit:
            raise ValueError(f"{part.name} has {part.size} bytes, where {size[1]} x {size[0]} pixels take {limit}")


def _parts(index: Index, row: np.void, fields: tuple[str, ...]) -> list[Part]:
    """The photo and these fields."""
    return [part for part in index.parts(row) if part.name in _shard_parts.names(fields)]


def _contents(file: BufferedReader, parts: list[Part]) -> dict[str, np.ndarray]:
    """The members' bytes by name, uint8. Raises `ValueError` for other bytes than were written."""
    found = {}
    for run in _runs(parts):
        start = run[0].start
        buffer = np.empty(run[-1].end - start, np.uint8)
        file.seek(start)
        if file.readinto(buffer.data) < len(buffer):
            raise ValueError("cut short")
        found |= {part.name: buffer[part.start - start : part.end - start] for part in run}
    for part in parts:
        if imagecodecs.deflate_crc32(found[part.name]) != part.crc32:
            raise ValueError(f"{part.name} has another checksum than was written")
    return found


def _runs(parts: list[Part]) -> list[list[Part]]:
    """Members in groups that are read at once, since little lies between them."""
    runs = [parts[:1]]
    for before, part in pairwise(parts):
        if 0 <= part.start - before.end <= _GAP:
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs
