"""What somebody asks to be evaluated, by names: everything that `verify` needs to run a stored result again."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from marigold.core.config import NAME, decode, encode, merge
from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, MarigoldError
from marigold.core.find import implementation, imported, may_name, names, not_trusted
from marigold.core.limits import SAMPLES
from marigold.core.plain import shown
from marigold.data import words
from marigold.datasets.base import Dataset
from marigold.evaluate import source as sources
from marigold.evaluate import suite as suites
from marigold.evaluate.measures.base import Measure
from marigold.evaluate.source import Source
from marigold.evaluate.suite import Suite, SuiteSet
from marigold.modalities.base import Modality
from marigold.predict.predictor import load
from marigold.predict.settings import Request


@dataclass(frozen=True)
class Asked:
    """A suite or data set, who is scored on it, and what differs from what the suite says."""

    what: str
    """A suite, the name of a data set, or a folder that `marigold synth` wrote."""
    checkpoint: str = ""
    predictions: str = ""
    pattern: str = ""
    model: str = ""
    """`my_package.my_module:Class`, an object with a method `predict(photo)`."""
    modality: str = ""
    """Of predictions and objects; empty: that of the suite's checkpoint."""
    name: str = ""
    root: str = ""
    split: str = ""
    count: int = 0
    set: tuple[str, ...] = ()
    """Settings of data sets, `KEY=VALUE`; in a suite `DATASET.KEY=VALUE`."""
    measures: tuple[str, ...] = ()
    beside: tuple[str, ...] | None = None
    protocol: dict[str, Any] = field(default_factory=dict)
    prediction: dict[str, Any] = field(default_factory=dict)
    """The fields of a request that were given."""

    def as_plain(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON knows it."""
        usual = asdict(Asked(""))
        found = {key: value for key, value in asdict(self).items() if value != usual[key]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def suite_of(asked: Asked, trusted: tuple[str, ...] | None = None) -> tuple[str, Suite]:
    """The suite and what results call it; a data set alone is a suite of one.

    `trusted` are packages whose code may be named, None for names that a user has typed. Raises `ConfigError`,
    `DataError` and `UnknownNameError`.
    """
    if trusted is not None:
        _refuse_code(asked, trusted)
    if not 0 <= asked.count <= SAMPLES:
        raise ConfigError(f"--count {asked.count}: must be from 0 to {SAMPLES:,}")
    if asked.what in suites.names() or asked.what.endswith((".yaml", ".yml")):
        found = suites.load(asked.what)
        title = Path(asked.what).stem
        return title, _changed(found, asked)
    one = SuiteSet(Path(asked.what).name, dataset_named(asked, trusted), asked.split)
    return one.title, _changed(Suite(one.title, (one,)), asked)


def root_of(asked: Asked) -> Path | None:
    """Where the data lie: `--root`, or the folder that was named as the data set."""
    if asked.what in suites.names() or asked.what in names(Dataset) or not Path(asked.what).is_dir():
        return Path(asked.root) if asked.root else None
    return Path(asked.what)


def source_of(asked: Asked, suite: Suite, device: str = "auto", trust: tuple[str, ...] = (), **hardware: Any) -> Source:
    """Who is scored; `hardware` are the arguments `compile` and `offload` of `load`.

    Raises `ConfigError` for none or two of them, and what opening a checkpoint raises.
    """
    given = [name for name in ("checkpoint", "predictions", "model") if getattr(asked, name)]
    if len(given) > 1:
        raise ConfigError(f"--{given[0]} and --{given[1]}: one at a time is scored; leave one out")
    if asked.prediction and given[:1] in (["predictions"], ["model"]):
        option = f"--{next(iter(asked.prediction)).replace('_', '-')}"
        raise ConfigError(f"{option}: goes with a checkpoint, not with --{given[0]}; leave it out")
    if asked.predictions:
        folder = Path(asked.predictions)
        return sources.of_folder(folder, _modality(asked), asked.name, asked.pattern)
    if asked.pattern:
        raise ConfigError(f"--pattern {printable(asked.pattern)}: goes with --predictions; give the folder")
    if asked.model:
        return sources.of_model(_object(asked.model), _modality(asked), asked.name)
    request = decode(Request, asked.prediction, "prediction")
    precision = request.precision
    if precision == "auto":
        precision = sources.precision_of([one.prediction for one in suite.sets])
    how: Any = {
        **hardware,
        "precision": precision,
        "trust": trust,
        "autoencoder": request.autoencoder,
        "refiner": request.refiner,
    }
    predictor = load(asked.checkpoint or suite.checkpoints[0], device=device, **how)
    return sources.Checkpoint(predictor, request, asked.name)


def dataset_named(asked: Asked, trusted: tuple[str, ...] | None = None) -> Dataset:
    """The data set of this name, or the layout of `marigold synth` for a folder; a name goes before a folder.

    `trusted` as for `suite_of`. Raises `ConfigError`, `DataError` and `UnknownNameError`.
    """
    folder, known = Path(asked.what), names(Dataset)
    if asked.what in known or (not folder.is_dir() and "/" not in asked.what):
        if trusted is not None and not may_name(Dataset, asked.what, trusted):
            raise ConfigError(f"{printable(asked.what)}: {not_trusted(Dataset, asked.what)}")
        return words.dataset(asked.what, asked.set)
    if not folder.is_dir():
        what = "give a suite, a folder that `marigold synth` wrote, or the name of a data set"
        raise DataError(f"{folder}: no such folder; {what}")
    if asked.root:
        raise ConfigError(
            f"--root {asked.root}: goes with the name of a data set, and `{asked.what}` is a folder; leave it out, or "
            f"name one of: {', '.join(known)}"
        )
    return words.dataset("folder", asked.set)


def _refuse_code(asked: Asked, trusted: tuple[str, ...]) -> None:
    """Raises `ConfigError` where modality, measures or settings name code of a package that is not trusted."""
    measures = ((Measure, name) for name in asked.measures)
    for base, name in (*measures, (Modality, asked.modality), *((Dataset, name) for name in _names_in(asked.set))):
        if name and not may_name(base, name, trusted):
            raise ConfigError(f"{printable(name)}: {not_trusted(base, name)}")


def _names_in(set_: tuple[str, ...]) -> Iterator[str]:
    """What settings choose by name, however deep."""
    values = [{key.rpartition(".")[2]: value} for key, value in map(words.setting, set_)]
    while values:
        value = values.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        values.extend(inner)
        if isinstance(value, dict) and isinstance(value.get(NAME), str):
            yield value[NAME]


def _changed(suite: Suite, asked: Asked) -> Suite:
    """The suite with what is asked for in place of what it says."""
    sets = suite.sets
    if asked.split:
        sets = tuple(replace(one, split=asked.split) for one in sets)
    if asked.beside is not None:
        sets = tuple(replace(one, beside=asked.beside) for one in sets)
    if asked.measures:
        measures = decode(tuple[Measure, ...], list(asked.measures), "--measures")  # type: ignore[arg-type]
        sets = tuple(replace(one, measures=measures) for one in sets)
    if len(sets) > 1 or asked.what in suites.names():
        for word in asked.set:
            sets = _set(sets, word)
    return replace(suite, sets=sets)


def _set(sets: tuple[SuiteSet, ...], word: str) -> tuple[SuiteSet, ...]:
    """The sets of a suite with `DATASET.KEY=VALUE`. Raises `ConfigError` for a data set that it has not."""
    key, value = words.setting(word)
    name, dot, rest = key.partition(".")
    known = {str(encode(one.dataset)[NAME]) for one in sets}
    if not dot or name not in known:
        there = ", ".join(sorted(known))
        raise ConfigError(f"--set {printable(word)}: in a suite write DATASET.KEY=VALUE; its data sets are: {there}")
    for part in reversed(rest.split(".")):
        value = {part: value}
    return tuple(_with(one, value, name) if encode(one.dataset)[NAME] == name else one for one in sets)


def _with(one: SuiteSet, settings: dict[str, Any], name: str) -> SuiteSet:
    return replace(one, dataset=decode(Dataset, merge(encode(one.dataset), settings), f"--set {name}"))


def _modality(asked: Asked) -> Modality:
    if not asked.modality:
        raise ConfigError("--modality: say what the predictions are, such as depth")
    return implementation(Modality, asked.modality)()


def _object(name: str) -> Any:
    """An instance of `my_package.my_module:Class`, or the object of that name."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ConfigError(f"--model {printable(name)}: write MODULE:CLASS, such as my_package.my_model:Midas")
    found = getattr(imported(module), attribute, None)
    if found is None:
        raise ConfigError(f"--model {printable(name)}: the module has no `{printable(attribute)}`; correct the name")
    if not callable(getattr(found, "predict", None)):
        raise ConfigError(f"--model {printable(name)}: has no method `predict(photo)`; give it one")
    try:
        return found() if isinstance(found, type) else found
    except MarigoldError:
        raise
    except (Exception, SystemExit) as error:
        told = printable(f"--model {name}: cannot be made without arguments ({type(error).__name__}: {shown(error)})")
        raise ConfigError(f"{told}; correct it, or name an object of the module") from error
