"""The members of ensembles, computed in batches: of one photo or of many, whatever works at the same size.

A batch that memory does not hold is halved and computed again, and so are those after it; a single input is encoded and
decoded in stripes then. What half precision makes no number of is computed again in float32, alone. What a photo gives
does not depend on what is in a batch with it; the number of inputs in a batch may change it by rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from marigold.accel.precision import precision_name
from marigold.accel.runtime import Runtime
from marigold.compat.base import Rules, WorkingSize, rules
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.find import name_of
from marigold.core.raster import as_pixels
from marigold.diffusion.sampling import Sampling
from marigold.predict.attempts import Batches
from marigold.predict.augmentation import Transform
from marigold.predict.encodings import Encodings
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch


@dataclass(frozen=True, eq=False)
class View:
    """A photo as members of one transform see it."""

    photo: Tensor
    """[3, H, W], float32 in 0 to 1 or uint8."""
    transform: Transform
    noise: Tensor
    """Of its members, [E, S, N * C, h, w]."""


@dataclass(frozen=True, eq=False)
class Members:
    """What the members of a view give."""

    values: Tensor
    """[E, C, H, W] at the working size."""
    latents: Tensor
    """The final ones, [E, N * C, h, w]."""
    batch: int
    """The most inputs that were in a batch with one of them, itself counted."""
    dtype: torch.dtype
    """The number type of the networks."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Batch:
    """What one batch gives: values and latents of its members."""

    values: Tensor
    latents: Tensor


@dataclass
class Networks:
    """The networks with what a call computes by; `batch` is the number of inputs asked for, None leaves it to the plan.

    Its results come with notes on memory and precision.
    """

    runtime: Runtime
    settings: Settings
    sampling: Sampling
    encodings: Encodings
    watch: Stopwatch
    batch: int | None = None

    def __post_init__(self) -> None:
        self._batches = Batches(self.runtime, self.batch)

    def members(self, size: WorkingSize, views: Sequence[View]) -> list[Members]:
        """The members of each view, all of them numbers, with a note where that took a second attempt in float32.

        Raises `CheckpointError` where the weights give no numbers, `DeviceMemoryError`, and `ConfigError`.
        """
        found = self._computed(size, views)
        numbers = torch.stack([one.values.isfinite().all() for one in found]).tolist()
        return [
            one if finite else self._repeated(size, view, one)
            for one, view, finite in zip(found, views, numbers, strict=True)
        ]

    def _repeated(self, size: WorkingSize, view: View, found: Members) -> Members:
        """The members of a view, in float32."""
        if found.dtype != torch.float32:
            if self.runtime.plan.dtype != torch.float32:
                self.runtime.use_float32()
            (again,) = self._computed(size, [view])
            if again.values.isfinite().all():
                note = f"{precision_name(found.dtype)} overflowed; computed in fp32"
                return Members(again.values, again.latents, again.batch, again.dtype, (*again.notes, note))
        name = self.runtime.estimator.card.name
        raise CheckpointError(f"{name}: its weights give no numbers (NaN); fetch or train the checkpoint again")

    def _computed(self, size: WorkingSize, views: Sequence[View]) -> list[Members]:
        """Each view is encoded once, whatever its members; NaN stands where the network gave no number."""
        self._batches.notes.clear()
        dtype = self.runtime.plan.dtype
        conditions = _joined(
            [latents for _, latents in self._batches.run(size, len(views), self._encoder(size, views))]
        )
        if conditions.shape[-2:] != views[0].noise.shape[-2:]:
            raise ConfigError(
                "compat: this autoencoder keeps what fills no latent cell, which the published one drops; choose a "
                f"resolution where both sides are multiples of {size.stride}"
            )
        rows = [(number, member) for number, view in enumerate(views) for member in range(len(view.noise))]
        batches = list(self._batches.run(size, len(rows), self._sampler(size, views, conditions, rows)))
        values = _joined([batch.values for _, batch in batches])
        latents = _joined([batch.latents for _, batch in batches])
        notes = tuple(self._batches.notes)
        ends = [0, *torch.tensor([len(view.noise) for view in views]).cumsum(0).tolist()]
        return [
            Members(values[start:end], latents[start:end], _most(batches, start, end), dtype, notes)
            for start, end in pairwise(ends)
        ]

    def _encoder(self, size: WorkingSize, views: Sequence[View]) -> Callable[[slice], Tensor]:
        """What gives the conditions [B, C, h, w] of some views."""
        estimator, settings = self.runtime.estimator, self.settings
        follows: Rules = rules(settings.compat)

        def encoded(part: slice) -> Tensor:
            seen = views[part]
            dtype = next(estimator.backbone.autoencoder.parameters()).dtype
            way = (tuple(view.transform for view in seen), size, settings.resample_input, settings.compat, dtype)
            with self.watch("encode"):
                return self.encodings.get([view.photo for view in seen], way, lambda: encode(seen))

        def encode(seen: Sequence[View]) -> Tensor:
            images = [follows.fill(self._image(view), size, settings.resample_input) for view in seen]
            return estimator.encode_image(torch.cat(images))

        return encoded

    def _image(self, view: View) -> Tensor:
        """What the view shows, at the photo's size on the device, [1, 3, H, W] in 0 to 1."""
        return view.transform.forward(as_pixels(view.photo.to(self.runtime.plan.device)))[None]

    def _sampler(
        self, size: WorkingSize, views: Sequence[View], conditions: Tensor, rows: Sequence[tuple[int, int]]
    ) -> Callable[[slice], _Batch]:
        """What computes some members, each a row: the number of its view, and its own among those of the view."""
        estimator, device = self.runtime.estimator, self.runtime.plan.device
        follows: Rules = rules(self.settings.compat)

        def sampled(part: slice) -> _Batch:
            with self.watch("sample"):
                noise = torch.stack([views[view].noise[member] for view, member in rows[part]])
                start, *later = noise.to(device).unbind(1)
                condition = torch.stack([conditions[view] for view, _ in rows[part]])
                latents = estimator.sample(condition, start, self.sampling, fresh=later.__getitem__)
            with self.watch("decode"):
                values = follows.crop(self._decoded(latents), size)
                # A modality's range would turn an infinite latent into a number.
                finite = latents.isfinite().flatten(1).all(dim=1).view(-1, 1, 1, 1)
                return _Batch(torch.where(finite, values, torch.nan), latents)

        return sampled

    def _decoded(self, latent: Tensor) -> Tensor:
        """Latents [B, N * C, h, w] as values; raises `CheckpointError` where a modality gives another shape."""
        estimator = self.runtime.estimator
        values, stride = estimator.decode(latent), estimator.backbone.stride
        channels = sum(estimator.modality.channels)
        wanted = [len(latent), channels, latent.shape[-2] * stride, latent.shape[-1] * stride]
        if list(values.shape) != wanted:
            raise CheckpointError(
                f"modality `{name_of(estimator.modality)}`: decode gives {list(values.shape)}, not {wanted}; return "
                "values [B, C, H, W], with as many channels as `channels` states"
            )
        return values.float()


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _most(batches: Sequence[tuple[slice, _Batch]], start: int, end: int) -> int:
    """The size of the largest batch that holds one of these rows."""
    return max(part.stop - part.start for part, _ in batches if part.start < end and start < part.stop)
