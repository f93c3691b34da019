"""One photo in, maps out."""

import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from marigold.accel.offload import suited
from marigold.accel.plan import Plan, make_plan
from marigold.accel.precision import Precision
from marigold.accel.runtime import Runtime
from marigold.checkpoints import refiners, store
from marigold.checkpoints.autoencoders import remark
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import TTA, Sizing, Spacing
from marigold.core.choices import Compile, Offload, Reduction, Resampling
from marigold.core.device import memory_is_full
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.images import each, to_photo
from marigold.core.raster import Photo
from marigold.estimator import Estimator
from marigold.predict.arrays import as_array, as_bytes
from marigold.predict.canvas import canvas_of
from marigold.predict.encodings import Encodings
from marigold.predict.grouping import Group, checked, group_of, parts
from marigold.predict.highres import infer_refined
from marigold.predict.infer import Inference, infer_many
from marigold.predict.interval import Choice, bounds, choose
from marigold.predict.prediction import Prediction
from marigold.predict.refiner import Refiner, RefinerSource
from marigold.predict.report import report
from marigold.predict.settings import Compat, Request, Settings
from marigold.predict.stopwatch import Stopwatch

if TYPE_CHECKING:
    import PIL.Image


def load(
    name: str | Path = "depth",
    *,
    device: str = "auto",
    precision: Precision = "auto",
    compile: Compile = "auto",  # noqa: A002
    offload: Offload = "auto",
    trust: str | Iterable[str] = (),
    autoencoder: str | Path | None = None,
    refiner: str | Path | None = None,
) -> "Predictor":
    """A predictor with the checkpoint called `name`: a bundled name, a folder or a hub id.

    One whose modality or backbone is code of another package opens only if `trust` names it, as in `"my_package"`.
    `autoencoder` takes the place of its own: `tiny`, a folder or a hub id. `refiner` is what refines maps at high
    resolution, the one that goes with the checkpoint when None; it is looked for once a map is to be refined. With
    `compile` `on` kernels are compiled for a GPU at once, with `auto` once the number of photos repays that. With
    `offload` `stage` networks take turns on the device and wait in the computer's memory, as with `auto` where it does
    not hold all of them. Raises `UnknownNameError` or `CheckpointError`, and `ConfigError` for a device, precision,
    `compile` or `offload` that cannot be used.
    """
    plan = make_plan(device, precision, compile)
    try:
        estimator = store.open(name, dtype=plan.dtype, trust=trust, autoencoder=autoencoder)
        notes = filter(None, [remark(autoencoder, estimator.card.modality)])
        predictor = Predictor(estimator, suited(plan, estimator, offload), notes)
    except (RuntimeError, MemoryError) as error:
        if not memory_is_full(error):
            raise
        raise CheckpointError(f"{name}: its weights do not fit into {plan.device}; use a smaller checkpoint") from error

    def find() -> refiners.Found:
        described = store.describe(name, trust=trust, dtype=plan.dtype, autoencoder=autoencoder)
        return refiners.find(described, refiner, trust=trust, dtype=plan.dtype)

    predictor.refine_by(RefinerSource.found(find, plan.dtype, offload))
    return predictor


