"""`marigold prepare`: a data set as it was downloaded becomes shards that are read fast in any order.

    OUT/shards.json, index.npy    what is there, written last (`datasets/_shard_index.py`)
    OUT/train-00000.tar           samples (`datasets/_shard_parts.py`)
    OUT/report.json               how many there are, which were left out or refused, and why
    OUT/contact_sheet.jpg         some of them, which the command adds
    OUT/.prepare                  while it is being made: the plan, and which shards are done

Samples are in the order of the data set, and a shard is a run of so many of them, whoever makes it and in which order:
however often a run is interrupted and by how many processes it is done, the shards have the same bytes.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from marigold.core.config import require
from marigold.core.documents import read_json
from marigold.core.errors import DataError, OutputError
from marigold.core.files import as_path, delete_leftovers, is_leftover, make_folder, write_json
from marigold.core.locks import locked
from marigold.data import _shard_plan, _shard_write, _workers
from marigold.data._shard_plan import WORK, Plan, Preparation
from marigold.data._shard_write import Done, Dropped
from marigold.datasets import _shard_index
from marigold.datasets._shard_index import Shard, opened

REPORT, SHEET = "report.json", "contact_sheet.jpg"
_LOCK = ".prepare.lock"
_NAMED = 3
"""Samples that a message names."""


@dataclass(frozen=True)
class Part:
    """What became of a split."""

    samples: int
    dropped: int
    shards: int
    bytes: int
    """Of its shards."""
    refused: int = 0
    """By the data set's own rules."""


@dataclass(frozen=True)
class Report:
    """What became of a data set."""

    splits: dict[str, Part]
    dropped: tuple[Dropped, ...]
    refused: tuple[Dropped, ...] = ()
    """Those that the data set's own rules leave out, with which nothing is wrong."""


def prepare(preparation: Preparation, out: Path, *, workers: int = 1, most_dropped: float = 0.01) -> Report:
    """Makes the shards that are missing in the folder `out`, and tells of all.

    A sample that cannot be read, or that the data set's own rules refuse, is left out. Raises `DataError` when those
    that cannot be read are a larger share than `most_dropped`, or where the data set cannot be read at all;
    `ConfigError` where `out` was begun with another command; `OutputError` where it cannot be written, or holds
    something else.
    """
    out = as_path(out, "OUT")
    require(0 <= most_dropped <= 1, "--most-dropped", most_dropped, "a share, 0 to 1")
    _workers.check(workers)
    _check_place(out)
    with locked(make_folder(out) / _LOCK, f"{out}: is being prepared"):
        delete_leftovers(out)
        preparation = preparation.completed()
        if (earlier := _shard_plan.begun(out)) is not None:
            _shard_plan.check_same(earlier, preparation.made(), out)
        if _shard_index.has_label(out):
            return _restored(preparation, out, workers)
        plan = _shard_plan.plan(preparation, make_folder(out / WORK).parent)
        delete_leftovers(out / WORK)
        every = _made(plan, out, workers, most_dropped)
        report = _report(preparation.splits, every)
        _write_report(out, report)
        _write_index(plan, out, every)
        shutil.rmtree(out / WORK, ignore_errors=True)
        return report


def _check_place(out: Path) -> None:
    """Raises `OutputError` for a folder that holds what nobody prepared, such as the data set itself."""
    if not out.is_dir() or _shard_index.has_label(out) or (out / WORK).is_dir():
        return
    others = [name for name in sorted(os.listdir(out)) if not is_leftover(name) and not _is_own(name)]
    if others:
        raise OutputError(f"{out}: holds other files, such as {others[0]}; choose an empty folder, or a name for one")


def _is_own(name: str) -> bool:
    return name in (_LOCK, REPORT, SHEET) or _shard_index.is_own(name)


