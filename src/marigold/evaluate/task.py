"""One data set of a suite, ready to be scored: everything that its numbers depend on, beside who answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from marigold.core.config import decode, encode
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError
from marigold.core.find import implementation, name_of, names
from marigold.core.sample import Sample
from marigold.data import border
from marigold.datasets.base import Dataset, DatasetCard
from marigold.evaluate import ceiling
from marigold.evaluate.answers import Answer
from marigold.evaluate.measures.base import Measure
from marigold.evaluate.measures.standard import Standard
from marigold.evaluate.suite import SuiteSet
from marigold.measure.alignment import Protocol
from marigold.measure.metrics import Metric
from marigold.modalities.base import Modality

BESIDE = ("ceiling", "autoencoder", "baselines")
"""What may be scored beside a model."""
Method = Callable[[Sample], Answer]


@dataclass(frozen=True)
class Task:
    """Which samples are scored by which measures and protocol."""

    title: str
    dataset: Dataset
    root: Path
    split: str
    keys: Sequence[str]
    card: DatasetCard
    modality: Modality
    protocol: Protocol
    measures: tuple[Measure, ...]
    beside: tuple[str, ...]
    shown: tuple[str, ...] = ()
    """The metrics of the first table, if the suite chooses them."""

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """What the measures give, in the order of tables."""
        return tuple(metric for measure in self.measures for metric in measure.metrics(self.modality))

    @property
    def published_count(self) -> int | None:
        """How many samples published evaluations have of the split; None where they do not say so."""
        return self.card.counts.get(self.split)

    @property
    def error_unit(self) -> str:
        """Of `Modality.error`: the main metric's, if that is an error."""
        main = self.modality.main
        return main.unit if main and not main.higher_is_better else ""

    @property
    def has_truth(self) -> bool:
        """Whether a sample has all that the modality encodes."""
        return set(self.modality.needs) <= set(self.card.fields)

    def methods(self, reconstruct: Method | None = None) -> dict[str, Method]:
        """What is scored beside the model and needs nothing but the sample."""
        found: dict[str, Method] = {}
        if not self.has_truth:
            return found
        if "ceiling" in self.beside:
            found[ceiling.CEILING] = lambda sample: ceiling.encoded(self.modality, sample)
        if "autoencoder" in self.beside and reconstruct:
            found[ceiling.AUTOENCODER] = reconstruct
        return found

    def baselines(self, sample: Sample) -> dict[str, Answer]:
        """Answers that nobody had to learn."""
        if "baselines" not in self.beside or not self.has_truth:
            return {}
        return {name: Answer(values) for name, values in self.modality.baselines(sample).items()}

    def stated(self) -> dict[str, Any]:
        """The protocol as a result states it; JSON knows no infinity, so that no far end is null."""
        fields = {name: None if value == float("inf") else value for name, value in asdict(self.protocol).items()}
        mask = self.card.mask or "pixels with truth that the data set allows"
        words = self.modality.alignment(self.protocol) or "compared as they are"
        names = [printable(name_of(measure)) for measure in self.measures]
        return {**fields, "mask": mask, "measures": names, "words": words}

    def data_settings(self) -> dict[str, Any]:
        """The data set's settings that differ from its defaults, as a suite has them."""
        content = encode(self.dataset)
        content.pop("name")
        usual = encode(type(self.dataset)())
        return {name: value for name, value in content.items() if value != usual.get(name)}


def task(one: SuiteSet, modality: Modality, root: Path, count: int, protocol: Mapping[str, Any]) -> Task:
    """A set of a suite at its root. `count` and `protocol` go before what the suite says.

    Raises `DataError` for a set that is not there or has not what the measures need, and `ConfigError`.
    """
    card = border.card(one.dataset, root)
    split = one.split or only_split(one.title, card, one.dataset.card)
    measures = one.measures or (Standard(),)
    check_fields(one.title, card, modality, measures)
    if wrong := [name for name in one.beside if name not in BESIDE]:
        raise ConfigError(f"beside: {printable(wrong[0])} is not known; choose among: {', '.join(BESIDE)}")
    keys = border.keys(one.dataset, root, split)[: count or one.count or None]
    return Task(
        one.title,
        one.dataset,
        root,
        split,
        keys,
        card,
        modality,
        _fitted(chosen(card, {**one.protocol, **protocol}), modality, protocol),
        measures,
        one.beside,
        one.shown,
    )


def chosen(card: DatasetCard, given: Mapping[str, Any]) -> Protocol:
    """A protocol with the fields that are given; its range is the data set's where it is not."""
    nearest, farthest = card.depth_range
    protocol = decode(Protocol, dict(given), "protocol")
    missing = {name: value for name, value in (("nearest", nearest), ("farthest", farthest)) if name not in given}
    return replace(protocol, **missing)


def _fitted(protocol: Protocol, modality: Modality, asked: Mapping[str, Any]) -> Protocol:
    """The protocol of what is fitted by it; of all else one that fits nothing, so that a result states no fit.

    Raises `ConfigError` where a fit is asked for that there is not.
    """
    still = replace(protocol, space="none", fit="least-squares", longest=0)
    if modality.alignment(Protocol(space="none")) != modality.alignment(Protocol()):
        return protocol
    nothing = {name: getattr(still, name) for name in ("space", "fit", "longest")}
    if wrong := [name for name, value in nothing.items() if asked.get(name, value) != value]:
        told = f"{wrong[0]} {asked[wrong[0]]}: `{name_of(modality)}` is not fitted by a protocol"
        raise ConfigError(f"protocol: {printable(told)}; leave it out (--align, --fit, --longest)")
    return still


def check_fields(title: str, card: DatasetCard, modality: Modality, measures: Sequence[Measure]) -> None:
    """Raises `DataError` where a data set has no truth that a measure needs, or a modality no map."""
    known = (*card.fields, *card.annotations)
    for measure in measures:
        fields = measure.fields or modality.needs
        if missing := [name for name in fields if name not in known]:
            has = ", ".join(known) or "no fields"
            told = f"{printable(title)}: has no {', '.join(missing)}, which `{name_of(modality)}` is scored by"
            raise DataError(f"{told}; it has: {has}{_instead(known, modality)}")
        if missing := [name for name in measure.outputs if name not in modality.outputs]:
            told = f"`{name_of(measure)}` scores {', '.join(missing)}, which `{name_of(modality)}` does not predict"
            raise ConfigError(f"{printable(title)}: {told}; choose another measure or checkpoint")


def _instead(known: Sequence[str], modality: Modality) -> str:
    """The measures that can score this, in words; empty for none."""
    measures = {name: implementation(Measure, name) for name in names(Measure)}
    able = [
        f"--measures {name}"
        for name, one in measures.items()
        if one.fields and {*one.fields} <= {*known} and {*one.outputs} <= {*modality.outputs}
    ]
    return f", for {' or '.join(able)}" if able else ""


def only_split(title: str, card: DatasetCard, usual: DatasetCard | None = None) -> str:
    """`test`, or the only split there is. Raises `DataError`.

    `usual` is the label of the data set wherever it lies: where published evaluations have a `test`, of which only the
    list is missing here, the data set says so when that is read.
    """
    if "test" in card.splits:
        return "test"
    if len(card.splits) == 1:
        return card.splits[0]
    if usual is not None and "test" in usual.counts:
        return "test"
    there = ", ".join(dict.fromkeys([*card.splits, *card.counts])) or "it has none"
    raise DataError(f"{printable(title)}: name one of its splits with --split: {there}")
