"""The one way from a photo to values: prediction, evaluation, validation and benchmarks all call `infer`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marigold.accel.precision import precision_name
from marigold.accel.runtime import Runtime, memory_is_full
from marigold.compat.base import Rules, WorkingSize, rules
from marigold.core.errors import CheckpointError, ConfigError, DeviceMemoryError
from marigold.core.find import name_of
from marigold.diffusion.sampling import Sampling
from marigold.predict.augmentation import TRANSFORMS
from marigold.predict.encodings import Encodings
from marigold.predict.estimate import check_memory
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch

FEWEST_CELLS = 8
"""Latent cells on the short side below which a result has a note."""


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


@dataclass(frozen=True)
class _Member:
    """Members of one transform: their values [E, C, H, W] at the working size, and final latents."""

    values: Tensor
    latents: Tensor


def infer(
    runtime: Runtime,
    photo: Tensor,
    settings: Settings,
    *,
    noise: Tensor | np.ndarray | None = None,
    encodings: Encodings | None = None,
    watch: Stopwatch | None = None,
) -> Inference:
    """The values of a photo [3, H, W] in 0 to 1, by settings with nothing left open.

    `noise` starts the members instead of noise drawn from the seed (see `Predictor.predict`); `encodings` holds latents
    that other estimators may have made of the same photo; `watch` gets the seconds of each stage. Raises `ConfigError`
    for settings or noise that cannot be used, `DeviceMemoryError`, and `CheckpointError` when the weights give no
    numbers.
    """
    job = _Job(runtime, settings, encodings or Encodings(), watch or Stopwatch(runtime.plan.device))
    try:
        with torch.inference_mode():
            return job.run(photo, noise)
    except (RuntimeError, MemoryError) as error:
        if not memory_is_full(error):
            raise
        raise DeviceMemoryError(
            f"ensemble: {settings.ensemble} members of a photo of {photo.shape[-1]} x {photo.shape[-2]} do not fit "
            "into memory; choose fewer, a lower resolution, or match_input: false"
        ) from error


class _Job:
    """One photo's inference: what all its stages need, and the notes that they make."""

    def __init__(self, runtime: Runtime, settings: Settings, encodings: Encodings, watch: Stopwatch) -> None:
        self.runtime, self.settings, self.encodings, self.watch = runtime, settings, encodings, watch
        self.modality = runtime.estimator.modality
        self.rules: Rules = rules(settings.compat)
        self.sampling: Sampling = runtime.estimator.sampling(settings.steps, settings.spacing)
        self.notes = list(self.sampling.notes)
        self._check_reduction()

    def run(self, photo: Tensor, noise: Tensor | np.ndarray | None) -> Inference:
        transforms = TRANSFORMS[self.settings.tta][: self.settings.ensemble]
        stride = self.runtime.estimator.backbone.stride
        sizes = [transform.working_size(self.rules, photo, self.settings, stride) for transform in transforms]
        values, latents = [], []
        self.notes += self._sliver(sizes[0])
        members = min(len(sizes), self.settings.ensemble) if self.sampling.deterministic else self.settings.ensemble
        check_memory(self.runtime, self.settings, sizes, members, (photo.shape[-2], photo.shape[-1]))
        for transform, size, drawn in zip(transforms, sizes, self._noises(sizes, noise, members), strict=True):
            found = self._members(transform.forward(photo), size, drawn)
            height, width = (values[0] if values else found.values).shape[-2:]
            values.append(transform.backward(self.modality, found.values, height, width))
            latents.append(found.latents)
        merged, uncertainty = self._merged(torch.cat(values), photo.shape[-2], photo.shape[-1])
        return Inference(merged, uncertainty, tuple(latents), sizes[0], tuple(dict.fromkeys(self.notes)))

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

    def _noises(self, sizes: list[WorkingSize], given: Tensor | np.ndarray | None, members: int) -> list[Tensor]:
        """For every transform the noises [E, S, N * C, h, w] of its members; of those that are the same the first."""
        count, settings = len(sizes), self.settings
        shapes = [self._noise_shape(size) for size in sizes]
        noises = [self.rules.draw(shape, members, self.sampling.draws, settings.seed) for shape in shapes]
        if given is not None:
            if count > 1:
                raise ConfigError("noise: members of test-time augmentation work at several sizes; use tta: none")
            noises = [_checked_noise(given, sizes[0], shapes[0], noises[0], settings.ensemble)[:members]]
        noises = [drawn[number::count] for number, drawn in enumerate(noises)]
        if members < settings.ensemble:
            alike = "all members are the same; took one" if count == 1 else f"took the {count} that differ"
            self.notes.append(f"the checkpoint starts from nothing random, so that {alike}")
        return noises

    def _noise_shape(self, size: WorkingSize) -> tuple[int, int, int]:
        """Channels, height and width of one member's latent."""
        backbone = self.runtime.estimator.backbone
        return backbone.targets * backbone.latent_channels, *self.rules.latent_size(size)

    def _members(self, photo: Tensor, size: WorkingSize, noise: Tensor) -> _Member:
        """The members, all of them numbers, with a note when that took a second attempt in float32."""
        found = self._attempt(photo, size, noise)
        if not found.values.isfinite().all() and self.runtime.plan.dtype != torch.float32:
            self.notes.append(f"{precision_name(self.runtime.plan.dtype)} overflowed; computed in fp32")
            self.runtime.use_float32()
            found = self._attempt(photo, size, noise)
        if not found.values.isfinite().all():
            name = self.runtime.estimator.card.name
            raise CheckpointError(f"{name}: its weights give no numbers (NaN); fetch or train the checkpoint again")
        return found

    def _attempt(self, photo: Tensor, size: WorkingSize, noise: Tensor) -> _Member:
        """The members; one at a time from when the device's memory does not hold more."""
        try:
            return self._computed(photo, size, noise)
        except (RuntimeError, MemoryError) as error:
            if not memory_is_full(error):
                raise
            if not self.runtime.plan.pixels_at_once:
                pixels = f"{size.width} x {size.height} pixels"
                raise DeviceMemoryError(
                    f"resolution: {pixels} do not fit into {self.runtime.plan.device}; choose less"
                ) from error
        self.runtime.one_at_a_time()
        return self._attempt(photo, size, noise)

    def _computed(self, photo: Tensor, size: WorkingSize, noise: Tensor) -> _Member:
        """The photo is encoded once, whatever the number of members; NaN stands where the network gave no number."""
        estimator, device = self.runtime.estimator, self.runtime.plan.device
        with self.watch("encode"):
            image = self.rules.fill(photo[None].to(device), size, self.settings.resample_input)
            condition = self.encodings.encode(estimator, image)
        if condition.shape[-2:] != noise.shape[-2:]:
            raise ConfigError(
                "compat: this autoencoder keeps what fills no latent cell, which the published one drops; choose a "
                f"resolution where both sides are multiples of {size.stride}"
            )
        values, latents = [], []
        for part in self._batches(noise, size):
            with self.watch("sample"):
                start, *later = part.to(device).unbind(1)
                seen = condition.expand(len(part), -1, -1, -1)
                latents.append(estimator.sample(seen, start, self.sampling, fresh=later.__getitem__))
            with self.watch("decode"):
                decoded = self.rules.crop(self._decoded(latents[-1]), size)
                # A modality's range would turn an infinite latent into a number.
                values.append(torch.where(latents[-1].isfinite().all(), decoded, torch.nan))
        return _Member(torch.cat(values), torch.cat(latents))

    def _decoded(self, latent: Tensor) -> Tensor:
        """Latents [B, N * C, h, w] as values; raises `CheckpointError` where a modality gives another shape."""
        values, stride = self.runtime.estimator.decode(latent), self.runtime.estimator.backbone.stride
        wanted = [len(latent), sum(self.modality.channels), latent.shape[-2] * stride, latent.shape[-1] * stride]
        if list(values.shape) != wanted:
            raise CheckpointError(
                f"modality `{name_of(self.modality)}`: decode gives {list(values.shape)}, not {wanted}; return values "
                "[B, C, H, W], with as many channels as `channels` states"
            )
        return values.float()

    def _batches(self, noise: Tensor, size: WorkingSize) -> Iterator[Tensor]:
        at_once = max(1, self.runtime.plan.pixels_at_once // (size.height * size.width))
        yield from noise.split(at_once)

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
