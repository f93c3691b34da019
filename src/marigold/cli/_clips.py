"""The clips of `marigold predict`: a progress bar for each, and a line when it is done or cannot be used."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from marigold.core.console import printable
from marigold.core.errors import ImageError
from marigold.video.inputs import clip_inputs, open_clip

if TYPE_CHECKING:
    from marigold.export.base import Format
    from marigold.predict.settings import Request
    from marigold.predict.together import LazyPredictors
    from marigold.video.options import VideoOptions
    from marigold.video.run import ClipOutcome

__all__ = ["clip_inputs", "run_clips"]

_SHOWN = 3
"""Frames without a map whose reasons are told."""


def run_clips(
    names: Sequence[str],
    predictors: "LazyPredictors",
    request: "Request",
    output: Path,
    options: "VideoOptions",
    *,
    formats: "Sequence[Format]",
    overwrite: bool,
) -> list[str]:
    """Predicts clips, one after the other, and returns what could not be used. Raises what all of them share."""
    from tqdm import tqdm

    from marigold.video.run import predict_clip

    failures: list[str] = []
    taken: dict[str, int] = {}
    for name in names:
        try:
            clip = open_clip(name, options, output)
            count = taken[clip.name] = taken.get(clip.name, 0) + 1
            clip.name += f"_{count}" if count > 1 else ""
            with tqdm(unit="frame", disable=not sys.stderr.isatty(), file=sys.stderr, dynamic_ncols=True) as bar:
                outcome = predict_clip(
                    predictors,
                    clip,
                    request,
                    output,
                    options=options,
                    formats=formats,
                    overwrite=overwrite,
                    progress=lambda number, bar=bar: bar.update(),
                )
        except ImageError as error:
            failures.append(str(error))
            continue
        print(printable(f"{name}: {_line(outcome)}"))
        failures += _without_maps(name, outcome)
    return failures


def _line(outcome: "ClipOutcome") -> str:
    """Frames, shots, seconds, where the results are, and notes."""
    if outcome.skipped:
        return "complete already"
    report = outcome.report
    notes = dict.fromkeys(
        [*report["clip"]["notes"], *(note for one in report["modalities"].values() if one for note in one["notes"])]
    )
    shown = "".join(f" ({note})" for note in notes)
    shots = len(report["shots"])
    counted = f"{report['clip']['frames']} frames in {shots} shot{'s' if shots > 1 else ''}"
    return f"{counted}, {outcome.seconds:.1f} s, {outcome.folder}{shown}"


def _without_maps(name: str, outcome: "ClipOutcome") -> list[str]:
    failed = outcome.failed
    lines = [f"{name}: frame {number}: {why}" for number, why in list(failed.items())[:_SHOWN]]
    more = len(failed) - len(lines)
    return [*lines, f"{name}: {more} more frames have no maps; video.json says why"] if more > 0 else lines
