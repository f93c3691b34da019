"""Many photos in one run: what is complete is skipped, and bad files do not end it."""

import errno
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from tqdm import tqdm

from marigold.core.console import printable
from marigold.core.errors import ConfigError, DeviceMemoryError, ImageError, MarigoldError, OutputError
from marigold.core.files import prepare
from marigold.core.images import read_photo
from marigold.core.raster import Photo
from marigold.export._listing import places, stored
from marigold.export._reports import Saved
from marigold.export.base import USUAL, Format, chosen
from marigold.folders.complete import photo_hash
from marigold.folders.log import Log
from marigold.folders.photos import result_names
from marigold.folders.pipeline import ALONE, run_overlapped, run_serially
from marigold.folders.results import Results
from marigold.folders.threads import threads_for
from marigold.metric.asked import Asked
from marigold.metric.measuring import Measuring, Reference
from marigold.predict.grouping import Group
from marigold.predict.prediction import Prediction
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import LazyPredictors, MultiPredictor

_NO_MEMORY = "not enough memory; lower --resolution or --ensemble, or scale the photo down"
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""No photo's files can be written: a full disk, a quota that is used up, a disk that only reads, one that fails."""


@dataclass
class Outcome:
    """What became of a run's photos."""

    done: int = 0
    skipped: int = 0
    """Photos whose results were complete already."""
    failures: list[str] = field(default_factory=list)
    """A message for every photo that could not be used."""


