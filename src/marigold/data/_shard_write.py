"""One shard: its samples read, written into a tar, read back and compared. Then, and not before, it counts as done.

What is known of a shard that is done lies in `.prepare`: `train-00000.npy`, the rows of its samples in the index, and,
written last, `train-00000.json`, its bytes and the samples that were left out.
"""

import os
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from marigold.core.documents import read_json
from marigold.core.errors import DataError, OutputError, RefusedSampleError
from marigold.core.files import whole_file, write_json
from marigold.core.reading import read_bytes
from marigold.core.sample import Sample
from marigold.data import _workers
from marigold.data._shard_check import read_back
from marigold.data._shard_plan import WORK, Piece, Preparation
from marigold.datasets import _decode, _shard_index, _shard_parts
from marigold.datasets._shard_index import Part

_MOST_ROWS = 1 << 30


@dataclass(frozen=True)
class Dropped:
    """A sample that was left out, and why."""

    split: str
    key: str
    why: str
    refused: bool = False
    """By the data set's own rules: nothing is wrong with it."""


@dataclass(frozen=True)
class Done:
    """A shard that is done."""

    name: str
    size: int
    """In bytes."""
    rows: np.ndarray
    """Those of its samples in the index."""
    dropped: tuple[Dropped, ...]


def write(preparation: Preparation, out: Path, piece: Piece) -> Done:
    """Makes a shard. Raises `OutputError` where it cannot be written, or the disk gives back something else."""
    fields = preparation.fields
    rows: list[Any] = []
    written: list[Part] = []
    dropped: list[Dropped] = []
    with whole_file(out / piece.name) as file:
        for number, key in enumerate(piece.keys, piece.first):
            _workers.go_on()
            try:
                sample = preparation.read(key)
            except DataError as error:
                dropped.append(Dropped(piece.split, key, str(error), isinstance(error, RefusedSampleError)))
                continue
            stem, contents = _shard_index.stem(piece.split, number), _shard_parts.encode(sample, piece.split, fields)
            parts = [_append(file, f"{stem}.{name}", content) for name, content in contents.items()]
            rows.append(_row(preparation, piece, number, sample, parts))
            written += parts
        size = _end(file)
    _compare(out / piece.name, written)
    done = Done(piece.name, size, _table(rows, fields), tuple(dropped))
    _record(out, done)
    return done


def done(preparation: Preparation, out: Path, piece: Piece) -> Done | None:
    """What is known of a shard that an earlier run has made; None where it is to be made.

    It is made again where samples were left out that can be read by now.
    """
    place = out / WORK / piece.name
    try:
        rows = _decode.npy(read_bytes(place.with_suffix(".npy"), DataError, "", _MOST_ROWS), str(place))
        found = read_json(place.with_suffix(".json"), DataError, "")
        dropped = tuple(Dropped(piece.split, key, why, refused) for key, why, refused in found["dropped"])
        done = Done(piece.name, found["bytes"], rows, dropped)
        if os.stat(out / piece.name).st_size != done.size or len(rows) + len(dropped) != len(piece.keys):
            return None
    except (DataError, OSError, TypeError, ValueError, LookupError):  # not there, or not what was written
        return None
    return None if any(_is_readable(preparation, one.key) for one in dropped if not one.refused) else done


def _is_readable(preparation: Preparation, key: str) -> bool:
    with suppress(DataError):
        preparation.read(key)
        return True
    return False


def _append(file: BinaryIO, name: str, content: bytes) -> Part:
    """Appends a member to a tar, of the same owner and time as all, so that the same samples are the same bytes."""
    head = tarfile.TarInfo(name)
    head.size = len(content)
    file.write(head.tobuf(tarfile.USTAR_FORMAT))
    start = file.tell()
    file.write(content)
    _fill(file, tarfile.BLOCKSIZE)
    return Part(name, start, len(content), imagecodecs.deflate_crc32(content))


def _end(file: BinaryIO) -> int:
    """Ends a tar, and returns its bytes."""
    file.write(bytes(2 * tarfile.BLOCKSIZE))
    _fill(file, tarfile.RECORDSIZE)
    return file.tell()


def _fill(file: BinaryIO, block: int) -> None:
    file.write(bytes(-file.tell() % block))


def _row(preparation: Preparation, piece: Piece, number: int, sample: Sample, parts: list[Part]) -> Any:
    """A sample in the index, as a tuple."""
    split = preparation.splits.index(piece.split)
    places = ([getattr(part, name) for part in parts] for name in ("start", "size", "crc32"))
    key = _shard_index.as_bytes(sample.key)
    return key, split, piece.place, number, *sample.image.shape[-2:], *places


def _table(rows: Sequence[Any], fields: tuple[str, ...]) -> np.ndarray:
    longest = max((len(row[0]) for row in rows), default=1)
    return np.array(rows, _shard_index.row_type(fields, longest))


def _compare(path: Path, parts: list[Part]) -> None:
    """Raises `OutputError`, and removes the shard, unless the disk gives back what was written."""
    for part, words in read_back(path, parts):
        path.unlink(missing_ok=True)
        what = f"{part.name} in it " if part else ""
        raise OutputError(f"{path}: {what}{words}, as it was read back; check the disk, or choose another one")


def _record(out: Path, done: Done) -> None:
    place = out / WORK / done.name
    with whole_file(place.with_suffix(".npy")) as file:
        np.save(file, done.rows, allow_pickle=False)
    dropped = [[one.key, one.why, one.refused] for one in done.dropped]
    write_json(place.with_suffix(".json"), {"bytes": done.size, "dropped": dropped})
