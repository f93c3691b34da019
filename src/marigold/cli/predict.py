"""Predict maps for photos and videos: files, folders or patterns."""

import logging
import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from marigold.cli import one_line, parsed
from marigold.core.console import printable
from marigold.core.errors import ConfigError, ImageError
from marigold.export._options import USUAL
from marigold.export._options import Options as FormatOptions
from marigold.metric.asked import Asked
from marigold.predict.settings import Request
from marigold.video.options import VideoOptions

if TYPE_CHECKING:
    from marigold.folders.batch import Outcome


@dataclass(frozen=True)
class Options:
    """Which photos, what of them, and where it goes."""

    modality: Annotated[Positional[str], arg(metavar="MODALITY")]
    """What to predict, such as depth; several as depth,normals; or all."""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT...", help_behavior_hint="(one or more)")]
    """Photos: files, folders, or patterns in quotes such as 'photos/**/*.jpg'; and videos, by name or pattern."""
    output: Path = Path("output")
    """The folder that the results are written to."""
    format: Annotated[str, arg(metavar="NAME,...")] = ",".join(USUAL)
    """File formats, separated by commas: npy, png16, preview, exr, normal_map, pbr, ply, glb."""
    overwrite: bool = False
    """Predicts photos again whose results are complete."""
    log: Path | None = None
    """Gets a JSON line for every photo; OUTPUT/log.jsonl when left out and there are several photos."""
    batch: int | None = None
    """Photos, or members of their ensembles, that the networks take at once; left out, as many as keep a GPU busy and
    its memory holds, and one on a CPU. It changes no value beyond rounding."""
    trust: Annotated[tuple[str, ...], UseAppendAction, arg(metavar="PACKAGE")] = ()
    """A package whose code the checkpoint may run, such as my_package; several each with --trust."""
    request: Annotated[OmitArgPrefixes[Request], arg(name="prediction")] = field(default_factory=Request)
    video: OmitArgPrefixes[VideoOptions] = field(default_factory=VideoOptions)
    measures: Annotated[OmitArgPrefixes[Asked], arg(name="measures")] = field(default_factory=Asked)
    formats: Annotated[OmitArgPrefixes[FormatOptions], arg(name="format")] = field(default_factory=FormatOptions)


def parse(arguments: list[str]) -> Options:
    """The command line as options."""
    return parsed(Options, "predict", arguments)


def run(options: Options) -> int:
    """Predicts every photo; the exit code is 1 if any could not be used."""
    start = time.perf_counter()
    # Threads that spin while they wait make a shared machine several times slower; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from marigold.cli._clips import clip_inputs, run_clips
    from marigold.export.base import check_options, chosen
    from marigold.folders.batch import predict_photos
    from marigold.folders.photos import find_photos, left_out
    from marigold.metric.completion import Completion
    from marigold.metric.measuring import Measuring
    from marigold.predict.together import choose

    # Both remark on oddities of files that are read all the same.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    clips, inputs = clip_inputs(options.inputs, options.video)
    photos, failures = find_photos(inputs, options.output)
    if missed := left_out(inputs, options.output):
        print(f"marigold: {one_line(missed)}", file=sys.stderr)
    if not photos and not clips:
        raise ImageError("; ".join(failures) or "no photo was named; give files, folders or patterns")
    if clips and options.measures.anything:
        raise ConfigError(f"{clips[0]}: known distances and cameras are for photos; leave them out for clips")
    request = options.request
    formats = chosen(options.format, options.formats)
    check_options(formats, options.formats)
    by_exif = options.formats.fov == FormatOptions.fov
    detail = options.formats.detail
    checkpoints = choose(
        options.modality,
        checkpoint=request.checkpoint,
        **request.hardware(),
        trust=options.trust,
        batch=options.batch,
        autoencoder=request.autoencoder,
        hr=request.hr,
        refiner=request.refiner,
    )
    failures += run_clips(
        clips, checkpoints, request, options.output, options.video, formats=formats, overwrite=options.overwrite
    )
    if not photos:
        return _report_failures(failures)
    measuring = Measuring(
        options.measures,
        photos,
        exif=by_exif,
        cut=options.formats.cut,
        detail=detail,
        completion=Completion(checkpoints.differentiable),
    )
    outcome = predict_photos(
        checkpoints,
        photos,
        request,
        options.output,
        formats=formats,
        # A cloud of all photos takes the depth of all of them.
        overwrite=options.overwrite or measuring.cloud is not None,
        measuring=measuring,
        log=options.log or (options.output / "log.jsonl" if len(photos) > 1 else None),
    )
    if measuring.cloud is not None and measuring.cloud.photos:
        cloud = measuring.cloud.write(options.output / "cloud.ply")
        print(f"{printable(cloud)}: the points of {_counted(measuring.cloud.photos)}")
    _summarise(outcome, time.perf_counter() - start, options.output)
    return _report_failures([*failures, *outcome.failures])


def _summarise(outcome: "Outcome", seconds: float, output: Path) -> None:
    skipped = f"{_counted(outcome.skipped)} skipped, complete already (--overwrite predicts again)"
    if outcome.done:
        also = f"; {skipped}" if outcome.skipped else ""
        print(f"{_counted(outcome.done)} in {seconds:.1f} s{also}; maps and pictures are in {printable(output)}")
    elif outcome.skipped:
        print(f"{skipped}; maps and pictures are in {printable(output)}")


def _counted(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos} photos"


def _report_failures(failures: list[str]) -> int:
    if not failures:
        return 0
    lines = [one_line(failure) for failure in failures]
    if len(lines) > 1:
        lines = [f"{len(lines)} inputs could not be used:", *(f"  {line}" for line in lines)]
    print("marigold: error: " + "\n".join(lines), file=sys.stderr)
    return 1
