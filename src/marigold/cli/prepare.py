"""Bring a data set into shards that are fast to read in any order, or check them.

`marigold prepare DATASET RAW OUT` makes the shards in OUT; the same command goes on where it was interrupted.
`marigold prepare check OUT` compares what is there with its checksums and its index.
"""

import shlex
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import Positional, UseAppendAction, arg

from marigold.cli import one_line, parsed, paths, refuse_empty, strict
from marigold.core.console import printable

if TYPE_CHECKING:
    from marigold.data._shard_check import Checked
    from marigold.data.prepare import Preparation, Report

CHECK = "check"
_PICTURED = 6
"""Samples on the contact sheet."""
_LINES = 5
"""Samples or flaws that are printed."""


@dataclass(frozen=True)
class Options:
    """What is prepared, and where to."""

    dataset: Annotated[Positional[str], arg(metavar="DATASET")]
    """The name of a data set, such as folder, or the dotted name of a module."""
    raw: Annotated[Positional[Path], arg(metavar="RAW")]
    """Where it lies, as it was downloaded: a folder or a tar; give . for one that renders."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """The folder of the shards; the same command goes on after an interruption."""
    splits: Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """The splits to prepare; all when left out."""
    count: int = 0
    """Only the first so many samples of each split; 0 means all."""
    size: Annotated[tuple[int, int] | None, arg(metavar="H W", help_behavior_hint="")] = None
    """Height and width in pixels that each sample is brought to, whole; its own when left out."""
    fields: Annotated[tuple[str, ...], arg(metavar="NAME ...", help_behavior_hint="")] = ()
    """The fields to keep, such as depth normals; all that the data set gives when left out."""
    settings: Annotated[tuple[str, ...], UseAppendAction, arg(name="set", metavar="KEY=VALUE")] = ()
    """A setting of the data set, as a recipe has it; several each with --set."""
    shard_size: int = 512
    """About so many MB in a shard."""
    most_dropped: float = 0.01
    """The largest share of samples that cannot be read and are left out; with more the command fails. Those that the
    data set's own rules refuse do not count."""
    workers: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Processes that read and write; one for each processor core when left out. They change no byte of the result."""


@dataclass(frozen=True)
class Check:
    """Shards to check."""

    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """A folder that `marigold prepare` made."""
    workers: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Processes that read; one for each processor core when left out."""


def parse(arguments: list[str]) -> Options | Check:
    """The command line as options; a first word `check` is never the name of a data set."""
    if arguments[:1] != [CHECK]:
        return parsed(Options, "prepare", arguments)
    refuse_empty("prepare", arguments)
    parse = partial(
        tyro.cli,
        Check,
        prog=f"marigold prepare {CHECK}",
        description="Compare shards with their checksums and their index.",
        config=(tyro.conf.DisallowNone,),
        registry=paths(),
    )
    return strict(parse, f"prepare {CHECK}", arguments[1:])


def run(options: Options | Check) -> int:
    """Prepares or checks; the exit code is 1 where shards are damaged, or too many samples cannot be read."""
    return _check(options) if isinstance(options, Check) else _prepare(options)


def _prepare(options: Options) -> int:
    from marigold.cli import _sample_sheet
    from marigold.data import _workers
    from marigold.data.prepare import SHEET, prepare
    from marigold.datasets.shards import Shards

    preparation = _preparation(options)
    workers = _workers.usual() if options.workers is None else options.workers
    report = prepare(preparation, options.out, workers=workers, most_dropped=options.most_dropped)
    shards, sheet = Shards(), options.out / SHEET
    if not sheet.is_file():
        every = [key for split in report.splits for key in shards.scan(options.out, split)]
        _sample_sheet.write(sheet, shards, options.out, every[:: -(-len(every) // _PICTURED)])
    _summarise(report)
    print(printable(options.out))
    return 0


def _preparation(options: Options) -> "Preparation":
    """What the options ask for. Raises `ConfigError` for settings that the data set does not have."""
    from marigold.data import words
    from marigold.data.prepare import Preparation

    dataset = words.dataset(options.dataset, options.settings)
    return Preparation(
        dataset, options.raw, options.splits, options.count, options.size, options.fields, options.shard_size
    )


def _summarise(report: "Report") -> None:
    for split, part in report.splits.items():
        each = f", {_size(part.bytes / part.samples)} a sample" if part.samples else ""
        shards = f"{part.shards} shard{'s' * (part.shards != 1)}"
        line = f"{split}: {part.samples} samples in {shards}, {_size(part.bytes)}{each}"
        refused = f"; {part.refused} refused by the data set's own rules" if part.refused else ""
        print(line + (f"; {part.dropped} left out" if part.dropped else "") + refused, file=sys.stderr)
    _print_some([f"left out: {one.why}" for one in report.dropped], "report.json lists them all")


def _size(count: float) -> str:
    """Bytes for a person, `3.1 MB`."""
    unit, name = next((pair for pair in ((1e9, "GB"), (1e6, "MB")) if count >= pair[0]), (1e3, "kB"))
    return f"{count / unit:.1f} {name}"


def _print_some(lines: list[str], rest: str) -> None:
    for line in lines[:_LINES]:
        print(f"  {one_line(line)}", file=sys.stderr)
    if len(lines) > _LINES:
        print(f"  ... and {len(lines) - _LINES} more; {rest}", file=sys.stderr)


def _check(options: Check) -> int:
    from marigold.data import _workers
    from marigold.data._shard_check import check

    found = check(options.out, _workers.usual() if options.workers is None else options.workers)
    for split, samples in found.samples.items():
        usable = [f"{name} {100 * share:.1f} %" for (own, name), share in found.usable.items() if own == split]
        print(f"{split}: {samples} samples; pixels that may be used: {', '.join(usable) or 'no fields'}")
    return _complain(options, found) if found.flaws else 0


def _complain(options: Check, found: "Checked") -> int:
    """Prints what is broken and what to do about it; returns the exit code."""
    shards = f"{len(found.broken)} damaged shard{'s' * (len(found.broken) != 1)}"
    print(f"marigold: error: {shards} in {printable(options.out)}:", file=sys.stderr)
    _print_some(list(found.flaws), "all lie in the shards named below")
    files = " ".join(shlex.quote(printable(options.out / name)) for name in found.broken)
    print(f"  delete them, and make them again:\n  rm -f {files}\n  {found.command}", file=sys.stderr)
    return 1