@dataclass
class PhotoJob:
    """One photo on its way: read, predicted, written; what it holds grows with every stage."""

    photo: Path
    name: str
    hash: str = ""
    image: Photo | None = None
    """None when its results are complete or it could not be read."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What its results depend on beside photo and settings."""
    reference: Reference = field(default_factory=Reference)
    """Known distances and the camera."""
    predictions: dict[str, Prediction] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage."""
    error: str = ""
    group: Group | None = None
    """The photos that it may be predicted with; None until it is known."""
    foretold: bool = False
    """Whether it has been said what to expect of its size."""
    saved: Saved = field(default_factory=lambda: Saved([], []))
    shown: str = ""
    """What its line says when it is done."""

    @property
    def seconds(self) -> float:
        """Of all stages together, which a run spends on several photos at a time."""
        return sum(self.stages.values())


def predict_photos(
    predictors: MultiPredictor | LazyPredictors | Predictor,
    photos: Iterable[Path],
    request: Request,
    output: Path,
    *,
    formats: str | Sequence[str | Format] = USUAL,
    overwrite: bool = False,
    log: Path | None = None,
    overlap: bool = True,
    measuring: Measuring | None = None,
) -> Outcome:
    """Predicts and saves one photo after another, with a line for each; a bad one does not end the run.

    Photos whose results are complete are skipped unless `overwrite`; `LazyPredictors` are loaded for the first that is
    not, on every device that they have. `log` gets a JSON line for each photo. On a terminal a progress bar with rate
    and time left stands below the lines. Photos are read ahead and results written while others are computed, those of
    one working size in batches, unless `overlap` is false: then one photo follows the other, on one device.
    `measuring` holds known distances and cameras; without it neither counts. Raises `OutputError` when nothing can be
    written.
    """
    photos = list(photos)
    predictors = MultiPredictor([predictors]) if isinstance(predictors, Predictor) else predictors
    provenances = predictors.provenance(request)
    measuring = measuring or Measuring(Asked(), photos, exif=False)
    measuring.check([one.modality for one in provenances.values()])
    results = Results(provenances, request, chosen(formats), output, photos)
    jobs = (PhotoJob(photo, name) for photo, name in zip(photos, result_names(photos), strict=True))
    quiet = len(photos) < 2 or not sys.stderr.isatty()
    lines = Log(log)
    with tqdm(total=len(photos), unit="photo", disable=quiet, file=sys.stderr, dynamic_ncols=True) as progress:
        maps = 1 if request.interval is None else 3  # with their lower and upper ends
        predicted = sum(maps * sum(one.modality.channels) + 1 for one in provenances.values())
        run = _Run(
            predictors.on_each_device(), request, results, measuring, overwrite, lines, progress, predicted, len(photos)
        )
        if overlap:
            on_cpu = predictors.device.type == "cpu"
            threads = threads_for(predictors.batch, on_cpu=on_cpu)
            run_overlapped(
                jobs, run.read, run.lanes(), run.write, run.weight, group=run.group, finish=run.finish, threads=threads
            )
        else:
            run_serially(jobs, run.read, run.lanes()[0], run.write, run.finish)
    return run.outcome


@dataclass
class _Run:
    """The stages of a run. `read` and `write` are called from several threads, a lane of `lanes` from one each."""

    predictors: Sequence[MultiPredictor | LazyPredictors]
    """On one device each."""
    request: Request
    results: Results
    measuring: Measuring
    overwrite: bool
    log: Log
    progress: "tqdm[Any]"
    predicted: int
    """Numbers that are predicted for each pixel."""
    left: int
    """Photos that are to be predicted, as far as is known: fewer for each whose results are found to be complete."""
    outcome: Outcome = field(default_factory=Outcome)
    settings_work: bool = False
    """Once some photo has been predicted with them, what they are at odds with is another photo's own fault."""
    ready: dict[MultiPredictor | LazyPredictors, MultiPredictor] = field(default_factory=dict)
    """The predictors of each device that has been used, loaded."""
    loading: Lock = field(default_factory=Lock)
    counting: Lock = field(default_factory=Lock)

    def read(self, job: PhotoJob) -> PhotoJob:
        start = time.perf_counter()
        try:
            job.hash = photo_hash(job.photo)
            job.known = self._known(job)
            if job.error:
                pass
            elif self.overwrite or not self.results.are_complete(job.name, job.hash, job.known):
                self._read_image(job)
            else:
                with self.counting:
                    self.left -= 1
        except MemoryError:
            job.error = f"{job.photo}: {_NO_MEMORY}"
        except ImageError as error:
            job.error = str(error)
        except Exception as error:  # of a library that decodes; whatever it raises is about this file
            job.error = f"{job.photo}: cannot be read ({type(error).__name__}: {error}); export it anew"
        job.stages["read"] = time.perf_counter() - start
        return job

    def _known(self, job: PhotoJob) -> Mapping[str, Any]:
        """What is known of a photo, as reports state it; the photo's error where its files cannot be read."""
        try:
            return self.measuring.stated(job.photo)
        except MarigoldError as error:
            job.error = f"{job.photo}: {error}"
            return {}

    def _read_image(self, job: PhotoJob) -> None:
        """The photo and, before time is spent on it, what is known of it."""
        image = read_photo(job.photo)
        try:
            job.reference = self.measuring.read(job.photo, image.size)
            job.image = image
        except MarigoldError as error:
            job.error = f"{job.photo}: {error}"

    def weight(self, job: PhotoJob) -> int:
        """Bytes of a photo that has been read, with what is predicted from it and the pixels that are shown beside."""
        if job.image is None:
            return 0
        height, width = job.image.size
        return job.image.levels.nbytes + height * width * (4 * self.predicted + 3)

    def group(self, job: PhotoJob) -> Group:
        """The photos that a photo is predicted with; itself alone where it cannot be, which computing it then tells."""
        if job.group is None:
            job.group = ALONE if job.image is None else self._group(job.image)
        return job.group

    def lanes(self) -> list[Callable[[Sequence[PhotoJob]], Sequence[PhotoJob]]]:
        """For each device what predicts some photos together."""
        return [partial(self.compute, predictors) for predictors in self.predictors]

    def compute(self, predictors: MultiPredictor | LazyPredictors, jobs: Sequence[PhotoJob]) -> Sequence[PhotoJob]:
        """The jobs with their predictions; those of a batch that fails are predicted one by one."""
        if len(jobs) == 1 or not self._computed_together(predictors, jobs):
            for job in jobs:
                self._compute_alone(predictors, job)
        return jobs

    def _group(self, image: Photo) -> Group:
        try:
            return self._ready(self.predictors[0]).group(image, self.request)
        except (ConfigError, ImageError):
            return ALONE

    def _ready(self, predictors: MultiPredictor | LazyPredictors) -> MultiPredictor:
        """The predictors, loaded after it was seen that results can be written; those of one device after another."""
        if predictors not in self.ready:
            with self.loading:
                if not self.ready:
                    self.results.prepare()
                loaded = predictors.loaded()
                loaded.expect(math.ceil(self.left / len(self.predictors)))
                self.ready[predictors] = loaded
        return self.ready[predictors]

    def _computed_together(self, predictors: MultiPredictor | LazyPredictors, jobs: Sequence[PhotoJob]) -> bool:
        """Whether a batch of photos could be predicted."""
        start, loaded = time.perf_counter(), self._ready(predictors)
        try:
            self._foretell(loaded, jobs)
            found = loaded.predict_many([job.image for job in jobs if job.image is not None], self.request)
        except Exception:  # whichever photo it is about: each tells its own when it is alone
            return False
        seconds = (time.perf_counter() - start) / len(jobs)
        for job, predictions in zip(jobs, found, strict=True):
            job.predictions, job.image, job.stages["predict"] = predictions, None, seconds
        self.settings_work = True
        return True

    def _compute_alone(self, predictors: MultiPredictor | LazyPredictors, job: PhotoJob) -> None:
        if job.image is None:
            return
        loaded = self._ready(predictors)
        start = time.perf_counter()
        try:
            self._foretell(loaded, [job])
            job.predictions = loaded.predict(job.image, self.request)
            self.settings_work = True
        except MemoryError:
            job.error = f"{job.photo}: {_NO_MEMORY}"
        except (ImageError, DeviceMemoryError) as error:
            job.error = f"{job.photo}: {error}"
        except ConfigError as error:
            if not self.settings_work:
                raise
            job.error = f"{job.photo}: {error}"
        except MarigoldError:
            raise
        except Exception as error:  # of a plug-in: whatever it raises is about this photo
            job.error = f"{job.photo}: {type(error).__name__}: {error}; mend the modality or backbone that raised it"
        job.image = None
        job.stages["predict"] = time.perf_counter() - start

    def _foretell(self, loaded: MultiPredictor, jobs: Sequence[PhotoJob]) -> None:
        """Says on the screen, before time is spent, what is to be said of photos' sizes; once for each photo."""
        for job in jobs:
            if job.image is not None and not job.foretold:
                job.foretold = True
                for note in loaded.foreseen(job.image, self.request):
                    self.progress.write(printable(f"{job.photo}: note: {note}"), file=sys.stderr)

    def write(self, job: PhotoJob) -> None:
        """Writes the files of a photo that has been predicted, and lets its maps go."""
        if not job.predictions:
            return
        start = time.perf_counter()
        job.saved = self._saved(job)
        job.stages["write"] = time.perf_counter() - start
        job.shown = _described(job) if job.saved.files else ""
        job.predictions = {}

    def finish(self, job: PhotoJob) -> None:
        """The line of every photo, on the screen and in the log."""
        if job.error:
            status, line = "failed", f"failed: {_short(job)}"
            self.outcome.failures.append(printable(job.error))
        elif job.saved.files:
            status, line = "done", job.shown
            self.outcome.done += 1
        else:
            status, line = "skipped", "complete already"
            self.outcome.skipped += 1
        self.log.add(
            photo=stored(job.photo),
            status=status,
            seconds=round(job.seconds, 3),
            stages={stage: round(seconds, 3) for stage, seconds in job.stages.items()},
            files=[stored(file) for file in places(job.saved.files, self.results.folder)],
            error=job.error or None,
        )
        self.progress.write(printable(f"{job.photo}: {line}"), file=sys.stdout)
        self.progress.update()

    def _saved(self, job: PhotoJob) -> Saved:
        """The files; none, and the photo's error, where it is this photo alone whose files cannot be written."""
        try:
            job.predictions = self.measuring.applied(job.predictions, job.reference)
            return self.results.save(job.predictions, job.name, job.hash, job.known)
        except Exception as error:  # formats and modalities of other packages raise errors of every type
            job.error = f"{job.photo}: {_why_not_written(error, self.results.folder)}"
            return Saved([], [])


