"""`marigold evaluate CHECKPOINT DATASET`: the table of one checkpoint on one data set, and one JSON file."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marigold.cli import expanded
from marigold.core.console import printable
from marigold.core.distribution import VERSION

if TYPE_CHECKING:
    from marigold.cli._evaluation import Options
    from marigold.datasets.base import Dataset
    from marigold.predict.predictor import Predictor

_LARGEST_BATCH = 256
_ELSEWHERE = ("checkpoint", "predictions", "pattern", "model", "modality", "measures", "beside")
"""Options that go with a suite or data set alone."""


def run(options: "Options") -> int:
    """Scores, prints the table and says where the JSON is."""
    from marigold.core.files import prepare
    from marigold.data import border
    from marigold.evaluate import report, task
    from marigold.evaluate.measures.standard import Standard
    from marigold.evaluate.runner import score

    checkpoint, data = options.what
    _check(options)
    report.prepared(options.output) if options.output else prepare(Path("output") / "evaluation.json")
    dataset, root = _dataset(options, data)
    card = border.card(dataset, root)
    predictor = _predictor(options, checkpoint)
    path = options.output or _usual_output(predictor.estimator.card.name, data)
    task.check_fields(data, card, predictor.estimator.modality, (Standard(),))
    split = options.split or task.only_split(data, card)
    keys = border.keys(dataset, root, split)[: options.count or None]
    protocol = task.chosen(card, _protocol(options))
    scores = score(predictor, dataset, root, keys, request=options.request, protocol=protocol, batch=options.batch)
    facts = _facts(options, predictor, f"{data} {split}, {len(keys)} samples", protocol)
    report.write(path, scores, facts)
    print(f"{report.table(scores)}\n\n{report.settings(facts)}")
    print(f"\n{printable(path)}")
    return 0


def _check(options: "Options") -> None:
    from marigold.core.errors import ConfigError

    for name, least in {"count": 0, "batch": 1}.items():
        if (value := getattr(options, name)) < least:
            raise ConfigError(f"--{name} {value}: must be at least {least}")
    if options.batch > _LARGEST_BATCH:
        raise ConfigError(f"--batch {options.batch}: must be at most {_LARGEST_BATCH}")
    if wrong := [name for name in _ELSEWHERE if getattr(options, name)]:
        dataset = printable(options.what[1])
        raise ConfigError(f"--{wrong[0]}: goes with one name, as in `marigold evaluate {dataset} --{wrong[0]} ...`")


def _protocol(options: "Options") -> dict[str, Any]:
    given = {"space": options.align, "fit": options.fit, "longest": options.longest, "pooling": options.pooling}
    return {name: value for name, value in given.items() if value is not None}


def _usual_output(checkpoint: str, data: str) -> Path:
    """The JSON file where the user names none; raises `OutputError` for names that none can be called after."""
    from marigold.core.errors import OutputError
    from marigold.core.files import file_name
    from marigold.evaluate.report import prepared

    try:
        name = file_name(f"evaluation_{checkpoint}_{Path(os.path.abspath(data)).name}.json", "the result")
    except OutputError as error:
        raise OutputError(f"{error}; or name the result with --output") from None
    return prepared(Path("output") / name)


def _dataset(options: "Options", data: str) -> "tuple[Dataset, Path]":
    """The data set and where it lies. A name stands for the data set, whatever folders there are."""
    from marigold.core.find import names
    from marigold.datasets.base import Dataset
    from marigold.evaluate.asked import Asked, dataset_named, root_of

    folder = expanded(data)
    if data in names(Dataset) and folder.is_dir():
        print(f"`{folder}` is the data set of that name; the folder is `./{folder}`", file=sys.stderr)
    what = data if data in names(Dataset) else str(folder) if folder.is_dir() else data
    asked = Asked(what, root=str(options.root or ""), set=options.settings)
    return dataset_named(asked), root_of(asked) or Path()


def _predictor(options: "Options", checkpoint: str) -> "Predictor":
    from marigold.predict.predictor import load

    request = options.request
    how: Any = {"trust": options.trust, "autoencoder": request.autoencoder, "refiner": request.refiner}
    return load(checkpoint, **request.hardware(), **how)


def _facts(options: "Options", predictor: "Predictor", samples: str, protocol: Any) -> dict[str, Any]:
    """Everything needed to repeat the table."""
    from marigold.accel.precision import precision_name

    card = predictor.estimator.card
    facts = {
        "checkpoint": f"{card.name} {card.revision}".strip(),
        "modality": card.modality,
        "data": samples,
        **{name: value for name, value in asdict(predictor.settings(options.request)).items() if value is not None},
    }
    if options.settings:
        facts["set"] = " ".join(map(printable, options.settings))
    if alignment := predictor.estimator.modality.alignment(protocol):
        facts["alignment"] = alignment
    mean = {"mean": "over images of each image's value", "mask": "pixels that the data set allows"}
    return {**facts, **mean, "precision": precision_name(predictor.plan.dtype), "version": VERSION}
