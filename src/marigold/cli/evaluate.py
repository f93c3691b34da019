"""Score a checkpoint on a data set, in a table beside baselines."""

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Suppress

from marigold.cli import expanded, parsed
from marigold.core.console import printable
from marigold.core.distribution import VERSION
from marigold.predict.settings import Request, Settings

if TYPE_CHECKING:
    from marigold.datasets.base import Dataset, DatasetCard
    from marigold.predict.predictor import Predictor

_LARGEST_BATCH = 256


@dataclass(frozen=True)
class _Request(Request):
    """The settings of `marigold predict`, but for what an evaluation decides."""

    checkpoint: Suppress[str | None] = None
    match_input: Suppress[bool] = True


@dataclass(frozen=True)
class Options:
    """Options of `marigold evaluate`."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A bundled name, a folder or a hub id."""
    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The name of a data set, such as procedural, or a folder that `marigold synth` wrote."""
    root: Path | None = None
    """Where a data set given by name lies; those that render need none."""
    settings: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = ()
    """A setting of the data set, as a recipe has it; several each with --set."""
    split: Annotated[str, tyro.conf.arg(help_behavior_hint="")] = ""
    """Which part of the data set; when left out, test or the only one there is."""
    count: int = 0
    """Use the first so many samples; 0 means all."""
    align: Literal["depth", "disparity", "none"] = "depth"
    """Where scale and shift are fitted before depth is compared."""
    batch: int = 8
    """Samples read at a time; 1 when sizes differ. It changes no score."""
    output: Path | None = None
    """The JSON file; output/evaluation_CHECKPOINT_DATASET.json when left out."""
    trust: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PACKAGE")] = ()
    """A package whose code the checkpoint may run, such as my_package; several each with --trust."""
    request: Annotated[OmitArgPrefixes[_Request], tyro.conf.arg(name="prediction")] = field(default_factory=_Request)


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "evaluate", arguments)


def run(options: Options) -> int:
    """Scores, prints the table and says where the JSON is."""
    from marigold.core.files import prepare
    from marigold.data import border
    from marigold.evaluate import report
    from marigold.evaluate.runner import score
    from marigold.measure.alignment import Protocol

    _check(options)
    report.prepared(options.output) if options.output else prepare(Path("output") / "evaluation.json")
    dataset, root = _dataset(options)
    card = border.card(dataset, root)
    predictor = _predictor(options)
    path = options.output or _usual_output(options, predictor.estimator.card.name)
    _check_fields(options, predictor, card)
    split = options.split or _only_split(options.dataset, card)
    keys = border.keys(dataset, root, split)[: options.count or None]
    protocol = Protocol(options.align, *card.depth_range)
    scores = score(predictor, dataset, root, keys, request=options.request, protocol=protocol, batch=options.batch)
    facts = _facts(options, predictor, f"{split}, {len(keys)} samples", protocol)
    report.write(path, scores, facts)
    print(f"{report.table(scores)}\n\n{report.settings(facts)}")
    print(f"\n{printable(path)}")
    return 0


def _usual_output(options: Options, checkpoint: str) -> Path:
    """The JSON file where the user names none; raises `OutputError` for names that none can be called after."""
    from marigold.core.errors import OutputError
    from marigold.core.files import file_name
    from marigold.evaluate.report import prepared

    dataset = Path(os.path.abspath(options.dataset)).name
    try:
        name = file_name(f"evaluation_{checkpoint}_{dataset}.json", "the result")
    except OutputError as error:
        raise OutputError(f"{error}; or name the result with --output") from None
    return prepared(Path("output") / name)


def _check(options: Options) -> None:
    from marigold.core.errors import ConfigError

    for name, least in {"--count": 0, "--batch": 1}.items():
        if (value := getattr(options, name.strip("-"))) < least:
            raise ConfigError(f"{name} {value}: must be at least {least}")
    if options.batch > _LARGEST_BATCH:
        raise ConfigError(f"--batch {options.batch}: must be at most {_LARGEST_BATCH}")


def _dataset(options: Options) -> "tuple[Dataset, Path]":
    """The data set and where it lies. A name stands for the data set, whatever folders there are."""
    from marigold.cli import _settings
    from marigold.core.errors import ConfigError, DataError
    from marigold.core.find import names
    from marigold.datasets.base import Dataset

    folder, known = expanded(options.dataset), names(Dataset)
    if options.dataset in known or (not folder.is_dir() and "/" not in options.dataset):
        if folder.is_dir():
            print(f"`{folder}` is the data set of that name; the folder is `./{folder}`", file=sys.stderr)
        return _settings.dataset(options.dataset, options.settings), options.root or Path()
    if options.root is not None:
        raise ConfigError(
            f"--root {options.root}: goes with the name of a data set, and `{options.dataset}` is a folder; leave it "
            f"out, or name one of: {', '.join(known)}"
        )
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one that `marigold synth` wrote, or the name of a data set")
    return _settings.dataset("folder", options.settings), folder


def _only_split(dataset: str, card: "DatasetCard") -> str:
    from marigold.core.errors import DataError

    if "test" in card.splits:
        return "test"
    if len(card.splits) != 1:
        raise DataError(f"{dataset}: name one of its splits with --split: {', '.join(card.splits) or 'it has none'}")
    return card.splits[0]


def _predictor(options: Options) -> "Predictor":
    from marigold.predict.predictor import load

    request = options.request
    return load(options.checkpoint, device=request.device, precision=request.precision, trust=options.trust)


def _check_fields(options: Options, predictor: "Predictor", card: "DatasetCard") -> None:
    from marigold.core.errors import DataError

    missing = [name for name in predictor.estimator.modality.needs if name not in card.fields]
    if missing:
        raise DataError(
            f"{options.dataset}: has no {', '.join(missing)}, which `{predictor.estimator.card.modality}` is scored "
            f"by; it has: {', '.join(card.fields) or 'no fields'}"
        )


def _facts(options: Options, predictor: "Predictor", samples: str, protocol: Any) -> dict[str, Any]:
    """Everything needed to repeat the table."""
    from marigold.accel.precision import precision_name

    card = predictor.estimator.card
    settings: Settings = options.request.settings(card.defaults)
    facts = {
        "checkpoint": f"{card.name} {card.revision}".strip(),
        "modality": card.modality,
        "data": f"{options.dataset} {samples}",
        **{name: value for name, value in asdict(settings).items() if value is not None},
    }
    if options.settings:
        facts["set"] = " ".join(map(printable, options.settings))
    if alignment := predictor.estimator.modality.alignment(protocol):
        facts["alignment"] = alignment
    mean = {"mean": "over images of each image's value", "mask": "pixels that the data set allows"}
    return {**facts, **mean, "precision": precision_name(predictor.plan.dtype), "version": VERSION}
