"""`marigold evaluate calibrate`: measures on held-out samples what intervals are made by, and stores it in the card."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import OmitArgPrefixes, Suppress

from marigold.cli import expanded, parsed
from marigold.core.console import printable
from marigold.predict.settings import Request

if TYPE_CHECKING:
    from marigold.checkpoints.calibration import Calibration
    from marigold.checkpoints.card import Card
    from marigold.datasets.base import DatasetCard


@dataclass(frozen=True)
class _Request(Request):
    """The settings of `marigold predict`, but for what a calibration decides."""

    checkpoint: Suppress[str | None] = None
    autoencoder: Suppress[str | None] = None
    match_input: Suppress[bool] = True
    interval: Suppress[float | None] = None
    hr: Suppress[bool] = False
    upscale: Suppress[float | None] = None
    tile: Suppress[int | None] = None
    refiner: Suppress[str | None] = None
    refiner_steps: Suppress[int | None] = None
    refiner_ensemble: Suppress[int | None] = None


@dataclass(frozen=True)
class Options:
    """Options of `marigold evaluate calibrate`."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """The folder of a checkpoint, whose card gets the calibration; with --output a name as well."""
    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """The name of a data set, such as procedural."""
    root: Path = Path()
    """Where the data set lies; those that render need none."""
    settings: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(name="set", metavar="KEY=VALUE")] = ()
    """A setting of the data set, as a recipe has it; several each with --set."""
    split: Annotated[str, tyro.conf.arg(help_behavior_hint="")] = ""
    """Which part of the data set, one that is neither trained on nor scored; when left out, val or the only one."""
    count: int = 200
    """Use the first so many samples; 0 means all."""
    output: Path | None = None
    """The folder whose card gets the calibration, that of the same weights; the checkpoint's own when left out."""
    trust: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="PACKAGE")] = ()
    """A package whose code the checkpoint may run, such as my_package; several each with --trust."""
    request: Annotated[OmitArgPrefixes[_Request], tyro.conf.arg(name="prediction")] = field(default_factory=_Request)


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "evaluate calibrate", arguments)


def run(options: Options) -> int:
    """Calibrates, writes the card and says how wide the intervals are."""
    from marigold.core.errors import ConfigError
    from marigold.data import border, words
    from marigold.evaluate.calibrate import fit
    from marigold.predict.predictor import load

    if options.count < 0:
        raise ConfigError(f"--count {options.count}: must be at least 0")
    folder, before = _target(options)
    dataset = words.dataset(options.dataset, options.settings)
    data_card = border.card(dataset, options.root)
    split = options.split or _usual_split(options.dataset, data_card)
    request = options.request
    predictor = load(options.checkpoint, **request.hardware(), trust=options.trust)
    _check(predictor.estimator.card, before, folder, predictor.estimator.modality.needs, data_card, options.dataset)
    keys = border.keys(dataset, options.root, split)[: options.count or None]
    data = f"{options.dataset} {split}, the first {len(keys)}"
    found = fit(predictor, dataset, options.root, keys, request, data=data)
    replace(before, calibration=merged(before.calibration, found)).write(folder)
    print("\n".join(_lines(found)))
    print(f"\n{printable(folder / 'card.json')}")
    return 0


def _target(options: Options) -> "tuple[Path, Card]":
    """The folder whose card is written, and the card as it is."""
    from marigold.checkpoints.card import FILE, Card
    from marigold.core.errors import CheckpointError

    folder = options.output or expanded(options.checkpoint)
    if not (folder / FILE).is_file():
        raise CheckpointError(
            f"{printable(folder)}: has no {FILE} that could hold a calibration; name the checkpoint's folder with "
            "--output, or save it to one first (`checkpoint.save`)"
        )
    return folder, Card.read(folder)


def _usual_split(dataset: str, card: "DatasetCard") -> str:
    from marigold.core.errors import DataError

    if "val" in card.splits:
        return "val"
    if len(card.splits) != 1:
        raise DataError(f"{dataset}: name one of its splits with --split: {', '.join(card.splits) or 'it has none'}")
    return card.splits[0]


def _check(
    opened: "Card", written: "Card", folder: Path, needs: tuple[str, ...], data: "DatasetCard", dataset: str
) -> None:
    """Raises `CheckpointError` for the card of other weights, `DataError` for data without what is predicted."""
    from marigold.core.errors import CheckpointError, DataError

    if (opened.modality, opened.revision) != (written.modality, written.revision):
        raise CheckpointError(f"{printable(folder)}: is the folder of other weights than {opened.name}; name its own")
    if missing := [name for name in needs if name not in data.fields]:
        raise DataError(f"{dataset}: has no {', '.join(missing)}, which `{opened.modality}` is measured by")


def merged(known: "tuple[Calibration, ...]", found: "Calibration") -> "tuple[Calibration, ...]":
    """All calibrations; the one that was made with the same settings gives way."""
    others = [one for one in known if _settings_of(one) != _settings_of(found)]
    return tuple(sorted([*others, found], key=_settings_of))


def _settings_of(one: "Calibration") -> tuple[object, ...]:
    return one.tta, one.steps, one.resolution, one.sizing, one.ensemble


def _lines(found: "Calibration") -> list[str]:
    """A table of how many times the expected error an interval reaches, for the usual shares."""
    from marigold.predict.interval import quantile

    shares = [share for share in (0.5, 0.8, 0.9) if share <= found.levels[-1]]
    head = "| map | expected error | " + " | ".join(f"{share:.0%}" for share in shares) + " |"
    lines = [head, "|" + "---|" * (2 + len(shares))]
    for name, spread in found.outputs.items():
        reached = [f"{quantile(found, name, share):.2f} times" for share in shares]
        error = f"{spread.scale:.4g} * (uncertainty + {spread.floor:.4g})"
        lines.append(f"| {name} | {error} | " + " | ".join(reached) + " |")
    return lines