def _made(plan: Plan, out: Path, workers: int, most_dropped: float) -> list[Done]:
    """All shards, in order, of which those are written that are missing."""
    preparation, pieces = plan.preparation, plan.pieces()
    known = {piece.name: _shard_write.done(preparation, out, piece) for piece in pieces}
    every = {name: done for name, done in known.items() if done is not None}
    missing = [piece for piece in pieces if piece.name not in every]
    left = plan.total - sum(len(piece.keys) for piece in missing)
    work = partial(_shard_write.write, preparation, out)
    with (
        closing(_workers.results(work, missing, workers)) as results,
        tqdm(total=plan.total, initial=left, desc="samples", unit="sample", disable=None) as bar,
    ):
        for done in results:
            every[done.name] = done
            bar.update(len(done.rows) + len(done.dropped))
            _require_few(preparation.splits, every.values(), out, most_dropped * plan.total)
    _require_few(preparation.splits, every.values(), out, most_dropped * plan.total)
    return [every[piece.name] for piece in pieces]


def _require_few(splits: Sequence[str], every: Iterable[Done], out: Path, most: float) -> None:
    """Raises `DataError`, once the report is written, when more samples were left out than that, or all."""
    report = _report(splits, every)
    kept = sum(part.samples for part in report.splits.values())
    if len(report.dropped) <= most:
        return
    _write_report(out, report)
    told = "; ".join(one.why.rstrip(".") for one in report.dropped[:_NAMED])
    raise DataError(
        f"{out}: {len(report.dropped)} of {kept + len(report.dropped)} samples so far cannot be read ({told}); correct "
        f"those that {REPORT} lists there, or leave out more with --most-dropped, and give the command again"
    )


def _report(splits: Sequence[str], every: Iterable[Done]) -> Report:
    every = list(every)
    parts = {}
    for split in splits:
        own = [done for done in every if done.name.rpartition("-")[0] == split]
        samples, size = sum(len(done.rows) for done in own), sum(done.size for done in own)
        refused = [one.refused for done in own for one in done.dropped]
        parts[split] = Part(samples, refused.count(False), len(own), size, refused.count(True))
    left_out = [one for done in every for one in done.dropped]
    dropped, refused = (tuple(one for one in left_out if one.refused is kind) for kind in (False, True))
    return Report(parts, dropped, refused)


def _write_report(out: Path, report: Report) -> None:
    write_json(out / REPORT, asdict(report))


def _read_report(out: Path) -> Report:
    remedy = "prepare the data set again in another folder"
    content = read_json(out / REPORT, DataError, remedy)
    try:
        splits = {split: Part(**part) for split, part in content["splits"].items()}
        dropped, refused = (tuple(Dropped(**one) for one in content[name]) for name in ("dropped", "refused"))
        return Report(splits, dropped, refused)
    except (TypeError, LookupError, AttributeError) as error:
        raise DataError(f"{out / REPORT}: is no report; {remedy}") from error


def _write_index(plan: Plan, out: Path, every: Sequence[Done]) -> None:
    fields, rows = plan.preparation.fields, [done.rows for done in every if len(done.rows)]
    if not rows:
        raise DataError(f"{out}: no sample is left of {plan.total}; {REPORT} there says why")
    kind = _shard_index.row_type(fields, max(some.dtype["key"].itemsize for some in rows))
    table = np.concatenate([some.astype(kind) for some in rows])
    shards = [Shard(done.name, done.size) for done in every]
    _shard_index.write(out, plan.preparation.card(), shards, plan.made, table)


def _restored(preparation: Preparation, out: Path, workers: int) -> Report:
    """The report of shards that are all made; those that are gone, or were cut short, are made again.

    Raises `DataError` where they come out otherwise than the index says.
    """
    index = opened(out)
    lost = {shard.name: place for place, shard in enumerate(index.shards) if _size(out / shard.name) != shard.size}
    if lost:
        make_folder(out / WORK)
        plan = _shard_plan.plan(preparation, out)
        pieces = [piece for piece in plan.pieces() if piece.name in lost]
        with closing(_workers.results(partial(_shard_write.write, preparation, out), pieces, workers)) as results:
            for done in results:
                rows = index.rows[index.rows["shard"] == lost[done.name]]
                if done.rows.astype(rows.dtype).tobytes() != rows.tobytes():
                    (out / done.name).unlink(missing_ok=True)
                    raise DataError(
                        f"{out / done.name}: its samples have changed since they were prepared; prepare the data set "
                        "again in another folder"
                    )
    shutil.rmtree(out / WORK, ignore_errors=True)
    return _read_report(out)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
