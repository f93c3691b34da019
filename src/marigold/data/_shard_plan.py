"""What a folder of shards is to hold: which samples, as what, in which shards. A run that goes on follows its plan."""

import hashlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marigold.core.config import NAME, encode, require, settings
from marigold.core.console import printable
from marigold.core.documents import read_json
from marigold.core.errors import ConfigError, DataError, OutputError, RefusedSampleError
from marigold.core.fields import FIELDS
from marigold.core.files import as_json, write_json
from marigold.core.find import name_of, unknown
from marigold.core.limits import SAMPLES, SIDE
from marigold.core.plain import shown
from marigold.core.raster import MAX_PIXELS
from marigold.core.reading import real_path
from marigold.core.sample import Sample
from marigold.data import border
from marigold.datasets import _shard_index, _shard_parts
from marigold.datasets.base import Dataset, DatasetCard

WORK = ".prepare"
"""The folder, in that of the shards, of what is known before all of them are there."""
PLAN = "plan.json"
_REMEDY = f"delete the folder {WORK} there and give the command again"
_MEASURED = 8
"""Samples that tell how many have room in a shard."""
_TRIED = 100
"""Samples that are tried to find so many, where the data set's rules refuse most."""
_MOST_TOGETHER = 10_000
_LEAST_SHARD, _MOST_SHARD = 1, 1 << 20
_OPTIONS = {
    "dataset": "DATASET",
    "raw": "RAW",
    "splits": "--splits",
    "count": "--count",
    "size": "--size",
    "fields": "--fields",
    "shard_size": "--shard-size",
}
"""What two commands for one folder must agree in, and what that is called there."""


@dataclass(frozen=True)
class Preparation:
    """A data set, and what of it is kept in what form. Raises `ConfigError` for what cannot be used."""

    dataset: Dataset
    raw: Path
    """Where it lies; data sets that render need none."""
    splits: tuple[str, ...] = ()
    """Empty means all of its card."""
    count: int = 0
    """The first so many samples of each split; 0 means all."""
    size: tuple[int, int] | None = None
    """Height and width that samples are brought to, each field by its rule; None keeps their own."""
    fields: tuple[str, ...] = ()
    """Empty means all that the data set gives."""
    shard_size: int = 512
    """About so many MB in a shard."""

    def __post_init__(self) -> None:
        require(0 <= self.count <= SAMPLES, "--count", self.count, f"0 to {SAMPLES}")
        require(_LEAST_SHARD <= self.shard_size <= _MOST_SHARD, "--shard-size", self.shard_size, f"1 to {_MOST_SHARD}")
        for side in self.size or ():
            require(1 <= side <= SIDE, "--size", side, f"1 to {SIDE}")
        for name in self.fields:
            if name not in FIELDS:
                raise ConfigError(f"--fields: {unknown('field', name, FIELDS)}")
        for name, values in (("--splits", self.splits), ("--fields", self.fields)):
            require(len(set(values)) == len(values), name, " ".join(values), "different names")

    def completed(self) -> "Preparation":
        """With the splits and fields that are meant where none are named, and a data set that reads only those.

        Raises `DataError` where it has no such split or field.
        """
        card = border.card(self.dataset, self.raw)
        own = encode(self.dataset).get("fields") if self._chooses_fields() else ()
        splits, fields = self.splits or card.splits, self.fields or tuple(own or card.fields)
        for kind, names, known in (("split", splits, card.splits), ("field", fields, card.fields)):
            for name in names:
                if name not in known:
                    raise DataError(f"--{kind}s: {name_of(self.dataset)} has {unknown(kind, name, known)}")
        for split in splits:
            if not _shard_index.SPLIT.fullmatch(split):
                raise DataError(f"the split `{printable(split)}` cannot name a shard; leave it out with --splits")
        fields = tuple(name for name in FIELDS if name in fields)
        dataset = replace(self.dataset, fields=fields) if self._chooses_fields() else self.dataset  # type: ignore[type-var]
        return replace(self, dataset=dataset, splits=tuple(splits), fields=fields)

    def _chooses_fields(self) -> bool:
        """Whether the data set has a setting for the fields that it reads."""
        return any(setting.name == "fields" for setting in settings(type(self.dataset)))

    def made(self) -> dict[str, Any]:
        """The command, as the shards' label tells it."""
        own = {name: value for name, value in encode(self.dataset).items() if name not in (NAME, "fields")}
        return {
            "dataset": name_of(self.dataset),
            "settings": own,
            "raw": str(real_path(self.raw)),
            "splits": list(self.splits),
            "count": self.count,
            "size": list(self.size) if self.size else None,
            "fields": list(self.fields),
            "shard_size": self.shard_size,
        }

    def card(self) -> DatasetCard:
        """The label of what is kept."""
        return replace(border.card(self.dataset, self.raw), splits=self.splits, fields=self.fields)

    def read(self, key: str) -> Sample:
        """A sample as it is kept. Raises `DataError`."""
        sample = border.read(self.dataset, self.raw, key)
        if missing := ", ".join(name for name in self.fields if name not in sample.maps):
            raise DataError(f"{key}: has no {missing}; leave it out with --fields, or correct the sample")
        height, width = sample.image.shape[-2:]
        if height * width > MAX_PIXELS:
            raise DataError(f"{key}: {width} x {height} pixels, more than {MAX_PIXELS}; scale it down first")
        return _sized(replace(sample.only(self.fields), camera=sample.camera), self.size)


