"""The frames of a shot brought together: one scale and shift for each, solved jointly; then smoothing, if asked for.

Memory holds the points of the last frames and a window of maps, whatever the length of the shot.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from marigold.core.sample import unit
from marigold.measure.affine_graph import Relation, relate, solve
from marigold.modalities.base import Modality

APART = (1, 2, 4, 8, 16)
"""A frame is compared with those that come so many frames before it."""
POINTS = 8192
"""Pixels of a frame that are compared, about."""
ALIKE = 0.06
"""Colours that differ by more than this are taken for another surface."""
TAILS = (0.001, 0.999)
"""The quantiles of a frame that must stay within what a map can hold."""
JUMP = 0.05
"""Values that differ by more than this share of the frame's range do not smooth each other."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Steadied:
    """What brings the frames of a shot together: `scale * values + shift`, [T] each."""

    scales: np.ndarray
    shifts: np.ndarray

    def applied(self, modality: Modality, index: int, maps: Arrays) -> dict[str, np.ndarray]:
        """The maps of one frame, within the modality's extent where a scale and shift have changed them."""
        scale, shift = np.float32(self.scales[index]), np.float32(self.shifts[index])
        moved = {name: np.clip(maps[name] * scale + shift, *modality.extent) for name in modality.ambiguous}
        return {name: moved.get(name, values) for name, values in maps.items()}


def unsteadied(count: int) -> Steadied:
    """Every frame as it is."""
    return Steadied(np.ones(count), np.zeros(count))


def steadied(modality: Modality, frames: Iterable[tuple[Arrays, np.ndarray]], count: int) -> Steadied:
    """The joint solution for the frames of a shot: maps by output, and the photo at their size, [H, W, 3] uint8.

    The same pixels of frames that are 1 to 16 frames apart are compared, as far as their colours agree.
    """
    open_ = modality.ambiguity
    if not modality.ambiguous or count == 0:
        return unsteadied(count)
    recent: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=max(APART))
    relations: list[Relation] = []
    ends = np.zeros((count, 2))
    for j, (maps, photo) in enumerate(frames):
        points, colours = _points(modality, maps, photo)
        for apart in APART:
            if apart <= len(recent):
                other, before = recent[-apart]
                weights = np.exp(-np.square(np.abs(colours - before).mean(axis=1) / ALIKE))
                weights = np.tile(weights, len(points) // len(weights))
                found = relate(j - apart, j, other, points, weights, scale=open_.scale, shift=open_.shift)
                relations += [] if found is None else [found]
        recent.append((points, colours))
        ends[j] = np.quantile(points, TAILS)
    scales, shifts = solve(count, relations, scale=open_.scale, shift=open_.shift)
    return _within(modality, scales, shifts, ends)


def _points(modality: Modality, maps: Arrays, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values [P * channels] of the open maps on a grid, and its colours [P, 3] in 0 to 1."""
    height, width = photo.shape[:2]
    step = max(1, round((height * width / POINTS) ** 0.5))
    grid = (slice(step // 2, None, step), slice(step // 2, None, step))
    values = [
        np.atleast_3d(maps[name])[grid].reshape(-1, np.atleast_3d(maps[name]).shape[2]).T for name in modality.ambiguous
    ]
    return np.concatenate(values).reshape(-1).astype(np.float64), photo[grid].reshape(-1, 3).astype(np.float64) / 255


def _within(modality: Modality, scales: np.ndarray, shifts: np.ndarray, ends: np.ndarray) -> Steadied:
    """The same, moved and shrunk for all frames alike where the range of the shot leaves what a map can hold."""
    least, most = modality.extent
    if not np.isfinite([least, most]).all():
        return Steadied(scales, shifts)
    low = min(float((scales * ends[:, 0] + shifts).min(initial=most)), least)
    high = max(float((scales * ends[:, 1] + shifts).max(initial=least)), most)
    open_ = modality.ambiguity
    factor = (most - least) / (high - low) if open_.scale and open_.shift else most / high if open_.scale else 1.0
    return Steadied(scales * factor, shifts * factor + (least - low * factor if open_.shift else 0.0))


def smoothed(
    modality: Modality, frames: Iterable[tuple[Arrays, np.ndarray]], radius: int
) -> Iterator[dict[str, np.ndarray]]:
    """The maps of each frame, smoothed by those of `radius` frames before and after it.

    A pixel of another frame counts as far as it shows the same colour and nearly the same value, so that edges and
    what moves stay as they are: a bilateral filter along time (Tomasi and Manduchi 1998), without optical flow.
    """
    window: deque[tuple[Arrays, np.ndarray]] = deque(maxlen=2 * radius + 1)
    waiting = 0
    for frame in frames:
        window.append(frame)
        waiting += 1
        if waiting > radius:
            yield _smooth(modality, window, len(window) - 1 - radius, radius)
            waiting -= 1
    for left in range(waiting, 0, -1):
        yield _smooth(modality, window, len(window) - left, radius)


def _smooth(
    modality: Modality, window: Sequence[tuple[Arrays, np.ndarray]], centre: int, radius: int
) -> dict[str, np.ndarray]:
    maps, photo = window[centre]
    if radius == 0:
        return dict(maps)
    others = [other for other in range(len(window)) if 0 < abs(other - centre) <= radius]
    alike = {other: _alike(photo, window[other][1]) for other in others}
    result = {}
    for name, values in maps.items():
        own = np.atleast_3d(values)
        spread = max(float(np.subtract(*np.quantile(own, (0.98, 0.02)))), 1e-3)
        total, summed = np.ones(own.shape[:2], np.float32), own.copy()
        for other in others:
            theirs = np.atleast_3d(window[other][0][name])
            near = np.exp(-np.square((theirs - own) / np.float32(JUMP * spread)).mean(axis=2))
            weight = alike[other] * near
            summed += weight[..., None] * theirs
            total += weight
        mean = summed / total[..., None]
        if modality.meaning(name) == "direction":
            mean = unit(torch.from_numpy(mean).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        result[name] = np.ascontiguousarray(mean.reshape(values.shape))
    return result


def _alike(photo: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far two photos [H, W, 3] uint8 show the same colours, [H, W] in 0 to 1; noise of a pixel is no change."""
    change = torch.from_numpy(photo.astype(np.float32) - other).mean(dim=2) / 255
    change = F.avg_pool2d(change[None], 3, stride=1, padding=1, count_include_pad=False)[0]
    return np.exp(-np.square(change.numpy() / np.float32(ALIKE / 2)))
