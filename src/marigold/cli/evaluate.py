"""Score a checkpoint on a data set, in a table beside trivial answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from marigold.checkpoints.convention import TTA
from marigold.cli import expanded, parsed
from marigold.core.distribution import VERSION
from marigold.predict.settings import chosen_tta

if TYPE_CHECKING:
    from marigold.datasets.base import Dataset, DatasetCard
    from marigold.estimator import Estimator


@dataclass(frozen=True)
class Options:
    """What `marigold evaluate` is told."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A bundled name, a folder or a hub id."""
    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """A folder that `marigold synth` wrote, or the name of a data set, such as procedural."""
    root: Path = Path()
    """Where a data set given by name lies; those that render need none."""
    split: Annotated[str, tyro.conf.arg(help_behavior_hint="")] = ""
    """Which part of the data set; when left out, test or the only one there is."""
    count: int = 0
    """Use the first so many samples; 0 means all."""
    steps: int | None = None
    """Sampling steps; the checkpoint's default when left out."""
    ensemble: int | None = None
    """Members whose predictions are merged; the checkpoint's default when left out."""
    tta: TTA | None = None
    """What the members of an ensemble see, by the checkpoint when left out; varied shows them the photo in turn as it
    is, mirrored and larger."""
    resolution: int = 0
    """The longest side at work in pixels; 0 is the samples' own size."""
    align: Literal["depth", "disparity", "none"] = "depth"
    """Where scale and shift are fitted before depth is compared."""
    seed: int = 0
    """Of the noise."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """The type of the weights."""
    batch: int = 8
    """Photos at a time; 1 when sizes differ. It changes no score."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    output: Path | None = None
    """The JSON file; output/evaluation_CHECKPOINT_DATASET.json when left out."""


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "evaluate", arguments)


def run(options: Options) -> int:
    """Scores, prints the table and says where the JSON is."""
    from marigold.core.files import prepare
    from marigold.evaluate import report
    from marigold.evaluate.runner import evaluate, painter
    from marigold.measure.alignment import Protocol

    _check(options)
    folder = prepare(options.output or Path("output") / "evaluation.json").parent
    estimator, device = _estimator(options)
    dataset, root, card = _dataset(options, estimator.modality.needs)
    _check_fields(options, estimator, card)
    split = options.split or _only_split(options.dataset, card)
    keys = list(dataset.scan(root, split)[: options.count or None])
    sampling = _sampling(options, estimator)
    protocol = Protocol(options.align, *card.depth_range)
    name = estimator.card.name
    scores = evaluate(
        painter(estimator, **sampling),
        estimator.modality,
        dataset,
        root,
        keys,
        name=name,
        protocol=protocol,
        batch=options.batch,
        device=device,
    )
    facts = _facts(options, estimator, f"{split}, {len(keys)} samples", sampling, str(protocol))
    path = options.output or folder / f"evaluation_{name}_{Path(options.dataset).name}.json"
    report.write(path, scores, facts)
    print(f"{report.table(scores)}\n\n{report.settings(facts)}")
    print(f"\n{path}")
    return 0


def _check(options: Options) -> None:
    from marigold.core.errors import ConfigError

    lowest = {"--count": 0, "--steps": 1, "--ensemble": 1, "--resolution": 0, "--seed": 0, "--batch": 1}
    for name, least in lowest.items():
        value = getattr(options, name.strip("-"))
        if value is not None and value < least:
            raise ConfigError(f"{name} {value}: must be at least {least}")


def _dataset(options: Options, fields: tuple[str, ...]) -> "tuple[Dataset, Path, DatasetCard]":
    """The data set, where it lies, and its label."""
    from marigold.core.errors import DataError
    from marigold.core.find import implementation
    from marigold.datasets.base import Dataset
    from marigold.datasets.folder import Folder, read_card

    folder = expanded(options.dataset)
    if folder.is_dir():
        return Folder(fields), folder, read_card(folder)
    if "/" in options.dataset:
        raise DataError(f"{folder}: no such folder; give one that `marigold synth` wrote, or the name of a data set")
    dataset = implementation(Dataset, options.dataset)()
    return dataset, options.root, dataset.card


def _only_split(dataset: str, card: "DatasetCard") -> str:
    from marigold.core.errors import DataError

    if "test" in card.splits:
        return "test"
    if len(card.splits) != 1:
        raise DataError(f"{dataset}: name one of its splits with --split: {', '.join(card.splits) or 'it has none'}")
    return card.splits[0]


def _estimator(options: Options) -> "tuple[Estimator, str]":
    from marigold.accel.plan import apply, make_plan
    from marigold.checkpoints import store

    plan = make_plan(options.device, options.precision)
    return apply(store.open(options.checkpoint, device=plan.device, dtype=plan.dtype), plan), str(plan.device)


def _check_fields(options: Options, estimator: "Estimator", card: "DatasetCard") -> None:
    from marigold.core.errors import DataError

    missing = [name for name in estimator.modality.needs if name not in card.fields]
    if missing:
        raise DataError(
            f"{options.dataset}: has no {', '.join(missing)}, which `{estimator.card.modality}` is scored by; "
            f"it has: {', '.join(card.fields) or 'no fields'}"
        )


def _sampling(options: Options, estimator: "Estimator") -> dict[str, Any]:
    """Settings of the painter; those left out are the checkpoint's."""
    defaults: dict[str, Any] = {"steps": 1, "ensemble": 1, "tta": "none", **estimator.card.defaults}
    chosen = {name: getattr(options, name) for name in ("steps", "ensemble")}
    settings = {name: defaults[name] if value is None else value for name, value in chosen.items()}
    tta = chosen_tta(options.tta, defaults["tta"], settings["ensemble"])
    return {**settings, "resolution": options.resolution, "seed": options.seed, "tta": tta}


def _facts(
    options: Options, estimator: "Estimator", samples: str, sampling: dict[str, int], alignment: str
) -> dict[str, Any]:
    """Everything needed to repeat the table."""
    label = f"{estimator.card.name} {estimator.card.revision}".strip()
    facts = {"checkpoint": label, "modality": estimator.card.modality, "data": f"{options.dataset} {samples}"}
    alignments = {"alignment": alignment} if "depth" in estimator.modality.needs else {}
    mean = {"mean": "over images of each image's value", "mask": "pixels that the data set allows"}
    return {**facts, **sampling, **alignments, **mean, "precision": options.precision, "version": VERSION}
