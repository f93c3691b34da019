"""Compare two results: paired differences on the samples that both have, with bootstrap intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from marigold.cli import parsed


@dataclass(frozen=True)
class Options:
    """Options of `marigold evaluate compare`."""

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """The folder of a result, such as results/depth/NAME."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """The folder of another one of the same suite."""
    across: bool = False
    """Compare sets that were scored by different protocols, too; the table says where they were."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "evaluate compare", arguments)


def run(options: Options) -> int:
    """Prints the table."""
    from marigold.core.console import printable
    from marigold.evaluate import compare, results

    both = [results.read(folder) for folder in (options.first, options.second)]
    found = compare.compare(*both, across=options.across)
    for letter, (summary, _), folder in zip("AB", both, (options.first, options.second), strict=True):
        print(f"{letter}: {printable(summary['model'].get('name', ''))} ({printable(folder)})")
    print(f"\n{compare.table(found)}")
    return 0
