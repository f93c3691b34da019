"""Predict maps for photos: files, folders or patterns."""

import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from marigold.cli import one_line, parsed
from marigold.core.errors import CheckpointError, ImageError
from marigold.predict.request import Request

if TYPE_CHECKING:
    from marigold.predict.predictor import Predictor


@dataclass(frozen=True)
class Options:
    """What `marigold predict` is told."""

    modality: Annotated[Positional[str], arg(metavar="MODALITY")]
    """What to predict, such as depth."""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...", help_behavior_hint="(one or more)")]
    """Photos: files, folders, or patterns in quotes such as 'photos/**/*.jpg'."""
    output: Path = Path("output")
    """The folder that the results are written to."""
    request: Annotated[OmitArgPrefixes[Request], arg(name="prediction")] = field(default_factory=Request)


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "predict", arguments)


def run(options: Options) -> int:
    """Predicts every photo; the exit code is 1 if any could not be used."""
    start = time.perf_counter()
    # Threads that spin while they wait make a shared machine several times slower; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from marigold.core.files import make_folder
    from marigold.predict.batch import find_photos, predict_photos

    warnings.filterwarnings("ignore", module="PIL")  # about oddities of files that are read all the same
    photos, failures = find_photos(options.inputs)
    if not photos:
        raise ImageError("; ".join(failures) or "no photo was named; give files, folders or patterns")
    predictor = _predictor(options)
    make_folder(options.output)
    outcome = predict_photos(predictor, photos, options.request, options.output)
    if outcome.done:
        photos_done = "1 photo" if outcome.done == 1 else f"{outcome.done} photos"
        print(f"{photos_done} in {time.perf_counter() - start:.1f} s; maps and pictures are in {options.output}")
    return _report_failures([*failures, *outcome.failures])


def _predictor(options: Options) -> "Predictor":
    """The checkpoint asked for, or the modality's own; it must predict what was asked for."""
    from marigold.checkpoint import bundled
    from marigold.core.find import implementation, name_of
    from marigold.modalities.base import Modality
    from marigold.predict.predictor import load

    wanted = implementation(Modality, options.modality)
    request = options.request
    if not request.checkpoint and options.modality not in bundled():
        raise CheckpointError(
            f"no checkpoint for {options.modality} is bundled; name one with --checkpoint: a folder or a hub id"
        )
    predictor = load(request.checkpoint or options.modality, device=request.device, precision=request.precision)
    found = predictor.estimator.modality
    if type(found) is not wanted:
        name = predictor.estimator.card.name
        raise CheckpointError(
            f"checkpoint `{name}` predicts {name_of(found)}, not {options.modality}; "
            f"run `marigold predict {name_of(found)}` or choose another checkpoint"
        )
    return predictor


def _report_failures(failures: list[str]) -> int:
    if not failures:
        return 0
    lines = [one_line(failure) for failure in failures]
    if len(lines) > 1:
        lines = [f"{len(lines)} inputs could not be used:", *(f"  {line}" for line in lines)]
    print("marigold: error: " + "\n".join(lines), file=sys.stderr)
    return 1
