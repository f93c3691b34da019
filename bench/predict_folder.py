"""A folder of photos: how much faster is a run that reads and writes while it computes?

python bench/predict_folder.py [CHECKPOINT] [--photos N] [--rounds N] [--device D] [--output FILE]

The same photos (scikit-image's photographs, repeated, at the sizes of the table) are predicted in one process one stage
after the other, and with the stages overlapped, in turn. A ratio is of two runs that follow each other; the table shows
the median of the rounds and their range. What the stages take is measured in the serial runs. Where the processor
computes, an overlapped run cannot be shorter than its processor time divided by the cores that are free: the gain is
what a serial run leaves idle. Rows marked "elsewhere" show how much that is while something else computes: a stand-in
waits as long as the prediction took, with the processor free, and its files are read and written as ever.
"""

import contextlib
import io
import itertools
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

# As the command does, and before torch is loaded: otherwise threads of the serial run spin, and those of the overlapped
# run, which are more than there are cores, do not.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import tyro
from PIL import Image

import photographs
from marigold.folders import batch
from marigold.predict.prediction import Prediction
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor

SIZES = ((640, 480), (4000, 3000))
FORMATS = ("npy", "npy,png16,preview")
STAGES = ("read", "predict", "write")
REQUEST = Request(ensemble=1)
"""One member, on the photo as it is."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")] = "depth"
    photos: int = 6
    rounds: int = 3
    device: str = "cpu"
    output: Path = Path(__file__).parent / "results" / "predict_folder.md"


@dataclass(frozen=True)
class Run:
    """Seconds for a photo: on the clock, of all processor cores together, and of each stage on the clock."""

    seconds: float
    processor: float
    stages: dict[str, float]


@dataclass(frozen=True)
class Row:
    """Seconds for a photo: of every stage by itself, and of whole runs."""

    size: tuple[int, int]
    formats: str
    computed: str
    """Here, or by the stand-in."""
    stages: dict[str, float]
    processor: float
    """Seconds of all cores together, in overlapped runs."""
    serial: list[float]
    overlapped: list[float]

    @property
    def ratios(self) -> list[float]:
        """Serial to overlapped, one for every round."""
        return [one / other for one, other in zip(self.serial, self.overlapped, strict=True)]


def main(options: Options) -> None:
    """Measures every size with every choice of formats and writes the table."""
    together = MultiPredictor([load(options.checkpoint, device=options.device)], batch=1)
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            photos = make_photos(Path(folder), options.photos, size)
            for formats in FORMATS:
                here = measure(together, "here", photos, Path(folder) / "out", formats, options.rounds)
                waiting = Elsewhere(together, photos[0], here.stages["predict"])
                rows += [here, measure(waiting, "elsewhere", photos, Path(folder) / "out", formats, options.rounds)]
    text = table(options, together, rows)
    print(text)
    options.output.write_text(text + "\n", encoding="utf-8")


def make_photos(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """JPEG files of this size."""
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for path, source in zip(paths, itertools.cycle(photographs.paths()), strict=False):
        Image.open(source).convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, quality=90)
    return paths


class Elsewhere(MultiPredictor):
    """A stand-in that takes so many seconds without the processor, as on a GPU; its predictions are of one photo."""

    def __init__(self, together: MultiPredictor, photo: Path, seconds: float) -> None:
        super().__init__(list(together.predictors.values()), batch=1)
        self._found, self._seconds = together.predict(photo, REQUEST), seconds

    def predict(self, image: object, request: Request | None = None) -> dict[str, Prediction]:
        """The predictions of the one photo, after a wait."""
        time.sleep(self._seconds)
        return self._found


def measure(
    together: MultiPredictor, computed: str, photos: list[Path], output: Path, formats: str, rounds: int
) -> Row:
    """Runs in turn with and without overlap, after one that warms up."""
    run(together, photos[:1], output, formats, overlap=False)
    pairs = [
        [run(together, photos, output, formats, overlap=overlap) for overlap in (False, True)] for _ in range(rounds)
    ]
    serial, overlapped = zip(*pairs, strict=True)
    return Row(
        Image.open(photos[0]).size,
        formats,
        computed,
        {stage: statistics.median(one.stages[stage] for one in serial) for stage in STAGES},
        statistics.median(one.processor for one in overlapped),
        [one.seconds for one in serial],
        [one.seconds for one in overlapped],
    )


def run(together: MultiPredictor, photos: list[Path], output: Path, formats: str, *, overlap: bool) -> Run:
    """One run over all photos."""
    log = output.with_suffix(".jsonl")
    log.unlink(missing_ok=True)
    start, processor = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        batch.predict_photos(
            together, photos, REQUEST, output, formats=formats, overwrite=True, log=log, overlap=overlap
        )
    seconds = (time.perf_counter() - start) / len(photos)
    processor = (time.process_time() - processor) / len(photos)
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return Run(
        seconds, processor, {stage: statistics.fmean(entry["stages"][stage] for entry in entries) for stage in STAGES}
    )


def table(options: Options, together: MultiPredictor, rows: list[Row]) -> str:
    """The figures as Markdown."""
    (predictor,) = together.predictors.values()
    where = torch.cuda.get_device_name(predictor.plan.device) if predictor.plan.device.type == "cuda" else "CPU"
    head = (
        f"Checkpoint `{options.checkpoint}`, {options.photos} photos a run, {options.rounds} rounds, {where}, "
        f"{len(os.sched_getaffinity(0))} cores, torch {torch.__version__}. Seconds a photo; the ratio is that of the "
        "serial to the overlapped run, the median of the rounds, with their range."
    )
    lines = [
        "| photos | formats | computed | read | predict | write | serial run | overlapped run | processor | ratio |",
        f"|---|---|---|{'---:|' * 7}",
    ]
    for row in rows:
        numbers = [*row.stages.values(), statistics.median(row.serial), statistics.median(row.overlapped)]
        numbers.append(row.processor)
        cells = " | ".join(f"{number:.3f}" for number in numbers)
        ratio = f"{statistics.median(row.ratios):.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f})"
        lines.append(f"| {row.size[0]} x {row.size[1]} | {row.formats} | {row.computed} | {cells} | {ratio} |")
    return "\n".join([head, "", *lines])


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
