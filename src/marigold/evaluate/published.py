"""Scores that papers and repositories publish, each with its protocol and its source (`published.yaml`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from marigold.core.config import decode
from marigold.core.documents import read_yaml
from marigold.core.errors import ConfigError

NOT_PRINTED = "-"
PLACES = ("lists", "split_file", "splits_file", "layout", "fields", "set")
"""Settings of data sets that say where files are and which are read, not which samples and pixels are scored."""


@dataclass(frozen=True)
class PublishedRow:
    """What one source prints of one method."""

    method: str
    source: str
    """Where the numbers stand, in words."""
    scores: dict[str, str]
    """By set: the numbers as printed, in the order of the table's metrics, with `/` between them."""
    confirmed: bool = True
    """False: one secondary source has them, or the source itself is in doubt."""
    steps: int | None = None
    """Denoising steps; None where the method has no such number or the source does not say."""
    ensemble: int | None = None
    note: str = ""

    def numbers(self, name: str) -> list[str]:
        """What is printed for a set, one text for each metric of the table; none for a set that is not."""
        return self.scores[name].split("/") if name in self.scores else []


@dataclass(frozen=True)
class PublishedTable:
    """Rows that may stand beside each other: one protocol, the same metrics."""

    modalities: tuple[str, ...]
    protocol: dict[str, str]
    """What a result's protocol must be for it to stand beside these rows."""
    words: str
    """The protocol for a reader."""
    metrics: tuple[str, ...]
    rows: tuple[PublishedRow, ...] = field(default=())
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By set: the `split` that was scored, and settings of the data set that are not as usual; any, where left out."""

    def is_of(self, one: Mapping[str, Any]) -> bool:
        """Whether a set of a result may stand beside these rows."""
        return all(one["protocol"].get(name) == value for name, value in self.protocol.items()) and self.is_data(one)

    def is_data(self, one: Mapping[str, Any]) -> bool:
        """Whether a set of a result has the samples and pixels of these rows."""
        found = {name: value for name, value in one.get("settings", {}).items() if name not in PLACES}
        wanted = next((data for name, data in self.data.items() if same_set(name, one["set"])), None)
        return wanted is None or wanted == {"split": one.get("split"), **found}

    def words_of(self, sets: Sequence[Mapping[str, Any]]) -> str:
        """The protocol for a reader of a result with these sets, with the data where only they are others."""
        others = [one["set"] for one in sets if not self.is_data(one)]
        stated = (
            f"{one}: {_data_words(data)}" for one in others for name, data in self.data.items() if same_set(name, one)
        )
        return "; ".join([self.words, *stated])


def same_set(one: str, other: str) -> bool:
    """Whether two names mean the same set, however they are spelled."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _data_words(data: Mapping[str, Any]) -> str:
    settings = [f"{name}: {value}" for name, value in data.items() if name != "split"]
    return f"split {data.get('split')} with {', '.join(settings) or 'the usual settings'}"


@cache
def tables() -> tuple[PublishedTable, ...]:
    """All that is published, as packaged."""
    content = read_yaml(Path(__file__).with_suffix(".yaml"), ConfigError, "install the package anew")
    return decode(tuple[PublishedTable, ...], content, "published")


def of(modality: str) -> tuple[PublishedTable, ...]:
    """The tables of a modality."""
    return tuple(table for table in tables() if modality in table.modalities)
