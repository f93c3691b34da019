"""Maps at high resolution (Ke et al. 2025, Marigold-HR): a global pass, whose map a refiner sharpens in tiles.

The map of the global pass is brought to the size of the canvas and encoded like a truth. The refiner sees it beside the
photo's latent and the noisy latent; what it says of the tiles is averaged at every step (`diffusion/tiles.py`). The
autoencoder works on the whole canvas, where that is large in stripes that give what the whole gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from marigold.accel.precision import precision_name
from marigold.accel.runtime import Runtime, memory_is_full
from marigold.compat.base import Rules, drawn, rules
from marigold.core import seeds
from marigold.core.device import current
from marigold.core.errors import CheckpointError, DeviceMemoryError
from marigold.core.raster import as_pixels
from marigold.diffusion.sampling import Sampling
from marigold.measure.alignment import least_squares
from marigold.modalities.base import Modality
from marigold.predict.attempts import Batches
from marigold.predict.canvas import Canvas, canvas_of, tiling_of
from marigold.predict.encodings import Encodings
from marigold.predict.estimate import check_refined_memory
from marigold.predict.infer import Inference, Refined, infer_many
from marigold.predict.refiner import Refiner
from marigold.predict.settings import Refinement, Settings
from marigold.predict.stopwatch import Stopwatch
from marigold.predict.tiles import TiledDenoiser

Result = TypeVar("Result")


def infer_refined(
    runtime: Runtime,
    refiner: Refiner,
    photos: Sequence[Tensor],
    settings: Settings,
    *,
    noise: Tensor | np.ndarray | None = None,
    encodings: Encodings | None = None,
    watch: Stopwatch | None = None,
    batch: int | None = None,
) -> list[Inference]:
    """What `infer_many` gives for photos by settings that ask for a refinement, one photo refined after another.

    `noise` starts the members of the global pass; `batch` counts tiles as it counts inputs there. Raises what
    `infer_many` raises, and `ConfigError` for tiles that cannot be used, before anything is computed.
    """
    assert settings.refinement is not None
    watch, encodings = watch or Stopwatch(runtime.plan.device), encodings or Encodings()
    job = _Job(runtime, refiner, settings, settings.refinement, encodings, batch)
    canvases = [job.canvas(photo) for photo in photos]
    plain = replace(settings, match_input=False, refinement=None)
    coarse = infer_many(runtime, photos, plain, noise=noise, encodings=encodings, watch=watch, batch=batch)
    refiner.runtime.begin(len(photos))
    with torch.inference_mode(), current(runtime.plan.device), watch("refine"):
        return [job.refined(*one) for one in zip(photos, canvases, coarse, strict=True)]


@dataclass(frozen=True, eq=False)
class _Refinement:
    """The members of one photo's refinement."""

    values: Tensor
    """[E, C, H, W] at the size of the canvas."""
    latents: Tensor
    tiles: int
    batch: int
    notes: tuple[str, ...]

    @property
    def is_finite(self) -> bool:
        """Whether all are numbers; a modality's range would turn an infinite latent into one."""
        return bool(self.values.isfinite().all() and self.latents.isfinite().all())