def _sized(sample: Sample, size: tuple[int, int] | None) -> Sample:
    """The sample at this size, whose masks hold only what is finite."""
    sample = replace(sample, valid={name: sample.usable(name) for name in sample.maps})
    if size is None or size == tuple(sample.image.shape[-2:]):
        return sample
    # What is not used may be NaN, which spreads in resizing
    maps = {name: values.where(sample.valid[name], 0.0) for name, values in sample.maps.items()}
    return replace(sample, maps=maps).resized(*size)


@dataclass(frozen=True)
class Piece:
    """What goes into a shard."""

    name: str
    split: str
    place: int
    """Its number among all shards."""
    first: int
    """The number of its first sample in the split."""
    keys: Sequence[str]


@dataclass(frozen=True)
class Plan:
    """What becomes of a data set."""

    preparation: Preparation
    keys: dict[str, Sequence[str]]
    made: dict[str, Any]

    @property
    def total(self) -> int:
        """How many samples there are."""
        return sum(map(len, self.keys.values()))

    def pieces(self) -> list[Piece]:
        """The shards, in order."""
        found: list[Piece] = []
        together = self.made["together"]
        for split, keys in self.keys.items():
            for number, first in enumerate(range(0, len(keys), together)):
                name = _shard_index.shard_name(split, number)
                found.append(Piece(name, split, len(found), first, list(keys[first : first + together])))
        return found


def begun(out: Path) -> dict[str, Any] | None:
    """How the shards in a folder were made, or are to be; None where none were begun. Raises `DataError`."""
    if _shard_index.has_label(out):
        return _shard_index.opened(out).made
    if not (out / WORK / PLAN).exists():
        return None
    made = read_json(out / WORK / PLAN, DataError, _REMEDY)
    if not isinstance(made, dict) or not isinstance(made.get("together"), int) or made["together"] < 1:
        raise DataError(f"{out / WORK / PLAN}: no plan; {_REMEDY}")
    return made


def command(made: dict[str, Any], out: Path) -> str:
    """The command that makes the shards in a folder again."""
    words = ["marigold", "prepare", made["dataset"], made["raw"], str(out)]
    for name, option in list(_OPTIONS.items())[2:]:
        value = made.get(name)
        words += [option, *map(str, value if isinstance(value, list) else [value])] if value else []
    for name, value in made["settings"].items():
        words += ["--set", f"{name}={as_json(value).decode()}"]
    return printable(shlex.join(words))


def check_same(earlier: dict[str, Any], asked: dict[str, Any], out: Path) -> None:
    """Raises `ConfigError` naming the first option in which a command differs from the one that began the folder."""
    for option, before, now in _differences(earlier, asked):
        raise ConfigError(
            f"{out}: was begun with {option} {_words(before)}, and now {option} is {_words(now)}; give the same, or "
            "choose another folder"
        )


