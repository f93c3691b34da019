"""Score a checkpoint, a model or a folder of predictions on benchmarks, in tables and a page of samples."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marigold.cli import _pair, complain, parsed
from marigold.cli._evaluation import Options
from marigold.core.console import printable

ELSEWHERE = ("device", "compile", "offload")
"""Settings that a result does not tell: scores of the same weights in the same precision are the same with others."""
VERBS = {"compare": "_compare", "verify": "_verify", "calibrate": "_calibrate"}
"""What has a command line of its own, by the module of it."""


@dataclass(frozen=True)
class Chosen:
    """A verb of its own, by its module, with its options."""

    module: str
    options: Any


def parse(arguments: list[str]) -> Options | Chosen:
    """The command line as options, or those of a verb of its own."""
    if arguments and (name := VERBS.get(arguments[0])):
        module = f"marigold.cli.{name}"
        return Chosen(module, importlib.import_module(module).parse(arguments[1:]))
    found = parsed(Options, "evaluate", arguments)
    if not 1 <= len(found.what) <= 2:
        complain("evaluate", "name one suite or data set, or a checkpoint and a data set")
    return found


def run(options: Options | Chosen) -> int:
    """Scores, prints the tables and says where the results are; 1 where a sample has no score."""
    if isinstance(options, Chosen):
        return importlib.import_module(options.module).run(options.options)
    if len(options.what) == 2:
        return _pair.run(options)
    written: set[str] = set()
    return sum(_run(options, checkpoint, written) for checkpoint in _checkpoints(options)) and 1


def _checkpoints(options: Options) -> tuple[str, ...]:
    """Those that are named, or else those of the suite; one that is empty where others are scored."""
    from marigold.evaluate.asked import suite_of

    if options.checkpoint or options.predictions or options.model:
        return options.checkpoint or ("",)
    _, suite = suite_of(_asked(options, ""))
    return suite.checkpoints


def _run(options: Options, checkpoint: str, written: set[str]) -> int:
    """Scores one; 1 where a sample has no score. The names in `written` are taken."""
    from marigold.core.errors import ConfigError
    from marigold.evaluate import results, run
    from marigold.evaluate.asked import root_of, source_of, suite_of

    asked = _asked(options, checkpoint)
    name, suite = suite_of(asked)
    hardware = options.request.hardware()
    how = {name: hardware[name] for name in ELSEWHERE[1:]}
    source = source_of(asked, suite, hardware["device"], options.trust, **how)
    output = options.output or Path("results")
    where = run.Where(root_of(asked), output, options.count, options.jobs, asked.protocol, report=options.report)
    if source.name in written:
        told = printable(f"{checkpoint}: is called {source.name} like the one before, whose result it would replace")
        raise ConfigError(f"{told}; score it by itself with --name")
    written.add(source.name)
    found = run.run(name, suite, source, where, asked.as_plain())
    folder = run.folder_of(output, name, source.name)
    print((folder / results.TABLE).read_text(encoding="utf-8"))
    for line in [*found.left.missing, *found.left.unusable]:
        print(f"marigold: {printable(line)}", file=sys.stderr)
    if found.holes:
        told = f"{found.holes} of {len(found.rows)} samples have no score; {results.SAMPLES} says why"
        print(f"marigold: {printable(told)}", file=sys.stderr)
    print(printable(folder))
    return int(found.holes > 0 or bool(found.left.unusable))


def _asked(options: Options, checkpoint: str) -> Any:
    from marigold.evaluate.asked import Asked
    from marigold.evaluate.source import stated

    protocol = {"space": options.align, "fit": options.fit, "longest": options.longest, "pooling": options.pooling}
    beside = None if not options.beside else tuple(name for name in options.beside if name != "none")
    given = {key: value for key, value in stated(options.request).items() if key not in ELSEWHERE}
    return Asked(
        what=options.what[0],
        checkpoint=checkpoint,
        predictions=str(options.predictions or ""),
        pattern=options.pattern,
        model=options.model,
        modality=options.modality,
        name=options.name,
        root=str(options.root or ""),
        split=options.split,
        count=options.count,
        set=options.settings,
        measures=options.measures,
        beside=beside,
        protocol={key: value for key, value in protocol.items() if value is not None},
        prediction=given,
    )
