"""The one way from photos to values: prediction, evaluation, validation and benchmarks all call `infer`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marigold.accel.runtime import Runtime, memory_is_full
from marigold.compat.base import Rules, WorkingSize, rules
from marigold.core.device import current
from marigold.core.errors import ConfigError, DeviceMemoryError
from marigold.core.find import name_of
from marigold.predict.augmentation import TRANSFORMS, Transform
from marigold.predict.encodings import Encodings
from marigold.predict.estimate import check_memory
from marigold.predict.members import Members, Networks, View
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch

FEWEST_CELLS = 8
"""Latent cells on the short side below which a result has a note."""


@dataclass(frozen=True)
class Refined:
    """What a report says of a refinement."""

    global_size: WorkingSize
    """The working size of the global pass."""
    tiles: int
    change: float
    """How far the refined map, brought to the size of the global one, is from that: the root mean square difference in
    the unit of the map, after a scale and shift of each channel where the modality leaves any of them open."""


@dataclass(frozen=True)
class Inference:
    """What was inferred from one photo."""

    values: Tensor
    """[C, H, W] in the modality's unit, float32: at the photo's size, or at the working size if so asked for."""
    uncertainty: Tensor | None
    """[1, H, W]; None with too few members."""
    latents: tuple[Tensor, ...]
    """The final latents of the members, [E, N * C, h, w] for every size that they worked at."""
    working_size: WorkingSize
    notes: tuple[str, ...]
    batch: int
    """The most inputs, members of this photo and of others, that the networks took at once."""
    dtype: torch.dtype
    """The number type of the networks, of the photo's members the most exact."""
    refined: Refined | None = None
    """How the values were refined, if they were."""


def infer(
    runtime: Runtime,
    photo: Tensor,
    settings: Settings,
    *,
    noise: Tensor | np.ndarray | None = None,
    encodings: Encodings | None = None,
    watch: Stopwatch | None = None,
    batch: int | None = None,
) -> Inference:
    """The values of a photo [3, H, W], float32 in 0 to 1 or uint8, by settings with nothing left open.

    `noise` starts the members instead of noise drawn from the seed (see `Predictor.predict`); `encodings` holds latents
    that other estimators may have made of the same photo; `watch` gets the seconds of each stage; `batch` is the number
    of inputs that the networks take at once, by the plan when None. Raises `ConfigError` for settings or noise that
    cannot be used, `DeviceMemoryError`, and `CheckpointError` when the weights give no numbers.
    """
    return infer_many(runtime, [photo], settings, noise=noise, encodings=encodings, watch=watch, batch=batch)[0]


def infer_many(
    runtime: Runtime,
    photos: Sequence[Tensor],
    settings: Settings,
    *,
    noise: Tensor | np.ndarray | None = None,
    encodings: Encodings | None = None,
    watch: Stopwatch | None = None,
    batch: int | None = None,
) -> list[Inference]:
    """What `infer` gives for each photo; those of one working size, and their members, share batches.

    Values do not depend on what the other photos show; to within rounding (3e-5 of the range in float32) they do not
    depend on the number of photos either. Raises what `infer` raises for any of them.
    """
    runtime.begin(len(photos))
    networks = Networks(
        runtime,
        settings,
        runtime.estimator.sampling(settings.steps, settings.spacing),
        encodings or Encodings(),
        watch or Stopwatch(runtime.plan.device),
        batch,
    )
    try:
        with torch.inference_mode(), current(runtime.plan.device):
            return _Job(networks).run(photos, noise)
    except (RuntimeError, MemoryError) as error:
        if not memory_is_full(error):
            raise
        height, width = max((photo.shape[-2:] for photo in photos), key=np.prod)
        raise DeviceMemoryError(
            f"ensemble: {settings.ensemble} members of a photo of {width} x {height} do not fit "
            "into memory; choose fewer, a lower resolution, or match_input: false"
        ) from error


def transforms_of(settings: Settings) -> tuple[Transform, ...]:
    """What the members take turns at."""
    return TRANSFORMS[settings.tta][: settings.ensemble]


