"""The border to code that gives samples, which may be somebody else's: whatever it does wrong names the sample.

Everything above this layer scans and reads data sets through these functions.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from marigold.core.console import printable
from marigold.core.device import memory_is_full
from marigold.core.errors import ConfigError, DataError, MarigoldError, RefusedSampleError
from marigold.core.find import name_of
from marigold.core.flaws import flaw
from marigold.core.sample import Sample, stack
from marigold.datasets.base import Dataset, DatasetCard
from marigold.datasets.shards import stand_in

_MOST_WORDS = 300


def card(dataset: Dataset, root: Path) -> DatasetCard:
    """The label of the data set in a folder. Raises `DataError`."""
    with _named(dataset, str(root)):
        dataset = _at(root, dataset)
        return dataset.card_of(root)


def keys(dataset: Dataset, root: Path, split: str) -> Sequence[str]:
    """The keys of a split. Raises `DataError`, also for keys that are no text or not unique, and where there is none.

    What is not a list may make its keys when they are asked for, and is not looked through.
    """
    with _named(dataset, str(root)):
        dataset = _at(root, dataset)
        found = dataset.scan(root, split)
        count = len(found)
    if isinstance(found, list | tuple):
        seen: set[str] = set()
        for key in found:
            if not isinstance(key, str) or key in seen:
                what = f"the key {key!r} is twice in" if isinstance(key, str) else f"the key {key!r} is no text, in"
                raise DataError(printable(f"{root}: {what} the split `{split}`; correct `{name_of(dataset)}`"))
            seen.add(key)
    if not count:
        known = ", ".join(dataset.card.splits)
        raise DataError(printable(f"{root}: the split `{split}` has no sample; fill it, or choose among: {known}"))
    return found


def read(dataset: Dataset, root: Path, key: str) -> Sample:
    """One sample, with this key. Raises `DataError` naming it, whatever is wrong, or `RefusedSampleError`."""
    with _named(dataset, key):
        dataset = _at(root, dataset)
        sample = dataset.read(root, key)
        _check(dataset, key, sample)
        return replace(sample.each(lambda x: x.detach()), key=key)


def identity(dataset: Dataset, root: Path, key: str) -> str:
    """A text that changes when the sample does, or an empty one. Raises `DataError`."""
    with _named(dataset, key):
        return str(_at(root, dataset).identity(root, key))


def read_many(dataset: Dataset, root: Path, keys: list[str], device: str) -> Sample:
    """Samples as one with a leading batch dimension, on the device. Raises `DataError`, as `read` does."""
    where = _several(keys)
    if is_plain(dataset) and type(dataset).read_many is Dataset.read_many:
        prepared = stack([read(dataset, root, key) for key in keys])
        return finish(dataset, prepared, device, keys)
    with _named(dataset, where):
        dataset = _at(root, dataset)
        sample = dataset.read_many(root, keys, device)
        _check(dataset, where, sample, len(keys))
        return sample


def is_plain(dataset: Dataset) -> bool:
    """Whether samples are read one by one."""
    return type(dataset).prepare is Dataset.prepare


def prepare(dataset: Dataset, root: Path, keys: list[str]) -> Any:
    """What a data set that is not plain prepares. Raises `DataError`."""
    with _named(dataset, _several(keys)):
        return dataset.prepare(root, keys)


def finish(dataset: Dataset, prepared: Any, device: str, keys: list[str]) -> Sample:
    """The samples of these keys, which were prepared, on the device. Raises `DataError`."""
    with _named(dataset, _several(keys)):
        sample = dataset.finish(prepared, device)
        _check(dataset, _several(keys), sample, len(keys))
        return sample


def _at(root: Path, dataset: Dataset) -> Dataset:
    """What reads the samples at a root: shards that were made from a data set stand in for it there."""
    return stand_in(dataset, root) if is_plain(dataset) else dataset


def _check(dataset: Dataset, where: str, sample: object, *batch: int) -> None:
    if wrong := flaw(sample, batch):
        raise DataError(f"{where}: {wrong}; correct the sample, or `{name_of(dataset)}`")


@contextmanager
def _named(dataset: Dataset, where: str) -> Iterator[None]:
    """Turns whatever is raised inside into an error that can be printed and sent to another process."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise _told(error, where, dataset) from error


def _told(error: BaseException, where: str, dataset: Dataset) -> MarigoldError:
    words = _words(error)
    kind = type(error)
    if kind in (DataError, RefusedSampleError, ConfigError):
        return kind(words)  # pyright: ignore[reportReturnType]
    if isinstance(error, MarigoldError):
        return DataError(printable(f"{where}: {words}"))
    if memory_is_full(error):
        remedy = "read fewer together (--batch, or `block` of the recipe) or smaller ones"
        return DataError(printable(f"{where}: the memory is full; {remedy}"))
    told = f"{where}: `{name_of(dataset)}` fails ({kind.__name__}: {words})"
    return DataError(printable(f"{told}; correct the sample, or the data set's code"))


def _words(error: BaseException) -> str:
    try:
        words = str(error)
    except Exception:  # of an error that cannot say what it is
        words = ""
    limit = None if isinstance(error, MarigoldError) else _MOST_WORDS
    return printable(" ".join(words.split())[:limit])


def _several(keys: list[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} others"