def plan(preparation: Preparation, out: Path) -> Plan:
    """The plan for a folder: the one that was begun there, or one that is written there.

    Raises `DataError` where the data set has other samples than when it was begun, and `OutputError` where the disk
    has no room.
    """
    keys = {split: _keys(preparation, split) for split in preparation.splits}
    _check_apart(keys)
    counted = {split: [len(found), _digest(found)] for split, found in keys.items()}
    made = begun(out)
    if made is None:
        size = _sample_bytes(preparation, keys)
        _check_space(out, size * sum(map(len, keys.values())))
        together = max(1, min(_MOST_TOGETHER, preparation.shard_size * 1_000_000 // size))
        made = {**preparation.made(), "keys": counted, "together": together}
        write_json(out / WORK / PLAN, made)
    elif made.get("keys") != counted:
        now, before = (_words({name: entry[0] for name, entry in one.items()}) for one in (counted, made["keys"]))
        raise DataError(
            f"{preparation.raw}: its samples have changed since {out} was begun (now {now}, then {before}); choose "
            "another folder"
        )
    return Plan(preparation, keys, made)


def _differences(earlier: dict[str, Any], asked: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, option in _OPTIONS.items():
        if earlier.get(name) != asked[name]:
            yield option, earlier.get(name), asked[name]
    before, now = earlier.get("settings"), asked["settings"]
    before = before if isinstance(before, dict) else {}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"--set {printable(name)}", before.get(name), now.get(name)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items())
    return shown(" ".join(map(str, value)) if isinstance(value, list) else value)


def _keys(preparation: Preparation, split: str) -> Sequence[str]:
    found = border.keys(preparation.dataset, preparation.raw, split)
    count = preparation.count or len(found)
    if min(count, len(found)) > SAMPLES:
        raise ConfigError(f"the split `{split}` has {len(found)} samples; choose so many with --count, up to {SAMPLES}")
    return list(found[:count])


def _check_apart(keys: dict[str, Sequence[str]]) -> None:
    seen: dict[str, str] = {}
    for split, found in keys.items():
        for key in found:
            if key in seen:
                raise DataError(
                    printable(f"the key {key!r} is in `{seen[key]}` and `{split}`; leave one out by --splits")
                )
            seen[key] = split
            if not _fits(key):
                most = _shard_index.MOST_KEY
                raise DataError(f"{shown(key)}: a key is text of 1 to {most} bytes; give the sample another one")


def _fits(key: str) -> bool:
    try:
        return 0 < len(_shard_index.as_bytes(key)) <= _shard_index.MOST_KEY and "\0" not in key
    except UnicodeEncodeError:
        return False


def _digest(keys: Sequence[str]) -> str:
    return hashlib.sha256(as_json(list(keys))).hexdigest()


def _sample_bytes(preparation: Preparation, keys: dict[str, Sequence[str]]) -> int:
    """About how much a sample takes, by some from everywhere. Raises `DataError` where none of them can be read."""
    every = [(split, key) for split, found in keys.items() for key in found]
    sizes, unread, refused = list[int](), list[DataError](), list[DataError]()
    for split, key in (*_spread(every, _MEASURED), *_spread(every, _TRIED)):
        try:
            parts = _shard_parts.encode(preparation.read(key), split, preparation.fields)
            sizes.append(sum(1024 + len(part) for part in parts.values()))
        except RefusedSampleError as error:
            refused.append(error)
        except DataError as error:
            unread.append(error)
        if len(sizes) + len(unread) >= min(_MEASURED, len(every)):
            break
    if not sizes:
        tried = len(unread) + len(refused)
        raise DataError(f"none of {tried} samples from all over it can be read: {(unread or refused)[0]}")
    return sum(sizes) // len(sizes)


def _spread(every: list[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """So many of these from all over them, or all."""
    return every[:: max(1, len(every) // count)][:count]


def _check_space(out: Path, needed: int) -> None:
    if (free := shutil.disk_usage(out).free) < needed:
        figures = f"about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise OutputError(
            f"{out}: the shards need {figures}; choose another disk, or fewer --fields or a smaller --size"
        )
