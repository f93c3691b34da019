"""One clip from its frames to its files: predicted frame by frame, written shot by shot, and resumed where it ended."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from marigold.core.distribution import VERSION
from marigold.core.errors import ConfigError
from marigold.core.files import as_json, delete_leftovers, file_name, make_folder, write_json
from marigold.core.find import name_of
from marigold.core.locks import locked
from marigold.export.base import USUAL, Format, check, chosen
from marigold.folders.complete import sources
from marigold.predict.provenance import Provenance
from marigold.predict.settings import Request
from marigold.predict.together import LazyPredictors, MultiPredictor
from marigold.video.cuts import CutFinder
from marigold.video.encode import join
from marigold.video.frames import Clip, Frame
from marigold.video.options import VideoOptions
from marigold.video.predict import FramePredictor
from marigold.video.work import Work, content
from marigold.video.writing import ShotWriter, Size

REPORT = "video.json"
WORK = ".work"
Progress = Callable[[int], object]
"""Is told the number of every frame that is done."""


@dataclass(frozen=True)
class ClipOutcome:
    """What became of a clip."""

    folder: Path
    report: Mapping[str, Any]
    seconds: float
    skipped: bool = False
    """Whether its results were complete already."""

    @property
    def failed(self) -> dict[str, str]:
        """Why frames have no maps, by number."""
        return self.report["failed"]


def predict_clip(
    predictors: MultiPredictor | LazyPredictors,
    clip: Clip,
    request: Request,
    output: Path,
    *,
    options: VideoOptions = VideoOptions(),  # noqa: B008 (frozen)
    formats: str | Sequence[str | Format] = USUAL,
    overwrite: bool = False,
    progress: Progress = lambda number: None,
) -> ClipOutcome:
    """Predicts a clip and writes OUTPUT/NAME/: files of every frame, an MP4 for each preview, and at last video.json.

    `Format` preview stands for the MP4s, the others write files of every frame, called by its number. A frame that
    cannot be used costs that frame. The same call goes on where a killed one has ended, and gives what one call would
    have given; a complete clip is skipped unless `overwrite`. Memory does not depend on the length of the clip; the
    frames of the longest shot wait on the disk at the size that the networks worked at. Raises `ImageError` for a clip
    without frames, `ConfigError` for what cannot be asked of one, and `OutputError`.
    """
    start = time.perf_counter()
    if request.interval is not None:
        raise ConfigError("interval: frames that are brought together have no calibrated ends; leave it out")
    if options.carry and request.tta is None:
        request = replace(request, tta="none")  # its members work at several sizes, between which nothing is carried
    provenances, wanted = predictors.provenance(request), chosen(formats)
    check(wanted, [one.modality for one in provenances.values()])
    if sets := [name_of(one) for one in wanted if one.together]:
        raise ConfigError(f"format: `{sets[0]}` makes sets of several maps, which frames do not have; leave it out")
    folder = make_folder(output / file_name(clip.name, "clip"))
    made_from = _made_from(clip, provenances, request, wanted, options)
    with locked(folder / ".lock", f"{folder}: is being written"):
        found = content(folder / REPORT)
        if found and not overwrite and found.get("made_from") == made_from and _is_whole(folder, found):
            shutil.rmtree(folder / WORK, ignore_errors=True)  # a run may have been killed behind its report
            return ClipOutcome(folder, found, time.perf_counter() - start, skipped=True)
        _delete_results(folder, found)
        delete_leftovers(folder)
        work = Work(folder / WORK, made_from)
        how = (wanted, folder, work, clip.tick, clip.step, options.align, options.smooth)
        writers = [
            ShotWriter(name, one.modality, request.settings(one.card.defaults, one.refiner), *how)
            for name, one in provenances.items()
        ]
        run = _Run(clip, FramePredictor(predictors, request, options.carry, work), writers, work, progress)
        report = {**run.result(folder), "how": made_from["how"], "made_from": made_from}
        write_json(folder / REPORT, report)
        work.clear()
    return ClipOutcome(folder, report, time.perf_counter() - start)


def _made_from(
    clip: Clip,
    provenances: Mapping[str, Provenance],
    request: Request,
    formats: Sequence[Format],
    options: VideoOptions,
) -> dict[str, Any]:
    """Everything that the files of a clip depend on, as JSON holds it."""
    parts = {name: sources(one, request, formats) for name, one in provenances.items()}
    how = {"carry": options.carry, "align": options.align, "smooth": options.smooth}
    return json.loads(as_json({"video": clip.digest(), "how": how, "parts": parts}))


@dataclass
class _Run:
    """The shots of a clip, one after the other."""

    clip: Clip
    predictor: FramePredictor
    writers: Sequence[ShotWriter]
    work: Work
    progress: Progress

    def result(self, folder: Path) -> dict[str, Any]:
        """Computes and writes everything that is missing, but for the report, which it returns."""
        groups = groupby(_numbered(self.clip.frames()), key=itemgetter(0))
        shots: list[dict[str, Any]] = []
        for number, frames in groups:
            size = next((tuple(shot["size"]) for shot in shots if shot["size"]), None)
            shots.append(self._shot(number, (frame for _, frame in frames), size))
        previews = self._previews(shots, folder)
        failed = {number: why for shot in shots for number, why in shot["failed"].items()}
        predicted = sum(shot["predicted"] for shot in shots)
        seconds = sum(shot["seconds"] for shot in shots)
        return {
            "clip": self._described(shots),
            "modalities": {one.name: self.work.noted(f"report_{one.name}") for one in self.writers},
            "frames_per_second": round(predicted / seconds, 3) if seconds else None,
            "failed": failed,
            "files": {"endings": _each(shots, "endings"), "previews": previews},
            "shots": [{key: shot[key] for key in ("frames", "ticks", "damaged", "steadied")} for shot in shots],
            "marigold": VERSION,
        }

    def _shot(self, number: int, frames: Iterator[Frame], size: Size | None) -> dict[str, Any]:
        """What is known of a shot once its files are written, which may have been done by an earlier run."""
        name = f"shot{number:06d}"
        if (known := self.work.noted(name)) is not None:
            for frame in frames:
                self.progress(frame.number)
            return known
        times: dict[int, int] = {}
        failed: dict[int, str] = {}
        damaged: list[int] = []
        before, seconds = self.predictor.predicted, self.predictor.seconds
        self.predictor.forget()
        for batch in self._batches(frames):
            times |= {frame.number: frame.ticks for frame in batch}
            damaged += [frame.number for frame in batch if frame.damaged]
            failed |= self.predictor.predict(batch)
            for frame in batch:
                self.progress(frame.number)
        shot = self._written(number, times, size) | {"failed": failed, "damaged": damaged}
        shot |= {"predicted": self.predictor.predicted - before, "seconds": self.predictor.seconds - seconds}
        self.work.note(name, shot)
        for writer in self.writers:
            self.work.drop(writer.name, times)
        return json.loads(as_json(shot))

    def _batches(self, frames: Iterator[Frame]) -> Iterator[list[Frame]]:
        """Frames that are predicted together."""
        batch: list[Frame] = []
        most = 1
        for frame in frames:
            most = self.predictor.most(frame) if not batch else most
            batch.append(frame)
            if len(batch) >= most:
                yield batch
                batch = []
        if batch:
            yield batch

    def _written(self, number: int, times: Mapping[int, int], size: Size | None) -> dict[str, Any]:
        made = {}
        for writer in self.writers:
            report = self.work.noted(f"report_{writer.name}") or {}
            made[writer.name] = writer.write(number, times, report, size)
        numbers = next(iter(made.values())).numbers
        return {
            "frames": numbers,
            "ticks": [times[one] for one in numbers],
            "steadied": {
                name: {"scale": one.steadied.scales.tolist(), "shift": one.steadied.shifts.tolist()}
                for name, one in made.items()
                if one.is_steadied
            },
            "endings": [ending for one in made.values() for ending in one.endings],
            "previews": [label for one in made.values() for label in one.labels],
            "size": next((one.size for one in made.values() if one.size), None),
        }

    def _previews(self, shots: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
        """Joins the segments of each preview, and returns the files' names."""
        files = []
        for label in _each(shots, "previews"):
            parts = [self.work.segment(number, label) for number, shot in enumerate(shots) if label in shot["previews"]]
            join(parts, folder / f"{label}.mp4")
            files.append(f"{label}.mp4")
        return files

    def _described(self, shots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        notes = [*self.clip.notes]
        if damaged := sum(len(shot["damaged"]) for shot in shots):
            notes.append(f"{damaged} frames are damaged: the decoder has filled gaps in them")
        if lost := self.clip.lost.packets:
            notes.append(f"{lost} packets could not be decoded ({'; '.join(dict.fromkeys(self.clip.lost.reasons))})")
        return {
            "name": self.clip.name,
            "frames": sum(len(shot["frames"]) + len(shot["failed"]) for shot in shots),
            "tick": str(self.clip.tick),
            "rate": round(self.clip.rate, 6),
            "lost_packets": self.clip.lost.packets,
            "notes": notes,
        }


def _numbered(frames: Iterator[Frame]) -> Iterator[tuple[int, Frame]]:
    """Frames with the number of their shot; one that cannot be read belongs to the shot around it."""
    finder, shot = CutFinder(), 0
    for frame in frames:
        if frame.photo is not None and finder.begins(frame.photo.levels):
            shot += 1
        yield shot, frame


def _each(shots: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(one for shot in shots for one in shot[key]))


def _results(folder: Path, report: Mapping[str, Any]) -> Iterator[Path]:
    """The files that a report stands for. Raises `LookupError`, `TypeError` or `ValueError` for what is no report."""
    endings = [str(ending) for ending in report["files"]["endings"]]
    names = [
        f"{int(number):06d}{ending}" for shot in report["shots"] for number in shot["frames"] for ending in endings
    ]
    for name in [*names, *map(str, report["files"]["previews"])]:
        if Path(name).name == name:
            yield folder / name


def _is_whole(folder: Path, report: Mapping[str, Any]) -> bool:
    try:
        return all(map(os.path.isfile, _results(folder, report)))
    except (LookupError, TypeError, ValueError):
        return False


def _delete_results(folder: Path, report: Mapping[str, Any] | None) -> None:
    """Deletes what an earlier run over a clip of this name has written, and nothing else."""
    if report is None:
        return
    with suppress(LookupError, TypeError, ValueError):
        for file in _results(folder, report):
            with suppress(OSError):
                file.unlink()
    with suppress(OSError):
        (folder / REPORT).unlink()
