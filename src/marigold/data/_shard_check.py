"""Whether shards hold what their index says: every member in its place, with its name and checksum."""

import os
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError, reason
from marigold.core.reading import open_file
from marigold.data import _workers
from marigold.data._shard_plan import command
from marigold.datasets import _shard_parts
from marigold.datasets._shard_index import Index, Part, opened

_PIECE = 1 << 20


@dataclass(frozen=True)
class Checked:
    """What the shards hold, and what is wrong with them."""

    samples: dict[str, int]
    """Of each split."""
    usable: dict[tuple[str, str], float]
    """Of each split and field, the share of the pixels that may be used; those of damaged shards count as they are."""
    flaws: tuple[str, ...]
    """Each names a shard and what is wrong with it."""
    broken: tuple[str, ...]
    """The names of the shards with flaws."""
    command: str
    """The command that makes the shards that are missing."""


def check(root: Path, workers: int = 1) -> Checked:
    """Reads every byte of the shards in a folder. Raises `DataError` where there is no index that can be used."""
    _workers.check(workers)
    index = opened(root)
    places = range(len(index.shards))
    with closing(_workers.results(partial(_checked, root), places, workers)) as found:
        every = sorted(found)
    flaws = [flaw for _, some, _ in every for flaw in some]
    ones = sum((Counter(counts) for _, _, counts in every), Counter())
    samples = {split: int((index.rows["split"] == place).sum()) for place, split in enumerate(index.card.splits)}
    broken = tuple(index.shards[place].name for place, some, _ in every if some)
    return Checked(samples, _shares(index, ones), tuple(flaws), broken, command(index.made, root))


def read_back(path: Path, parts: Sequence[Part]) -> Iterator[tuple[Part | None, str]]:
    """What of a tar differs from the members that were written to it, as the disk gives it back; each with its part.

    `parts` have the whole names of members. Raises `DataError` where it cannot be read.
    """
    with open_file(path, DataError, "write it again") as file:
        _forget(file)
        yield from ((None, words) for words in _misnamed(file, parts))
        for part in parts:
            if _measured(file, part)[0] != part.crc32:
                yield part, "has another checksum than was written"


def _checked(root: Path, place: int) -> tuple[int, list[str], dict[tuple[str, str], int]]:
    """What is wrong with a shard, and how many pixels may be used in it, by split and field."""
    index = opened(root)
    shard, rows = index.shards[place], index.rows[index.rows["shard"] == place]
    path, flaws, ones = root / shard.name, [], Counter[tuple[str, str]]()
    try:
        with open_file(path, DataError, "it is gone") as file:
            if (size := os.fstat(file.fileno()).st_size) != shard.size:
                flaws.append(f"has {size} bytes, where {shard.size} were written")
            parts = [replace(part, name=f"{index.stem(row)}.{part.name}") for row in rows for part in index.parts(row)]
            flaws += _misnamed(file, parts)
            for row in rows:
                _workers.go_on()
                flaws += _of_sample(file, index, row, ones)
    except DataError as error:
        flaws.append(str(error).removeprefix(f"{path}: ").partition(";")[0])
    return place, [f"{printable(shard.name)}: {printable(flaw)}" for flaw in flaws], dict(ones)


def _of_sample(file: BufferedReader, index: Index, row: np.void, ones: Counter[tuple[str, str]]) -> Iterator[str]:
    """What is wrong with a sample's members; counts the pixels of its masks."""
    split, masks = index.card.splits[row["split"]], {_shard_parts.mask(name): name for name in index.card.fields}
    for part in index.parts(row):
        check, counted = _measured(file, part)
        if check != part.crc32:
            yield f"{row['key'].decode('utf-8', 'replace')}: {part.name} has another checksum than was written"
        elif part.name in masks:
            ones[split, masks[part.name]] += counted


def _measured(file: BufferedReader, part: Part) -> tuple[int, int]:
    """The checksum of a member, and the number of bits that are set behind its header."""
    check, ones, header = 0, 0, _shard_parts.HEADER
    file.seek(part.start)
    for start in range(0, part.size, _PIECE):
        piece = file.read(min(_PIECE, part.size - start))
        check = zlib.crc32(piece, check)
        if part.name.endswith(_shard_parts.MASK):
            ones += int(np.bitwise_count(np.frombuffer(piece, np.uint8)[0 if start else header :]).sum(dtype=np.int64))
    return check, ones


def _misnamed(file: BufferedReader, parts: Sequence[Part]) -> Iterator[str]:
    """Where the members that the tar itself names differ from these, the first such place."""
    try:
        file.seek(0)
        for found, part in zip_longest(_members(file), parts):
            if found is None or part is None or found != (part.name, part.start, part.size):
                there = f"`{printable(found[0][:200])}` at {found[1]}" if found else "nothing more"
                asked = f"`{part.name}` at {part.start}" if part else "nothing more"
                yield f"holds {there}, where the index has {asked}"
                return
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        yield f"no tar that can be read ({reason(error)})"


def _members(file: BufferedReader) -> Iterator[tuple[str, int, int]]:
    """The names, places and sizes of a tar's members."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            vars(tar)["members"] = []  # of which it would keep all
            yield member.name, member.offset_data, member.size


def _forget(file: BufferedReader) -> None:
    """Lets the system drop what it keeps of a file in memory, where it can, so that reading asks the disk."""
    if (advise := getattr(os, "posix_fadvise", None)) is not None:
        advise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _shares(index: Index, ones: Counter[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """The counts as shares of all pixels of a split."""
    rows, shares = index.rows, {}
    pixels = rows["height"].astype(np.int64) * rows["width"]
    for place, split in enumerate(index.card.splits):
        total = int(pixels[rows["split"] == place].sum())
        shares |= {(split, name): ones[split, name] / total for name in index.card.fields if total}
    return shares
