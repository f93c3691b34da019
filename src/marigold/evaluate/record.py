"""What became of each sample of an evaluation, kept in a journal, so that an interrupted one goes on."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from marigold.core.documents import from_json
from marigold.core.errors import OutputError, reason
from marigold.core.files import as_json, cannot_write
from marigold.core.reading import open_file
from marigold.measure.tally import Tally

Status = Literal["scored", "hole", "refused"]
"""A hole has no answer, or one that cannot be used; what a data set's own rules leave out is refused."""
Tallies = Mapping[str, Mapping[str, Tally]]
"""For every method its metrics."""


@dataclass(frozen=True)
class Record:
    """One sample."""

    key: str
    status: Status = "scored"
    reason: str = ""
    """Why there is no score."""
    tallies: Tallies = field(default_factory=dict)
    """Of the model first."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """To read, predict and score it."""


class Journal:
    """Records in a file, a line each, behind a first line that says what they belong to.

    A line that was cut short, as a killed process leaves it, is left out with all behind it.
    """

    def __init__(self, path: Path, digest: str) -> None:
        """Goes on with the journal at `path` if it has this digest; another one is replaced. Raises `OutputError`."""
        self.path, self._digest = path, digest
        self.known: dict[tuple[int, str], Record] = {}
        try:
            kept = self._read()
            self._file = path.open("r+b" if kept else "wb")
            self._file.seek(kept)
            self._file.truncate()
        except OSError as error:
            raise OutputError(cannot_write(path, error)) from error
        if not kept:
            self._line({"digest": digest})

    def add(self, number: int, record: Record) -> None:
        """Notes a record of the set with this number. Raises `OutputError`."""
        tallies = {
            method: {name: to_plain(tally) for name, tally in metrics.items()}
            for method, metrics in record.tallies.items()
        }
        content = {"set": number, **vars(record), "tallies": tallies, "seconds": dict(record.seconds)}
        self._line(content)

    def close(self, *, done: bool) -> None:
        """Ends the journal, and deletes it once nothing of it is needed."""
        with suppress(OSError):  # what could not be written is told when it is
            self._file.close()
        if done:
            self.path.unlink(missing_ok=True)

    def _line(self, content: Any) -> None:
        try:
            self._file.write(as_json(content) + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({reason(error)}); free some space") from error

    def _read(self) -> int:
        """Takes over what is known; gives the length of what is kept, 0 if nothing is."""
        if not os.path.isfile(self.path):
            return 0
        end = 0
        with self.path.open("rb") as file:
            for number, content in enumerate(_whole(file)):
                line, length = content
                if number == 0 and line != {"digest": self._digest}:
                    return 0
                if number and not self._take(line):
                    break
                end += length
        return end

    def _take(self, line: Any) -> bool:
        try:
            tallies = {
                method: {name: from_plain(tally) for name, tally in metrics.items()}
                for method, metrics in line["tallies"].items()
            }
            record = Record(line["key"], line["status"], line["reason"], tallies, line["seconds"])
            self.known[int(line["set"]), record.key] = record
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        return True


def is_begun(path: Path) -> bool:
    """Whether a file is a journal, be it one whose first line was cut short."""
    try:
        with open_file(path, OutputError, "") as file:
            return _BEGINNING.startswith(file.read(len(_BEGINNING)))
    except (OSError, OutputError):
        return False


def _whole(file: Any) -> Iterator[tuple[Any, int]]:
    """The lines that are whole, decoded, with their lengths in bytes."""
    for line in file:
        if not line.endswith(b"\n"):
            return
        try:
            yield from_json(line), len(line)
        except (ValueError, json.JSONDecodeError):
            return


def to_plain(tally: Tally) -> dict[str, Any]:
    """A tally as JSON knows it: exact fractions as text, and what is counted as pairs."""
    numbers = {name: str(value) if isinstance(value, Fraction) else value for name, value in vars(tally).items()}
    return {**numbers, "counts": [[place, count] for place, count in tally.counts.items()]}


def from_plain(content: Mapping[str, Any]) -> Tally:
    """The tally. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""
    exact = {name: Fraction(value) for name, value in content.items() if name in _EXACT and isinstance(value, str)}
    counts = {tuple(place) if isinstance(place, list) else place: int(count) for place, count in content["counts"]}
    return Tally(**{**content, **exact, "counts": counts})


_BEGINNING = b'{"digest": '
_EXACT = ("total", "weight", "squares")
