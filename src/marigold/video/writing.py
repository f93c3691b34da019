"""The results of a shot: the files of every frame, and a segment of each preview."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marigold.compat.base import rules
from marigold.export._write import write_format
from marigold.export.base import Format, Maps
from marigold.export.preview import Preview
from marigold.modalities.base import Modality
from marigold.predict.arrays import as_array, as_bytes
from marigold.predict.prediction import Prediction
from marigold.predict.settings import Settings
from marigold.video.encode import Add, segment
from marigold.video.predict import PHOTO, SIZE, UNCERTAINTY
from marigold.video.steady import Arrays, Steadied, smoothed, steadied, unsteadied
from marigold.video.work import Work

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Written:
    """What has been written of one modality of a shot."""

    numbers: list[int]
    """Of the frames that have files."""
    steadied: Steadied
    is_steadied: bool
    """Whether frames have a scale and shift of their own."""
    endings: list[str]
    """What the names of a frame's files have behind its number."""
    labels: list[str]
    """Of the previews."""
    size: Size | None
    """Of the previews; None where there is none yet."""


@dataclass(frozen=True)
class ShotWriter:
    """Writes the shots of one modality."""

    name: str
    modality: Modality
    settings: Settings
    formats: Sequence[Format]
    folder: Path
    work: Work
    tick: Fraction
    step: int
    """How many ticks a frame is shown, on average."""
    align: bool
    smooth: int

    def write(self, shot: int, times: Mapping[int, int], report: Mapping[str, Any], size: Size | None) -> Written:
        """Writes the frames of a shot, by number with their times, and its previews, of a size if that is known.

        Files are called by the frame's number: 000000_depth.npy. Raises `OutputError`.
        """
        numbers = [number for number in times if self.work.has(self.name, number)]
        guided = (self._guided(number) for number in numbers)
        solved = steadied(self.modality, guided, len(numbers)) if self.align else unsteadied(len(numbers))
        endings: dict[str, None] = {}
        with ExitStack() as stack:
            adders: dict[str, Add] = {}
            for index, (number, values) in enumerate(zip(numbers, self._values(numbers, solved), strict=True)):
                maps = self._maps(number, values, float(solved.scales[index]), report)
                endings |= dict.fromkeys(self._files(maps, f"{number:06d}"))
                for label, picture in self._pictures(maps).items():
                    if label not in adders:
                        size = size or (picture.shape[0], picture.shape[1])
                        part = segment(self.work.segment(shot, label), self.tick, self.step, size)
                        adders[label] = stack.enter_context(part)
                    adders[label](times[number], picture)
        is_steadied = self.align and bool(self.modality.ambiguous)
        return Written(numbers, solved, is_steadied, list(endings), list(adders), size)

    def _arrays(self, number: int) -> dict[str, np.ndarray]:
        arrays = self.work.load(self.name, number)
        assert arrays is not None  # it is there, and files are whole
        return arrays

    def _guided(self, number: int) -> tuple[Arrays, np.ndarray]:
        """The maps of a frame as they were predicted, and its photo at their size."""
        arrays = self._arrays(number)
        return {name: arrays[f".{name}"] for name in self.modality.outputs}, arrays[PHOTO]

    def _values(self, numbers: Sequence[int], solved: Steadied) -> Iterator[dict[str, np.ndarray]]:
        """The maps of each frame, steadied and smoothed."""
        guided = ((index, *self._guided(number)) for index, number in enumerate(numbers))
        moved = ((solved.applied(self.modality, index, maps), photo) for index, maps, photo in guided)
        return smoothed(self.modality, moved, self.smooth)

    def _maps(self, number: int, values: Arrays, scale: float, report: Mapping[str, Any]) -> Maps:
        """What the formats take of a frame, at its own size if so asked for."""
        arrays, settings, own = self._arrays(number), self.settings, rules(self.settings.compat)
        height, width = arrays[SIZE].tolist() if settings.match_input else arrays[PHOTO].shape[:2]
        how, uncertainty, result = settings.resample_output, arrays.get(UNCERTAINTY), dict(values)
        if (height, width) != arrays[PHOTO].shape[:2]:
            joined = torch.cat([_channels(values[name]) for name in self.modality.outputs])
            resized = own.resize(self.modality, joined, height, width, how)
            result = {name: as_array(map_) for name, map_ in self.modality.split(resized).items()}
            if uncertainty is not None:
                uncertainty = as_array(own.resize_uncertainty(_channels(uncertainty), height, width, how))
        if uncertainty is not None and self.modality.ambiguous:
            uncertainty = uncertainty * np.float32(scale)
        photo = as_bytes(_channels(arrays[PHOTO]), height, width)
        return Prediction(result, uncertainty, self.modality, report=dict(report), photo=photo).as_maps()

    def _files(self, maps: Maps, stem: str) -> list[str]:
        """Writes the files of a frame, and returns what their names have behind the stem."""
        wanted = [one for one in self.formats if not isinstance(one, Preview) and one.takes(self.modality)]
        return [name.removeprefix(stem) for one in wanted for name in write_format(one, [maps], self.folder, stem)]

    def _pictures(self, maps: Maps) -> dict[str, np.ndarray]:
        """The pictures of a frame's previews by label; none where no preview is asked for."""
        previews = [one for one in self.formats if isinstance(one, Preview)]
        return {maps.label(name): picture for one in previews for name, picture in one.pictures(maps).items()}


def _channels(values: np.ndarray) -> torch.Tensor:
    """[H, W] or [H, W, C] as a tensor [C, H, W]."""
    return torch.from_numpy(np.atleast_3d(values)).permute(2, 0, 1)
