"""Depth of somebody's own as planar metres: units, marks for what was not measured, rays and inverse depth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from marigold.core.errors import DataError
from marigold.datasets import _pair_files, _physical
from marigold.datasets._physical import Masked

Meaning = Literal["planar", "ray", "inverse"]


@dataclass(frozen=True)
class DepthFormat:
    """What the numbers of a depth file mean; `nearest` and `farthest` are in metres, both excluded."""

    meaning: Meaning
    unit: float | None
    invalid: float | None
    nearest: float
    farthest: float
    channel: str

    def read(self, content: bytes, where: str, focal: float | None, width: int) -> Masked:
        """Planar depth in metres, at the map's own size; `focal` is in pixels of a photo of this width.

        Raises `DataError` for a map of colours or 8 bits, whole numbers without a unit, and without a valid pixel.
        """
        numbers = _numbers(content, where, self.channel)
        if numbers.dtype.kind in "ui" and self.unit is None:
            remedy = "set `unit`, such as 0.001 for millimetres"
            raise DataError(f"{where}: depth holds whole numbers, and nothing says how long a step is; {remedy}")
        with np.errstate(all="ignore"):
            depth = self._planar(self._measured(numbers), (focal or 1) * numbers.shape[1] / width)
        values, valid = _physical.metres(depth, self.nearest, self.farthest)
        if not valid.any():
            raise DataError(f"{where}: {self._complaint(depth)}")
        return values, valid

    def _measured(self, numbers: np.ndarray) -> np.ndarray:
        """Stored numbers times the unit, [H, W] float64; NaN where nothing was measured."""
        values = numbers.astype(np.float32)
        measured = np.isfinite(values) & (values > 0)
        if self.invalid is not None:
            measured &= values != np.float32(self.invalid)
        return np.where(measured, values.astype(np.float64), np.nan) * (1 if self.unit is None else self.unit)

    def _planar(self, values: np.ndarray, focal: float) -> np.ndarray:
        if self.meaning == "inverse":
            return 1 / values
        if self.meaning == "ray":
            height, width = values.shape
            return values / ray_lengths(height, width, focal)
        return values

    def _complaint(self, depth: np.ndarray) -> str:
        measured = depth[np.isfinite(depth)]
        if not measured.size:
            return "depth has no measured pixel; leave the sample out, or correct `invalid`"
        remedy = "correct `unit`, `nearest` and `farthest`, or leave the sample out"
        reach = f"from {measured.min():g} to {measured.max():g} m"
        return f"depth reaches {reach}, nothing of it within {self.nearest:g} to {self.farthest:g}; {remedy}"


def ray_lengths(height: int, width: int, focal: float) -> np.ndarray:
    """The length of each pixel's viewing ray up to depth 1, [H, W], of a pinhole camera looking through the middle."""
    # [H, 1] and [1, W]: offsets of pixel centres from the middle, in focal lengths
    down = (np.arange(height)[:, None] + 0.5 - height / 2) / focal
    across = (np.arange(width)[None] + 0.5 - width / 2) / focal
    return np.sqrt(1 + down**2 + across**2)


def _numbers(content: bytes, where: str, channel: str) -> np.ndarray:
    """One number for each pixel, [H, W], of at least 16 bits."""
    numbers = _pair_files.stored(content, where, lambda names: _chosen(names, channel, where))
    if numbers.ndim == 3 and 1 in (numbers.shape[0], numbers.shape[-1]):
        numbers = numbers[..., 0] if numbers.shape[-1] == 1 else numbers[0]
    if numbers.ndim != 2:
        remedy = "save one channel of numbers; colours cannot be turned back into depth"
        raise DataError(f"{where}: depth is {list(numbers.shape)}, not [H, W]; {remedy}")
    if numbers.dtype.itemsize == 1:
        remedy = "save it with 16 bits, or as EXR, NPY or TIFF of floats"
        raise DataError(f"{where}: depth has 8 bits, which make 255 steps between near and far; {remedy}")
    return numbers


def _chosen(names: set[str], channel: str, where: str) -> Sequence[str]:
    if channel or len(names) == 1:
        return [channel or next(iter(names))]
    for usual in ("Z", "Y", "V"):
        if usual in names:
            return [usual]
    there = ", ".join(sorted(names))
    raise DataError(f"{where}: has the channels {there}; set `channel` to the one that is depth")
