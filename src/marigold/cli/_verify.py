"""Run a stored result's first samples again and say, sample by sample, whether this machine reproduces it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from marigold.cli import parsed
from marigold.evaluate.verify import TOLERANCE


@dataclass(frozen=True)
class Options:
    """Options of `marigold evaluate verify`."""

    result: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RESULT")]
    """The folder of a result, such as results/depth/NAME."""
    count: int = 8
    """The first so many samples of every set; 0 takes all."""
    root: Path | None = None
    """Where the data lie here; as when the result was made, if left out."""
    model: str = ""
    """Of a result of Python code: MODULE:CLASS again, since no file may choose what runs."""
    tolerance: float = TOLERANCE
    """The relative difference of any metric on any sample that is allowed."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    jobs: int = 2
    """Threads that read and score."""
    trust: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PACKAGE")] = ()
    """A package whose code the checkpoint or data set may run, such as my_package; several each with --trust."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "evaluate verify", arguments)


def run(options: Options) -> int:
    """Prints a line for each set; 1 where one is not reproduced."""
    from marigold.core.config import require
    from marigold.evaluate import results, verify

    require(options.count >= 0, "--count", options.count, "at least 0")
    require(0 <= options.tolerance < 1, "--tolerance", options.tolerance, "from 0 to 1")
    summary, rows = results.read(options.result)
    count = options.count or max(len(rows), 1)
    found, remarks = verify.verify(
        summary,
        rows,
        count=count,
        root=str(options.root or ""),
        model=options.model,
        device=options.device,
        jobs=options.jobs,
        trust=options.trust,
    )
    for remark in remarks:
        print(f"note: {remark}")
    print(verify.table(found, options.tolerance))
    return int(not all(one.is_reproduced(options.tolerance) for one in found))
