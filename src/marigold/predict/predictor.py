"""One photo in, maps out."""

from collections.abc import Iterable, Sized
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from marigold.accel.plan import Plan, make_plan
from marigold.accel.precision import Precision, precision_name
from marigold.accel.runtime import Runtime
from marigold.checkpoints import store
from marigold.checkpoints.convention import TTA, Sizing, Spacing
from marigold.core.choices import Reduction, Resampling
from marigold.core.device import memory_is_full
from marigold.core.distribution import VERSION
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.find import name_of
from marigold.core.images import to_photo
from marigold.core.raster import Photo
from marigold.core.resampling import resample
from marigold.estimator import Estimator
from marigold.predict.encodings import Encodings
from marigold.predict.infer import Inference, infer
from marigold.predict.interval import Choice, bounds, choose
from marigold.predict.prediction import Prediction
from marigold.predict.settings import Compat, Request, Settings
from marigold.predict.stopwatch import Stopwatch

if TYPE_CHECKING:
    import PIL.Image


def load(
    name: str | Path = "depth",
    *,
    device: str = "auto",
    precision: Precision = "auto",
    trust: str | Iterable[str] = (),
    autoencoder: str | Path | None = None,
) -> "Predictor":
    """A predictor with the checkpoint called `name`: a bundled name, a folder or a hub id.

    One whose modality or backbone is code of another package opens only if `trust` names it, as in `"my_package"`.
    `autoencoder` takes the place of its own: `tiny`, a folder or a hub id. Raises
    `UnknownNameError` or `CheckpointError`, and `ConfigError` for a device or precision that cannot be used.
    """
    plan = make_plan(device, precision)
    try:
        opened = store.open(name, device=plan.device, dtype=plan.dtype, trust=trust, autoencoder=autoencoder)
        return Predictor(opened, plan)
    except (RuntimeError, MemoryError) as error:
        if not memory_is_full(error):
            raise
        raise CheckpointError(f"{name}: its weights do not fit into {plan.device}; use a smaller checkpoint") from error


class Predictor:
    """An estimator ready to be used on photos."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None)."""
        if not estimator.backbone.conditions:
            raise ConfigError(f"checkpoint `{estimator.card.name}` sees no photo; choose one adapted to a modality")
        self.runtime = Runtime(estimator, plan)

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
        noise: Tensor | np.ndarray | None = None,
        output_latent: bool = False,
    ) -> Prediction:
        """The maps of one photo: a file, or a picture in memory (see `core/images.py`).

        The settings are those of `Request`; what is None is as the checkpoint's card recommends. `noise`
        [E, N * C, h, w] starts the E members, without test-time augmentation, instead of noise drawn from `seed`; h and
        w are the working size in latent cells. For consistency models it may be [E, S, N * C, h, w], with the noise
        that goes in after each of the S steps but the last. `output_latent` puts the members' final latents into the
        result. Raises `ImageError` for a photo that cannot be read, `ConfigError` for settings or noise that cannot be
        used, `CheckpointError` when the weights give no numbers.
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
    ) -> Prediction:
        """As `predict`, with the settings as a request; its checkpoint, autoencoder, device and precision are not
        looked at.

        `encodings` are latents of this photo that other predictors may have made (see `predict/encodings.py`).
        """
        watch = Stopwatch(self.plan.device)
        with watch("read"):
            read = to_photo(image)
            photo = read.pixels
        settings = request.settings(self.estimator.card.defaults)
        chosen = choose(self.estimator.card, settings)
        found = infer(self.runtime, photo, settings, noise=noise, encodings=encodings, watch=watch)
        latent, *others = found.latents
        if output_latent and others:
            raise ConfigError("output_latent: members of test-time augmentation work at several sizes; use tta: none")
        return Prediction(
            maps={name: _as_array(map_) for name, map_ in self.estimator.modality.split(found.values).items()},
            uncertainty=None if found.uncertainty is None else _as_array(found.uncertainty),
            modality=self.estimator.modality,
            name=Path(image).stem if isinstance(image, str | PathLike) else "photo",
            bounds=self._bounds(found, chosen),
            report={
                **self._report(photo, settings, found, watch, [*read.notes, *found.notes, *chosen.notes]),
                **chosen.report,
            },
            photo=_as_bytes(photo, found.values.shape[-2], found.values.shape[-1]),
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
            name: {end: _as_array(parts[number]) for end, parts in zip(modality.ends, split, strict=True)}
            for number, name in enumerate(modality.outputs)
        }

    def _report(
        self, photo: Tensor, settings: Settings, found: Inference, watch: Stopwatch, notes: list[str]
    ) -> dict[str, Any]:
        card, size = self.estimator.card, found.working_size
        return {
            "modality": name_of(self.estimator.modality),
            "checkpoint": {"name": card.name, "revision": card.revision, "licence": card.licence},
            "settings": {
                **settings.stated(),
                "precision": precision_name(self.plan.dtype),
                "device": str(self.plan.device),
            },
            "photo_size": {"height": photo.shape[-2], "width": photo.shape[-1]},
            "working_size": {"height": size.height, "width": size.width},
            "seconds": {stage: round(seconds, 4) for stage, seconds in watch.seconds.items()},
            "notes": notes,
            "marigold": VERSION,
        }


def _count(noise: object) -> int:
    """How many members a noise starts; 1 for what is no array, which is refused later."""
    return len(noise) if isinstance(noise, Sized) and getattr(noise, "shape", None) != () else 1


def _as_array(values: Tensor) -> np.ndarray:
    """[C, H, W] as float32 [H, W], or [H, W, C] when there are several channels."""
    array = values.float().cpu().numpy()
    return np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))


def _as_bytes(photo: Tensor, height: int, width: int) -> np.ndarray:
    """[3, H, W] in 0 to 1 at the size of the maps, as [H, W, 3] uint8."""
    resized = resample(photo[None], height, width)[0]
    return (resized * 255).round_().byte().permute(1, 2, 0).contiguous().numpy()