@dataclass(frozen=True, eq=False)
class _Job:
    """What refining photos takes, with nothing left open."""

    runtime: Runtime
    refiner: Refiner
    settings: Settings
    refinement: Refinement
    encodings: Encodings
    batch: int | None

    def canvas(self, photo: Tensor) -> Canvas:
        """That of a photo. Raises `ConfigError` and `DeviceMemoryError` for one that cannot be computed."""
        autoencoder = self.refiner.autoencoder
        canvas = canvas_of(self.runtime, self.settings, photo, autoencoder.estimator.backbone.stride)
        tiling_of(canvas.size, self.refinement)
        autoencoder.begin(0)
        height, width = photo.shape[-2:]
        check_refined_memory(autoencoder, self.settings, canvas.size, self.refinement.ensemble, (height, width))
        return canvas

    def refined(self, photo: Tensor, canvas: Canvas, coarse: Inference) -> Inference:
        """The refined map of a photo whose global pass gave `coarse`, at its working size."""
        try:
            return self._refined(photo, canvas, coarse)
        except (RuntimeError, MemoryError) as error:
            if not memory_is_full(error):
                raise
            raise DeviceMemoryError(
                f"upscale: refining at {canvas.size.width} x {canvas.size.height} pixels does not fit into memory; "
                "choose less, or a smaller refiner_ensemble"
            ) from error

    def _refined(self, photo: Tensor, canvas: Canvas, coarse: Inference) -> Inference:
        dtype, notes = self.refiner.runtime.plan.dtype, []
        found = self._members(photo, canvas, coarse)
        if not found.is_finite and dtype != torch.float32:
            self.refiner.use_float32()
            found = self._members(photo, canvas, coarse)
            notes = [f"{precision_name(dtype)} overflowed; computed in fp32"]
        if not found.is_finite:
            name = self.refiner.runtime.estimator.card.name
            raise CheckpointError(f"{name}: its weights give no numbers (NaN); fetch or train the refiner again")
        values, uncertainty, change = self._merged(photo, coarse, found.values)
        return Inference(
            values,
            uncertainty,
            (found.latents,),
            canvas.size,
            tuple(dict.fromkeys([*canvas.notes, *coarse.notes, *found.notes, *notes])),
            max(coarse.batch, found.batch),
            max(coarse.dtype, self.refiner.runtime.plan.dtype, key=lambda dtype: dtype.itemsize),
            Refined(canvas.start, found.tiles, change),
        )

    def _members(self, photo: Tensor, canvas: Canvas, coarse: Inference) -> _Refinement:
        """The members, from noise of their own each."""
        estimator = self.refiner.runtime.estimator
        sampling = estimator.sampling(self.refinement.steps, self.settings.spacing)
        alone = _Alone(self.refiner.autoencoder, canvas)
        condition = torch.cat([self._photo(photo, canvas, alone), *self._coarse(canvas, coarse, alone)], dim=1)
        tiling = tiling_of(canvas.size, self.refinement)
        denoise = TiledDenoiser(self.refiner.runtime, condition.float(), tiling, self.batch)
        start, *later = self._noise(sampling, condition).unbind(1)
        latents = estimator.sample_by(denoise, start, sampling, later.__getitem__)
        modality = estimator.modality
        values = [
            self._rules.crop(modality.decode(alone.decoded(latent, len(modality.targets))), canvas.size).float()
            for latent in latents.split(1)
        ]
        notes = (*sampling.notes, *alone.notes, *denoise.notes)
        return _Refinement(torch.cat(values), latents, len(tiling.tiles), denoise.most, notes)

    def _photo(self, photo: Tensor, canvas: Canvas, alone: "_Alone") -> Tensor:
        """The latent of the photo at the size of the canvas; encoded once for all that share the autoencoder."""
        size, how, device = canvas.size, self.settings.resample_input, self.runtime.plan.device

        def encode() -> Tensor:
            return alone.encoded(self._rules.fill(as_pixels(photo.to(device))[None], size, how))

        if self.refiner.autoencoder is not self.runtime:
            return encode()
        dtype = next(self.runtime.estimator.backbone.autoencoder.parameters()).dtype
        return self.encodings.get([photo], ("canvas", size, how, dtype), encode)

    def _coarse(self, canvas: Canvas, coarse: Inference, alone: "_Alone") -> list[Tensor]:
        """The latents of the global map's target images, brought to the size of the canvas."""
        estimator, size = self.runtime.estimator, canvas.start
        like = self._rules.crop(estimator.decode_pixels(coarse.latents[0][:1]), size).float()
        pixels = estimator.modality.target_images(coarse.values[None], like)
        images = ((pixels.flatten(0, 1) + 1) / 2).split(1)
        return [alone.encoded(self._rules.fill(image, canvas.size, "bilinear")) for image in images]

    def _noise(self, sampling: Sampling, like: Tensor) -> Tensor:
        """White noise [E, S, N * C, H, W] for canvases `like` these; a member's depends on seed and number alone."""
        backbone = self.refiner.runtime.estimator.backbone
        shape = (backbone.targets * backbone.latent_channels, *like.shape[-2:])
        members = 1 if sampling.deterministic else self.refinement.ensemble
        streams = [seeds.stream(self.settings.seed, "refine", member) for member in range(members)]
        return torch.stack([drawn(shape, sampling.draws, stream) for stream in streams]).to(like.device)

    def _merged(self, photo: Tensor, coarse: Inference, values: Tensor) -> tuple[Tensor, Tensor | None, float]:
        """Members [E, C, H, W] as one, at the photo's size if so asked for; their uncertainty; and what has changed."""
        modality, settings = self.refiner.runtime.estimator.modality, self.settings
        merged, uncertainty = self._rules.ensemble(modality, values, settings.reduction)
        change = _change(modality, merged, coarse.values)
        height, width = photo.shape[-2:] if settings.match_input else merged.shape[-2:]
        own = uncertainty if len(values) >= self._rules.fewest_for_uncertainty else None
        both = [
            self._rules.resize_uncertainty(one, height, width, settings.resample_output)
            for one in (own, coarse.uncertainty)
            if one is not None
        ]
        merged = self._rules.resize(modality, merged, height, width, settings.resample_output)
        # The global pass and the refinement are drawn independently: their variances add up.
        return merged, torch.stack(both).square().sum(dim=0).sqrt() if both else None, change

    @property
    def _rules(self) -> Rules:
        return rules(self.settings.compat)


class _Alone:
    """An autoencoder at the size of a canvas: one image at a time, in stripes where memory holds no more."""

    def __init__(self, runtime: Runtime, canvas: Canvas) -> None:
        self._estimator, self._size = runtime.estimator, canvas.size
        self._batches = Batches(runtime, 1, "upscale")

    @property
    def notes(self) -> list[str]:
        """What memory did not hold."""
        return self._batches.notes

    def encoded(self, image: Tensor) -> Tensor:
        """The latent of an image [1, 3, H, W] in -1 to 1."""
        return self._run(lambda: self._estimator.encode_image(image))

    def decoded(self, latent: Tensor, targets: int) -> Tensor:
        """The target images [1, N, 3, H, W] of latents [1, N * C, h, w]."""
        parts = [self._run(lambda part=part: self._estimator.decode_pixels(part)) for part in latent.chunk(targets, 1)]
        return torch.cat(parts, dim=1)

    def _run(self, compute: Callable[[], Result]) -> Result:
        ((_, found),) = self._batches.run(self._size, 1, lambda part: compute())
        return found


def _change(modality: Modality, refined: Tensor, coarse: Tensor) -> float:
    """See `Refined.change`; both are [C, H, W], of different sizes."""
    small = modality.resize(refined[None], *coarse.shape[-2:])[0].cpu()
    coarse = coarse.cpu()
    if modality.ambiguity.scale or modality.ambiguity.shift:
        everywhere = torch.ones_like(coarse, dtype=torch.bool)
        scale, shift = least_squares(small, coarse, everywhere)
        small = scale[..., None, None] * small + shift[..., None, None]
    return float((small - coarse).square().mean().sqrt())