class Predictor:
    """An estimator ready to be used on photos."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None, notes: Iterable[str] = ()) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None).

        `notes` are among those of every prediction.
        """
        if not estimator.backbone.conditions:
            raise ConfigError(f"checkpoint `{estimator.card.name}` sees no photo; choose one adapted to a modality")
        if refiners.is_refiner(estimator):
            raise CheckpointError(
                f"checkpoint `{estimator.card.name}`: is a refiner, which sees a coarse map beside the photo; predict "
                "by a checkpoint that gives one, with --hr --refiner"
            )
        self.runtime = Runtime(estimator, plan)
        self._notes = tuple(notes)
        self._refiner_source: RefinerSource | None = None
        self._refiner: Refiner | None = None

    def refine_by(self, source: RefinerSource) -> None:
        """From now on this refiner is used where high resolution is asked for."""
        self._refiner_source, self._refiner = source, None

    @property
    def refiner(self) -> Refiner:
        """The networks that refine maps, loaded when they are first asked for. Raises `CheckpointError`."""
        if self._refiner is None:
            self._refiner = self._source.beside(self.runtime)
        return self._refiner

    @property
    def refiner_card(self) -> Card:
        """The card of these networks, which need not be loaded. Raises `CheckpointError`."""
        return self._source.card

    @property
    def _source(self) -> RefinerSource:
        if self._refiner_source is None:
            raise CheckpointError(f"checkpoint `{self.estimator.card.name}`: has no refiner here; leave hr out")
        return self._refiner_source

    def settings(self, request: Request) -> Settings:
        """The settings of a request with nothing left open. Raises `ConfigError`, and what finding a refiner raises."""
        return request.settings(self.estimator.card.defaults, self.refiner_card if request.hr else None)

    def infer_many(self, photos: Sequence[Tensor], settings: Settings, **how: Any) -> list[Inference]:
        """The values of photos [3, H, W], refined where the settings ask for it; `how` as of `predict/infer.py`."""
        if settings.refinement is None:
            return infer_many(self.runtime, photos, settings, **how)
        return infer_refined(self.runtime, self.refiner, photos, settings, **how)

    def foreseen(self, image: Photo, request: Request) -> tuple[str, ...]:
        """What is to be said of a photo's size before time is spent on it. Raises `ConfigError`."""
        settings = self.settings(request)
        return canvas_of(self.runtime, settings, image.levels).notes if settings.refinement else ()

    @property
    def estimator(self) -> Estimator:
        """The networks."""
        return self.runtime.estimator

    @property
    def plan(self) -> Plan:
        """Where and how they run."""
        return self.runtime.plan

    def predict(
        self,
        image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo",
        *,
        steps: int | None = None,
        ensemble: int | None = None,
        resolution: int | None = None,
        sizing: Sizing | None = None,
        tta: TTA | None = None,
        reduction: Reduction | None = None,
        seed: int = 0,
        spacing: Spacing = "auto",
        match_input: bool = True,
        resample_input: Resampling = "bilinear",
        resample_output: Resampling = "bilinear",
        compat: Compat = "none",
        interval: float | None = None,
        hr: bool = False,
        upscale: float | None = None,
        tile: int | None = None,
        refiner_steps: int | None = None,
        refiner_ensemble: int | None = None,
        noise: Tensor | np.ndarray | None = None,
        output_latent: bool = False,
    ) -> Prediction:
        """The maps of one photo: a file, or a picture in memory (see `core/images.py`).

        The settings are those of `Request`; what is None is as the checkpoint's card recommends. `noise`
        [E, N * C, h, w] starts the E members, without test-time augmentation, instead of noise drawn from `seed`; h and
        w are the working size in latent cells. For consistency models it may be [E, S, N * C, h, w], with the noise
        that goes in after each of the S steps but the last. `output_latent` puts the members' final latents into the
        result. Raises `ImageError` for a photo that cannot be read, `ConfigError` for settings or noise that cannot be
        used, `CheckpointError` when the weights give no numbers, and with `hr` where there is no refiner.
        """
        if noise is not None:
            ensemble = _count(noise) if ensemble is None else ensemble
            tta = "none" if tta is None else tta
        request = Request(
            steps=steps,
            ensemble=ensemble,
            resolution=resolution,
            sizing=sizing,
            tta=tta,
            reduction=reduction,
            seed=seed,
            spacing=spacing,
            match_input=match_input,
            resample_input=resample_input,
            resample_output=resample_output,
            compat=compat,
            interval=interval,
            hr=hr,
            upscale=upscale,
            tile=tile,
            refiner_steps=refiner_steps,
            refiner_ensemble=refiner_ensemble,
        )
        return self.predict_request(image, request, noise=noise, output_latent=output_latent)

    def predict_request(
        self,
        image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo",
        request: Request,
        *,
        noise: Tensor | np.ndarray | None = None,
        output_latent: bool = False,
        encodings: Encodings | None = None,
        batch: int | None = None,
    ) -> Prediction:
        """As `predict`, with the settings as a request; its checkpoint, autoencoder, device and precision are not
        looked at.

        `encodings` are latents of this photo that other predictors may have made (see `predict/encodings.py`), `batch`
        is the number of members that the networks take at once, by the plan when None.
        """
        (made,) = self._predicted(
            [_read(image)], request, noise=noise, output_latent=output_latent, encodings=encodings, batch=batch
        )
        return made

    def predict_many(
        self,
        images: "Iterable[str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo]",
        request: Request | None = None,
        *,
        encodings: Encodings | None = None,
        batch: int | None = None,
    ) -> list[Prediction]:
        """What `predict_request` gives for each photo, within rounding; those of one working size share batches.

        `batch` is the number of inputs, photos or their members, that the networks take at once, by the plan when None:
        one on a CPU, on a GPU as many as keep it busy and its memory holds. Seconds in the reports are a photo's share
        of those that its batch took. Raises what `predict_request` raises for any of them.
        """
        read, request = [_read(image) for image in each(images)], request or Request()
        found: dict[int, Prediction] = {}
        for part in parts([self.group(one.photo, request, batch) for one in read]):
            made = self._predicted([read[number] for number in part], request, encodings=encodings, batch=batch)
            found.update(zip(part, made, strict=True))
        return [found[number] for number in range(len(read))]

    def group(self, photo: Photo, request: Request, batch: int | None = None) -> Group:
        """Which photos share a batch with this one. Raises `ConfigError`."""
        settings = self.settings(request)
        return group_of(self.runtime, settings, photo.levels, checked(batch))

    def _predicted(
        self,
        read: "Sequence[_Read]",
        request: Request,
        *,
        noise: Tensor | np.ndarray | None = None,
        output_latent: bool = False,
        encodings: Encodings | None = None,
        batch: int | None = None,
    ) -> list[Prediction]:
        watch = Stopwatch(self.plan.device)
        settings = self.settings(request)
        chosen = choose(self.estimator.card, settings)
        inferred = self.infer_many(
            [one.photo.levels for one in read],
            settings,
            noise=noise,
            encodings=encodings,
            watch=watch,
            batch=checked(batch),
        )
        shares = {stage: seconds / len(read) for stage, seconds in watch.seconds.items()}
        return [
            self._prediction(one, settings, chosen, found, shares, output_latent=output_latent)
            for one, found in zip(read, inferred, strict=True)
        ]

    def _prediction(
        self,
        read: "_Read",
        settings: Settings,
        chosen: Choice,
        found: Inference,
        seconds: Mapping[str, float],
        *,
        output_latent: bool,
    ) -> Prediction:
        photo = read.photo.levels
        latent, *others = found.latents
        if output_latent and others:
            raise ConfigError("output_latent: members of test-time augmentation work at several sizes; use tta: none")
        runtimes = [self.runtime, *([self.refiner.runtime] if found.refined else [])]
        of_runs = [note for one in runtimes for note in one.take_notes()]
        notes = [*read.photo.notes, *self._notes, *found.notes, *chosen.notes, *of_runs]
        return Prediction(
            maps={name: as_array(map_) for name, map_ in self.estimator.modality.split(found.values).items()},
            uncertainty=None if found.uncertainty is None else as_array(found.uncertainty),
            modality=self.estimator.modality,
            name=read.name,
            bounds=self._bounds(found, chosen),
            report={
                **report(self.runtime, photo, settings, found, {"read": read.seconds, **seconds}, notes),
                **chosen.report,
            },
            photo=as_bytes(photo, found.values.shape[-2], found.values.shape[-1]),
            latent=latent.float().cpu().numpy() if output_latent else None,
        )

    def _bounds(self, found: Inference, chosen: Choice) -> dict[str, dict[str, np.ndarray]]:
        """The ends of the intervals by output and name; none where none are asked for."""
        if chosen.calibration is None:
            return {}
        if found.uncertainty is None:
            raise ConfigError("interval: members that are all the same say nothing of the error; leave it out")
        modality = self.estimator.modality
        both = bounds(found.values, found.uncertainty, chosen.calibration, chosen.level, modality)
        ends = both[-len(modality.ends) :]
        split = [end.split(modality.interval_channels) for end in ends]
        return {
            name: {end: as_array(parts[number]) for end, parts in zip(modality.ends, split, strict=True)}
            for number, name in enumerate(modality.outputs)
        }


@dataclass(frozen=True, eq=False)
class _Read:
    """A photo that has been read, what its results are called, and the seconds that reading took."""

    photo: Photo
    name: str
    seconds: float


def _read(image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo") -> _Read:
    start = time.perf_counter()
    photo = to_photo(image)
    name = Path(image).stem if isinstance(image, str | PathLike) else "photo"
    return _Read(photo, name, time.perf_counter() - start)


def _count(noise: object) -> int:
    """How many members a noise starts; 1 for what is no array, which is refused later."""
    return len(noise) if isinstance(noise, Sized) and getattr(noise, "shape", None) != () else 1
