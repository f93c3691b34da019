"""Scores that papers and repositories publish, each with its protocol and its source (`published.yaml`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from marigold.core.config import decode
from marigold.core.documents import read_yaml
from marigold.core.errors import ConfigError

NOT_PRINTED = "-"


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

    def is_of(self, protocol: Mapping[str, Any]) -> bool:
        """Whether a result under `protocol` may stand beside these rows."""
        return all(protocol.get(name) == value for name, value in self.protocol.items())


@cache
def tables() -> tuple[PublishedTable, ...]:
    """All that is published, as packaged."""
    content = read_yaml(Path(__file__).with_suffix(".yaml"), ConfigError, "install the package anew")
    return decode(tuple[PublishedTable, ...], content, "published")


def of(modality: str) -> tuple[PublishedTable, ...]:
    """The tables of a modality."""
    return tuple(table for table in tables() if modality in table.modalities)