def _why_not_written(error: Exception, folder: Path) -> str:
    """What keeps one photo's files from being written. Raises `OutputError` where no other photo's could be either."""
    cause = error if isinstance(error, OSError) else error.__cause__
    number = cause.errno if isinstance(cause, OSError) else None  # those that libraries make have none
    if number in _DISK_TROUBLE:
        raise error if isinstance(error, OutputError) else OutputError(f"{folder}: {error}; make room there") from error
    if number is not None:
        prepare(folder / "log.jsonl")
    if number == errno.ENAMETOOLONG:
        return "its name is too long for the names of its results; rename it"
    if isinstance(error, MarigoldError):
        return str(error)
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    reason = f"{type(error).__name__} {error}".strip()
    return f"its results cannot be written ({reason}); leave out the format or modality that fails"


def _described(job: PhotoJob) -> str:
    """Size, seconds, the file to look at first, and notes."""
    reports = [prediction.report for prediction in job.predictions.values()]
    size = reports[0]["photo_size"]
    notes = dict.fromkeys([*(note for report in reports for note in report["notes"]), *job.saved.notes])
    shown = "".join(f" ({note})" for note in notes)
    return f"{size['width']} x {size['height']}, {job.seconds:.1f} s, {_first_to_see(job.saved.files)}{shown}"


def _short(job: PhotoJob) -> str:
    """What is wrong with a photo, without its path and without what to do, both of which the summary says."""
    return printable(job.error).removeprefix(printable(f"{job.photo}: ")).partition(";")[0]


def _first_to_see(files: Sequence[Path]) -> Path:
    """The contact sheet, or else a picture in colours, or else the first file."""
    endings = ("_all.jpg", "_colored.png", "")
    return next(file for ending in endings for file in files if file.name.endswith(ending))