def working_sizes(runtime: Runtime, settings: Settings, photo: Tensor) -> tuple[WorkingSize, ...]:
    """The working size of each transform of a photo [3, H, W]. Raises `ConfigError` and `DeviceMemoryError`."""
    stride, follows = runtime.estimator.backbone.stride, rules(settings.compat)
    return tuple(one.working_size(follows, photo, settings, stride) for one in transforms_of(settings))


class _Job:
    """The inference of some photos: around the networks, what all its stages need."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.runtime, self.settings = networks, networks.runtime, networks.settings
        self.watch, self.sampling = networks.watch, networks.sampling
        self.modality = self.runtime.estimator.modality
        self.rules: Rules = rules(self.settings.compat)
        self.transforms = transforms_of(self.settings)
        self._check_reduction()

    def run(self, photos: Sequence[Tensor], noise: Tensor | np.ndarray | None) -> list[Inference]:
        sizes = [working_sizes(self.runtime, self.settings, photo) for photo in photos]
        sides = [(photo.shape[-2], photo.shape[-1]) for photo in photos]
        for own, side in dict.fromkeys(zip(sizes, sides, strict=True)):  # asking the system takes a millisecond
            check_memory(self.runtime, self.settings, own, self._different, side)
        noises = {own: self._noises(own, noise) for own in dict.fromkeys(sizes)}
        views = {
            (photo, number): View(photos[photo], transform, noises[sizes[photo]][number])
            for photo in range(len(photos))
            for number, transform in enumerate(self.transforms)
        }
        found = self._members(views, sizes)
        return [
            self._result(photo, sizes[number], [found[number, one] for one in range(len(self.transforms))])
            for number, photo in enumerate(photos)
        ]

    @property
    def _different(self) -> int:
        """The number of members that differ from each other."""
        count = self.settings.ensemble
        return min(len(self.transforms), count) if self.sampling.deterministic else count

    def _members(
        self, views: dict[tuple[int, int], View], sizes: Sequence[tuple[WorkingSize, ...]]
    ) -> dict[tuple[int, int], Members]:
        """What all views give, by photo and transform; those of one size together."""
        groups: dict[WorkingSize, list[tuple[int, int]]] = {}
        for photo, number in views:
            groups.setdefault(sizes[photo][number], []).append((photo, number))
        return {
            key: members
            for size, keys in groups.items()
            for key, members in zip(keys, self.networks.members(size, [views[key] for key in keys]), strict=True)
        }

    def _result(self, photo: Tensor, sizes: Sequence[WorkingSize], found: Sequence[Members]) -> Inference:
        """The members of one photo, by transform, brought back and merged."""
        height, width = found[0].values.shape[-2:]
        values = [
            transform.backward(self.modality, one.values, height, width)
            for transform, one in zip(self.transforms, found, strict=True)
        ]
        merged, uncertainty = self._merged(torch.cat(values), photo.shape[-2], photo.shape[-1])
        notes = [*self.sampling.notes, *self._sliver(sizes[0]), *self._alike()]
        return Inference(
            merged,
            uncertainty,
            tuple(one.latents for one in found),
            sizes[0],
            tuple(dict.fromkeys([*notes, *(note for one in found for note in one.notes)])),
            max(one.batch for one in found),
            max((one.dtype for one in found), key=lambda dtype: dtype.itemsize),
        )

    def _check_reduction(self) -> None:
        """Raises `ConfigError` for a reduction that the modality does not know."""
        known, asked = self.modality.reductions, self.settings.reduction
        if asked is not None and asked not in known:
            offered = f"use {' or '.join(known)}" if known else "leave it out"
            raise ConfigError(
                f"reduction: members of {name_of(self.modality)} are not merged by their {asked}; {offered}"
            )

    def _sliver(self, size: WorkingSize) -> list[str]:
        """A note where the short side holds so few latent cells that nothing can be made out."""
        cells = min(self.rules.latent_size(size))
        if cells >= FEWEST_CELLS or self.settings.resolution == 0:
            return []
        by_area = "" if self.settings.sizing == "area" else "sizing: area, "
        return [
            f"worked at {size.width} x {size.height} pixels, whose short side has too few latent cells ({cells}) to "
            f"make much out; choose {by_area}a larger resolution or a part of the photo"
        ]

    def _alike(self) -> list[str]:
        """A note where members that would be the same were left out."""
        if self._different == self.settings.ensemble:
            return []
        count = len(self.transforms)
        alike = "all members are the same; took one" if count == 1 else f"took the {count} that differ"
        return [f"the checkpoint starts from nothing random, so that {alike}"]

    def _noises(self, sizes: Sequence[WorkingSize], given: Tensor | np.ndarray | None) -> list[Tensor]:
        """For every transform the noises [E, S, N * C, h, w] of its members; of those that are the same the first."""
        count, members, settings = len(sizes), self._different, self.settings
        shapes = [self._noise_shape(size) for size in sizes]
        noises = [self.rules.draw(shape, members, self.sampling.draws, settings.seed) for shape in shapes]
        if given is not None:
            if count > 1:
                raise ConfigError("noise: members of test-time augmentation work at several sizes; use tta: none")
            noises = [_checked_noise(given, sizes[0], shapes[0], noises[0], settings.ensemble)[:members]]
        return [drawn[number::count] for number, drawn in enumerate(noises)]

    def _noise_shape(self, size: WorkingSize) -> tuple[int, int, int]:
        """Channels, height and width of one member's latent."""
        backbone = self.runtime.estimator.backbone
        return backbone.targets * backbone.latent_channels, *self.rules.latent_size(size)

    def _merged(self, values: Tensor, height: int, width: int) -> tuple[Tensor, Tensor | None]:
        """Members [E, C, h, w] as one, at the photo's size if so asked for, and their uncertainty."""
        settings, how = self.settings, self.settings.resample_output
        with self.watch("ensemble"):
            merged, uncertainty = self.rules.ensemble(self.modality, values, settings.reduction)
        with self.watch("resize"):
            if settings.match_input:
                merged = self.rules.resize(self.modality, merged, height, width, how)
            if len(values) < self.rules.fewest_for_uncertainty:
                return merged, None
            if settings.match_input:
                uncertainty = self.rules.resize_uncertainty(uncertainty, height, width, how)
            return merged, uncertainty


