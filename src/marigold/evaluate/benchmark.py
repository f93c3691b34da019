"""Scores answers on a data set of a suite: samples are read ahead, scored in threads, and noted in a journal.

The numbers depend neither on the threads nor on where a run was interrupted: every sample is scored alone, and sums are
taken in the order of the samples.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

from marigold.core.console import printable
from marigold.core.device import memory_is_full
from marigold.core.errors import ConfigError, DataError, MarigoldError, RefusedSampleError
from marigold.core.find import name_of
from marigold.core.plain import shown
from marigold.core.sample import Sample, unstack
from marigold.data import border
from marigold.evaluate.answers import Answer, Answers
from marigold.evaluate.record import Record
from marigold.evaluate.task import Method, Task
from marigold.measure.tally import Tally

RENDERED = 8
"""Samples that are rendered together."""
PATIENCE = 10
"""So many holes before the first score end a run: something is wrong with all of them."""

T = TypeVar("T")
Note = Callable[[Record], object]
"""Takes the record of each sample when it is there."""


@dataclass(frozen=True)
class _Read:
    """A sample, or why there is none."""

    key: str
    sample: Sample | None
    record: Record | None
    seconds: float


def run(
    task: Task,
    answers: Answers,
    *,
    reconstruct: Method | None = None,
    known: Mapping[str, Record] | None = None,
    note: Note = lambda record: None,
    device: str = "cpu",
    jobs: int = 2,
    progress: bool = True,
) -> list[Record]:
    """A record for every sample of the task, in its order; those that are `known` are taken over.

    `reconstruct` sends the truth through the autoencoder, where that is asked for. Raises `DataError` when not one of
    the first samples can be scored, and what the answers raise beyond a sample of their own.
    """
    answers.check(task.keys)
    known = known or {}
    left = [key for key in task.keys if key not in known]
    records = {key: known[key] for key in task.keys if key in known}
    methods = task.methods(reconstruct)
    bar = tqdm(
        total=len(task.keys),
        initial=len(records),
        desc=f"{printable(answers.name)}: {printable(task.title)}",
        unit="photo",
        disable=None if progress else True,
    )
    with bar, ThreadPoolExecutor(max(1, jobs)) as pool:
        running = _Running(task, answers.name, bar)
        for record in _in_order(pool, _jobs(pool, task, answers, methods, left, device, jobs), jobs):
            note(record)
            records[record.key] = record
            running.add(record)
    found = [records[key] for key in task.keys]
    if found and all(record.status != "scored" for record in found):
        first = found[0]
        raise DataError(f"{printable(task.title)}: not one of {len(found)} samples can be scored ({first.reason})")
    if found and not any(map(_has_number, found)):
        measures = ", ".join(name_of(measure) for measure in task.measures)
        told = f"{printable(task.title)}: {printable(answers.name)} gives nothing that {measures} could score"
        raise DataError(f"{told}; choose other --measures, or settings that give it (such as --ensemble 3)")
    return found


def _has_number(record: Record) -> bool:
    """Whether any metric of the model has a number on a sample."""
    own = next(iter(record.tallies.values()), {})
    return any(tally.weight for tally in own.values())


def _jobs(
    pool: ThreadPoolExecutor,
    task: Task,
    answers: Answers,
    methods: Mapping[str, Method],
    keys: Sequence[str],
    device: str,
    jobs: int,
) -> Iterator[Callable[[], Record]]:
    """What remains to be done of each sample once it is answered, in order."""
    for read in _samples(pool, task, keys, device, jobs):
        if read.sample is None:
            yield partial(_given, read.record or Record(read.key, "hole"))
            continue
        before = time.perf_counter()
        try:
            answer = answers.answer(read.sample)
        except DataError as error:
            yield partial(_given, Record(read.key, "hole", _reason(error)))
            continue
        seconds = {"read": read.seconds, "predict": time.perf_counter() - before}
        yield partial(_scored, task, answers.name, methods, read.sample, answer, seconds)


def _given(record: Record) -> Record:
    return record


def _scored(
    task: Task, name: str, methods: Mapping[str, Method], sample: Sample, answer: Answer, seconds: dict[str, float]
) -> Record:
    """The record of a sample that was answered; what cannot be scored, for whatever reason, costs this sample alone."""
    before = time.perf_counter()
    try:
        tallies = _tallies(task, name, methods, sample.to("cpu"), answer)
    except DataError as error:
        return Record(sample.key, "hole", _reason(error), seconds=seconds)
    except MarigoldError:
        raise
    except Exception as error:
        return Record(sample.key, "hole", _failure(sample, error), seconds=seconds)
    return Record(sample.key, tallies=tallies, seconds={**seconds, "score": time.perf_counter() - before})


def _tallies(
    task: Task, name: str, methods: Mapping[str, Method], sample: Sample, answer: Answer
) -> dict[str, dict[str, Tally]]:
    """By method its metrics on a sample, those of the answer first."""
    tallies = {name: measured(task, answer, sample)}
    baselines = task.baselines(sample)
    if name in methods or name in baselines:
        told = f"{printable(name)}: is what tables call a line beside the model"
        raise ConfigError(f"{told}; give another name (--name), or leave that line out (--beside)")
    tallies |= {method: measured(task, give(sample), sample) for method, give in methods.items()}
    return tallies | {method: measured(task, answer, sample) for method, answer in baselines.items()}


def _failure(sample: Sample, error: Exception) -> str:
    """Why a sample has no score where a measure or the memory has given way."""
    height, width = sample.image.shape[-2:]
    if memory_is_full(error):
        remedy = "choose fewer --jobs, or fewer --measures"
        return printable(f"{sample.key}: {width} x {height} pixels do not fit into the memory; {remedy}")
    told = f"{sample.key}: cannot be scored ({type(error).__name__}: {shown(error)})"
    return printable(f"{told}; correct the sample, or the measure's code")


def measured(task: Task, answer: Answer, sample: Sample) -> dict[str, Tally]:
    """All metrics of an answer. Raises `DataError` for an answer of a wrong shape, or that holds no numbers."""
    wanted = (sum(task.modality.channels), *sample.image.shape[-2:])
    if tuple(answer.values.shape) != wanted:
        raise DataError(f"{sample.key}: values are {list(answer.values.shape)}, not {list(wanted)}; give that shape")
    if not answer.values.isfinite().all():
        raise DataError(f"{sample.key}: values hold NaN or infinite numbers; give a number for every pixel")
    answer = replace(
        answer,
        values=answer.values.cpu(),
        uncertainty=None if answer.uncertainty is None else answer.uncertainty.cpu(),
    )
    found: dict[str, Tally] = {}
    for measure in task.measures:
        found |= measure.score(answer, sample, task.modality, task.protocol)
    return found


def _samples(pool: ThreadPoolExecutor, task: Task, keys: Sequence[str], device: str, jobs: int) -> Iterator[_Read]:
    """The samples in order: files are read ahead in threads, scenes rendered some at a time where they are used."""
    if border.is_plain(task.dataset):
        yield from _in_order(pool, (partial(_read, task, key) for key in keys), jobs)
        return
    for first in range(0, len(keys), RENDERED):
        together = list(keys[first : first + RENDERED])
        before = time.perf_counter()
        samples = unstack(border.read_many(task.dataset, task.root, together, device), together)
        each = (time.perf_counter() - before) / len(together)
        yield from (_Read(sample.key, sample, None, each) for sample in samples)


def _read(task: Task, key: str) -> _Read:
    before = time.perf_counter()
    try:
        sample = border.read(task.dataset, task.root, key)
    except RefusedSampleError as error:
        return _Read(key, None, Record(key, "refused", _reason(error)), 0.0)
    except DataError as error:
        return _Read(key, None, Record(key, "hole", _reason(error)), 0.0)
    return _Read(key, sample, None, time.perf_counter() - before)


def _in_order(pool: ThreadPoolExecutor, works: Iterable[Callable[[], T]], ahead: int) -> Iterator[T]:
    """What the works give, in their order, while a few of them run ahead."""
    waiting: deque[Future[T]] = deque()
    for work in works:
        waiting.append(pool.submit(work))
        while len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _reason(error: DataError) -> str:
    return printable(str(error))


class _Running:
    """The mean of the main metric so far, on the bar; ends a run of which nothing can be scored."""

    def __init__(self, task: Task, name: str, bar: "tqdm[Any]") -> None:
        self.task, self.name, self.bar = task, name, bar
        self.sum, self.holes, self.scored = Tally(), 0, 0

    def add(self, record: Record) -> None:
        """Counts one more. Raises `DataError` for the last hole of too many in front."""
        self.bar.update(1)
        if record.status == "scored":
            self.scored += 1
            self._show(record)
            return
        self.holes += record.status == "hole"
        if not self.scored and self.holes >= PATIENCE:
            told = f"the first {self.holes} samples give no score, so that the rest was left"
            raise DataError(f"{printable(self.task.title)}: {told}: {record.reason}")

    def _show(self, record: Record) -> None:
        metrics = record.tallies[self.name]
        main = next((metric.name for metric in self.task.metrics if metric.name in metrics), "")
        if main:
            self.sum = metrics[main] if self.scored == 1 else self.sum + metrics[main]
            holes = f", {self.holes} holes" if self.holes else ""
            self.bar.set_postfix_str(f"{main} {self.sum.mean:.4g}{holes}")
