"""A suite: which data sets are scored together, and by which protocol, steps, ensemble and resolution."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from marigold.core.config import beside, decode, load_yaml, merge, require
from marigold.core.console import printable
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.find import implementation, unknown
from marigold.core.plain import shown
from marigold.datasets.base import Dataset
from marigold.evaluate.measures.base import Measure
from marigold.modalities.base import Modality
from marigold.predict.settings import Request

FOLDER = Path(__file__).parent / "suites"
SHARED = ("measures", "protocol", "prediction", "beside", "count", "shown")
"""What a suite says for all of its sets; each set may say it for itself."""
NOT_ASKED = ("checkpoint", "autoencoder", "device", "match_input")
"""Of the fields of a request, those that whoever evaluates decides, or nobody."""


@dataclass(frozen=True)
class SuiteSet:
    """A data set of a suite and how it is scored."""

    title: str
    """What tables call it."""
    dataset: Dataset = beside()
    """The data set with its settings."""
    split: str = ""
    """Empty: `test`, or the only one there is."""
    folder: str = ""
    """The folder below `--root` that it lies in; empty for one that renders."""
    count: int = 0
    """The first so many samples; 0 means all."""
    modality: str = ""
    """Only what predicts this is scored here; empty: whatever the data set has the truth of."""
    measures: tuple[Measure, ...] = ()
    """Groups of metrics; empty: the modality's own."""
    protocol: dict[str, Any] = field(default_factory=dict)
    """Fields of `Protocol`; the range is the data set's where it is not given."""
    prediction: dict[str, Any] = field(default_factory=dict)
    """Fields of `Request`; what is not given is as the checkpoint's card recommends."""
    beside: tuple[str, ...] = ("ceiling", "baselines")
    """What is scored too: `ceiling` (the representation's own), `autoencoder`, `baselines`."""
    shown: tuple[str, ...] = ()
    """The metrics of the first table; empty: those that papers print, or the first ones. All are in the second."""

    def __post_init__(self) -> None:
        require(bool(self.title.strip()), "title", shown(self.title), "what tables call it")
        require(self.count >= 0, "count", self.count, "at least 0")
        try:
            if self.modality:
                implementation(Modality, self.modality)
        except UnknownNameError as error:
            raise ConfigError(f"modality: {error}") from None
        decode(Request, self.prediction, "prediction")
        if wrong := [name for name in NOT_ASKED if name in self.prediction]:
            raise ConfigError(f"prediction.{wrong[0]}: is not a suite's to say; leave it out")


@dataclass(frozen=True)
class Suite:
    """Data sets that are scored together."""

    title: str
    sets: tuple[SuiteSet, ...]
    checkpoints: tuple[str, ...] = ("depth",)
    """What is scored where nothing is named."""
    source: str = ""
    """Where its settings come from."""

    def __post_init__(self) -> None:
        require(bool(self.sets), "sets", "[]", "at least one data set")
        require(bool(self.checkpoints), "checkpoints", "[]", "at least one name")
        for one, other in combinations(self.sets, 2):
            together = one.modality == other.modality or not (one.modality and other.modality)
            if one.title == other.title and together:
                told = f"sets: two are called {printable(one.title)}, so that results could not tell them apart"
                raise ConfigError(f"{told}; give each its own title")


def names() -> list[str]:
    """The packaged suites."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def load(name: str) -> Suite:
    """A packaged suite, or one in a YAML file. Raises `ConfigError`."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if name not in names() and path.parent == FOLDER:
        raise ConfigError(unknown("suite", printable(name), names()))
    return decode(Suite, spread(load_yaml(path)), printable(path.stem))


def spread(content: Mapping[str, Any]) -> dict[str, Any]:
    """A suite as written, with what it says for all sets put into each."""
    shared = {key: content[key] for key in SHARED if key in content}
    sets = content.get("sets")
    if not isinstance(sets, list) or not all(isinstance(one, dict) for one in sets):
        raise ConfigError("sets: expected a list of data sets, each with `title` and `dataset`")
    own = {key: value for key, value in content.items() if key not in SHARED}
    return {**own, "sets": [merge(shared, one) for one in sets]}
