"""Evaluates whoever it is on a suite: the one way for the command line, for Python and for `verify`."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, OutputError
from marigold.core.files import delete_leftovers, file_name, make_folder
from marigold.core.find import name_of
from marigold.core.limits import SAMPLES
from marigold.core.locks import locked
from marigold.core.sample import unstack
from marigold.data import border
from marigold.evaluate import benchmark, fingerprint, gallery, html, results, table
from marigold.evaluate.gallery import Shown
from marigold.evaluate.record import Journal, Record
from marigold.evaluate.results import Row, Scored
from marigold.evaluate.source import Source
from marigold.evaluate.suite import Suite, SuiteSet
from marigold.evaluate.task import Task, task

JOBS = 64
"""The most threads, each of which holds a photo with its maps."""


@dataclass(frozen=True)
class Where:
    """Where data lie and results go, and what of a suite is left out; none of it is in the suite."""

    root: Path | None = None
    """The folder that holds the folders of a suite's sets."""
    output: Path = Path("results")
    count: int = 0
    """The first so many samples of each set; 0 means as the suite says."""
    jobs: int = 2
    """Threads that read and score."""
    protocol: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Protocol` that go before the suite's."""
    progress: bool = True
    report: bool = True
    """Make the page of pictures."""

    def __post_init__(self) -> None:
        require(0 <= self.count <= SAMPLES, "count", self.count, f"from 0 to {SAMPLES:,}")
        require(1 <= self.jobs <= JOBS, "jobs", self.jobs, f"from 1 to {JOBS}")


@dataclass(frozen=True)
class Left:
    """The sets of a suite that are not scored, with why, a line for each."""

    missing: list[str] = field(default_factory=list)
    """Those that are not on the disk."""
    unusable: list[str] = field(default_factory=list)
    """Those that are, and that cannot be read as they should be."""


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found."""

    summary: dict[str, Any]
    rows: list[Row]
    scored: list[Scored]
    left: Left
    """Sets that were not scored."""

    @property
    def holes(self) -> int:
        """Samples without a score that should have one."""
        return sum(len(one["holes"]) for one in self.summary["sets"])


def tasks(suite: Suite, source: Source, where: Where) -> tuple[list[tuple[SuiteSet, Task]], Left]:
    """The sets that can be scored, and those that cannot.

    Raises `DataError` where none can, and `ConfigError` for what cannot be asked for.
    """
    found: list[tuple[SuiteSet, Task]] = []
    left = Left()
    for one in suite.sets:
        if one.modality and one.modality != name_of(source.modality):
            continue
        root = Path(where.root or "") / one.folder if one.folder else Path(where.root or "")
        if one.folder and not root.exists():
            left.missing.append(f"{one.title}: not there, at {root}")
            continue
        try:
            found.append((one, task(one, source.modality, root, where.count, where.protocol)))
        except DataError as error:
            if len(suite.sets) == 1:
                raise
            left.unusable.append(_told(one, error))
    if not found and left.unusable:
        raise DataError(printable("; ".join(left.unusable)))
    if not found and left.missing:
        told = printable("; ".join(left.missing))
        raise DataError(f"{told}; give --root the folder that holds {', '.join(one.folder for one in suite.sets)}")
    if not found:
        raise ConfigError(f"{suite.title}: has no set for `{name_of(source.modality)}`; choose another checkpoint")
    return found, left


def _told(one: SuiteSet, error: DataError) -> str:
    """Why a set is not scored, with its name once."""
    return f"{one.title}: {str(error).removeprefix(f'{printable(one.title)}: ')}"


def run(name: str, suite: Suite, source: Source, where: Where, asked: Mapping[str, Any] | None = None) -> Outcome:
    """Scores and writes the result to `OUTPUT/NAME/MODEL`; one that was interrupted goes on where it was.

    `asked` is kept in the summary: what `verify` needs to run it again. Raises `DataError`, `ConfigError`,
    `OutputError`, and what answers raise.
    """
    began = time.perf_counter()
    todo, left = tasks(suite, source, where)
    folder = folder_of(where.output, name, source.name)
    with locked(folder / ".lock", f"{folder}: is being written"):
        delete_leftovers(folder)
        results.refuse_foreign(folder)
        facts = source.facts()
        journal = Journal(folder / results.JOURNAL, fingerprint.digest(todo, source, facts))
        done = False
        try:
            scored, lost = _each(
                todo,
                lambda number, one, ready: _scored(
                    one, ready, source, where, _noted(journal, number), _known(journal, number)
                ),
                alone=len(suite.sets) == 1,
            )
            left.unusable.extend(lost)
            summary = _summary(name, suite, source, facts, scored, time.perf_counter() - began, asked)
            rows = [row for one in scored for row in results.rows_of(one, source.name)]
            outcome = Outcome(summary, rows, scored, left)
            results.write(folder, summary, outcome.rows, pages(outcome, source, where))
            done = True
        finally:
            journal.close(done=done)
    return outcome


def score(suite: Suite, source: Source, where: Where) -> list[Scored]:
    """The records alone, without a result on the disk. Raises what `run` raises."""
    todo, _ = tasks(suite, source, where)
    found, _ = _each(
        todo,
        lambda number, one, ready: _scored(one, ready, source, where, lambda record: None, {}),
        alone=len(suite.sets) == 1,
    )
    return found


def _each(
    todo: list[tuple[SuiteSet, Task]], score_one: Callable[[int, SuiteSet, Task], Scored], *, alone: bool
) -> tuple[list[Scored], list[str]]:
    """The sets of a suite, scored, and why others could not be. Raises `DataError` where none can, or one `alone`."""
    found: list[Scored] = []
    lost: list[str] = []
    for number, (one, ready) in enumerate(todo):
        try:
            found.append(score_one(number, one, ready))
        except DataError as error:
            if alone:
                raise
            lost.append(_told(one, error))
    if not found:
        raise DataError(printable("; ".join(lost)))
    return found, lost


def pages(outcome: Outcome, source: Source, where: Where) -> dict[str, str]:
    """The pages for people. Samples that are shown are answered once more."""
    tables = {results.TABLE: table.md(outcome.summary)}
    if not where.report:
        return tables
    pictures = [one for scored in outcome.scored for one in _shown(outcome, scored, source)]
    return {**tables, results.REPORT: html.page(outcome.summary, outcome.rows, pictures)}


def folder_of(output: Path, suite: str, model: str) -> Path:
    """The folder of a result, made if need be. Raises `OutputError`."""
    try:
        names = [file_name(printable(part).replace("/", "--"), "a result") for part in (suite, model)]
    except OutputError as error:
        raise OutputError(f"{error}; or name the result with --name") from None
    return make_folder(output.joinpath(*names))


def _scored(
    one: SuiteSet,
    ready: Task,
    source: Source,
    where: Where,
    note: Callable[[Record], object],
    known: Mapping[str, Record],
) -> Scored:
    answers = source.answers(one.prediction, one.folder)
    records = benchmark.run(
        ready,
        answers,
        reconstruct=source.reconstruct,
        known=known,
        note=note,
        device=source.device,
        jobs=where.jobs,
        progress=where.progress,
    )
    return Scored(ready, records, source.stated(one.prediction), one.prediction, one.folder, answers.notes)


def _shown(outcome: Outcome, scored: Scored, source: Source) -> Iterator[Shown]:
    """The best, the median and the worst sample of a set; none where nothing is encoded that could be shown."""
    ready = scored.task
    main = ready.metrics[0] if ready.metrics and ready.has_truth else None
    if main is None:
        return
    rows = [row for row in outcome.rows if row["set"] == ready.title]
    answers = source.answers(scored.choice, scored.folder)
    for why, key in gallery.chosen(rows, main.name, main.higher_is_better).items():
        (sample,) = unstack(border.read_many(ready.dataset, ready.root, [key], source.device), [key])
        try:
            answer = answers.answer(sample)
        except DataError:  # of a model that is not the same twice, which costs this picture alone
            continue
        how: dict[str, Any] = dict(of=ready.title, error=ready.modality.error, unit=ready.error_unit)
        yield gallery.shown(answer, sample, ready.modality, ready.protocol, why, **how)


def _noted(journal: Journal, number: int) -> Callable[[Record], object]:
    return lambda record: journal.add(number, record)


def _known(journal: Journal, number: int) -> dict[str, Record]:
    """What need not be done again; samples that had no score are tried once more."""
    return {key: one for (at, key), one in journal.known.items() if at == number and one.status != "hole"}


def _summary(
    name: str,
    suite: Suite,
    source: Source,
    facts: Mapping[str, Any],
    scored: list[Scored],
    seconds: float,
    asked: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "format": results.FORMAT,
        "suite": name,
        "title": suite.title,
        "source": suite.source,
        "model": dict(facts),
        "versions": fingerprint.versions(source),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "asked": dict(asked or {}),
        "sets": [results.summary_of(one, source.name) for one in scored],
    }