def _checked_noise(
    noise: Tensor | np.ndarray, size: WorkingSize, shape: tuple[int, int, int], drawn: Tensor, count: int
) -> Tensor:
    """`drawn` [E, S, N * C, h, w] with what the caller gives: the starts [E, N * C, h, w], or all of it.

    Raises `ConfigError` when its shape does not fit the working size or the count, or when not all are numbers.
    """
    given = _as_numbers(noise)
    if tuple(given.shape[1:]) not in (shape, tuple(drawn.shape[1:])):
        wanted = f"[E, {', '.join(map(str, shape))}]"
        pixels = f"{size.width} x {size.height} pixels"
        raise ConfigError(f"noise: {list(given.shape)} does not fit the working size of {pixels}; give {wanted}")
    if len(given) != count:
        raise ConfigError(f"noise: starts {len(given)} members, not {count}; leave `ensemble` out or give as many")
    if not given.isfinite().all():
        raise ConfigError("noise: holds NaN or infinite values; draw it again")
    given = given[: len(drawn)].to(drawn)
    return given if given.ndim == drawn.ndim else torch.cat([given[:, None], drawn[:, 1:]], dim=1)


def _as_numbers(noise: object) -> Tensor:
    """What the caller gives as a tensor; raises `ConfigError` for what is no array of numbers with its values."""
    try:
        given = torch.as_tensor(noise)
        usable = given.ndim > 0 and not given.is_meta and given.layout == torch.strided and not given.is_complex()
    except (TypeError, ValueError, RuntimeError):
        usable = False
    if not usable:
        raise ConfigError(f"noise: an object of type {type(noise).__name__} is no array of numbers; give [E, C, h, w]")
    return given
