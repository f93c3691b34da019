"""One photo in, maps out: working size, one encoding, members, merging, and back to the photo's size."""

from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from marigold.accel.plan import Plan, apply, make_plan
from marigold.accel.precision import Precision, precision_name
from marigold.checkpoints import store
from marigold.checkpoints.convention import TTA, Spacing
from marigold.compat.base import RULES, Rules
from marigold.core.distribution import VERSION
from marigold.core.errors import CheckpointError, ConfigError, DeviceMemoryError
from marigold.core.find import name_of
from marigold.core.images import to_photo
from marigold.core.raster import Photo
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.predict.augmentation import VIEWS
from marigold.predict.members import checked_noise, draw_noise, members
from marigold.predict.prediction import Prediction
from marigold.predict.settings import Compat, Request, Settings
from marigold.predict.stopwatch import Stopwatch
from marigold.predict.working_size import AnyFrame, resize

if TYPE_CHECKING:
    import PIL.Image


def load(name: str | Path = "depth", *, device: str = "auto", precision: Precision = "auto") -> "Predictor":
    """A predictor with the checkpoint called `name`: a bundled name, a folder or a hub id.

    Raises `UnknownNameError` or `CheckpointError`, and `ConfigError` for a device or precision that cannot be used.
    """
    plan = make_plan(device, precision)
    return Predictor(store.open(name, device=plan.device, dtype=plan.dtype), plan)


class Predictor:
    """An estimator ready to be used on photos."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None)."""
        if not estimator.backbone.conditions:
            raise ConfigError(f"checkpoint `{estimator.card.name}` sees no photo; choose one adapted to a modality")
        self.plan = plan or Plan()
        self.estimator = apply(estimator, self.plan)

    @torch.inference_mode()
    def predict(
        self,
        image: "str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo",
        *,
        steps: int | None = None,
        ensemble: int | None = None,
        resolution: int | None = None,
        seed: int = 0,
        spacing: Spacing = "auto",
        match_input: bool = True,
        compat: Compat = "none",
        tta: TTA | None = None,
        noise: Tensor | np.ndarray | None = None,
    ) -> Prediction:
        """The maps of one photo: a file, or a picture in memory (see `core/images.py`).

        What is None is as the checkpoint's card recommends. Maps are at the photo's size, or as the network gave them
        without `match_input`. `compat` names the implementation whose rules around the networks are followed, `spacing`
        the times of the steps, and `tta` what the members see (see `Request`). `noise` [E, N * C, h, w] starts the E
        members, all of one view, instead of noise drawn from `seed`; h and w are the working size in latent cells. For
        consistency models it may be [E, S, N * C, h, w], with the noise that goes in after each of the S steps but the
        last. Raises `ImageError` for a photo that cannot be read, `ConfigError` for settings or noise that cannot be
        used, `CheckpointError` when the weights give no numbers.
        """
        watch = Stopwatch(self.plan.device)
        with watch("read"):
            read = to_photo(image)
            photo = read.pixels
        count = ensemble if noise is None or ensemble is not None else len(noise)
        request = Request(
            steps=steps,
            ensemble=count,
            resolution=resolution,
            seed=seed,
            match_input=match_input,
            compat=compat,
            spacing=spacing,
            tta="none" if noise is not None and tta is None else tta,
        )
        settings = request.settings(self.estimator.card.defaults)
        rules = RULES[settings.compat]
        values, frame, notes = self._looked(photo, settings, noise, watch)
        maps, uncertainty = self._merge(
            values, rules, (photo.shape[-2], photo.shape[-1]) if match_input else None, watch
        )
        return Prediction(
            maps=maps,
            uncertainty=uncertainty,
            modality=self.estimator.modality,
            name=Path(image).stem if isinstance(image, str | PathLike) else "photo",
            report=self._report(photo, frame, settings, watch, [*read.notes, *notes]),
            photo=_as_bytes(photo, next(iter(maps.values())).shape[:2]),
        )

    def _looked(
        self, photo: Tensor, settings: Settings, noise: Tensor | np.ndarray | None, watch: Stopwatch
    ) -> tuple[Tensor, AnyFrame, list[str]]:
        """All members' values [E, C, h, w] at the working size of the photo, that size, and notes."""
        rules, looks = RULES[settings.compat], VIEWS[settings.tta][: settings.ensemble]
        sampling = self.estimator.sampling(settings.steps, settings.spacing)
        asked, stride = settings.resolution, self.estimator.backbone.stride
        frames = [rules.frame(photo, look.resolution(photo, asked), stride) for look in looks]
        noises = [draw_noise(self.estimator, rules, frame, sampling, settings) for frame in frames]
        if noise is not None:
            if len(looks) > 1:
                raise ConfigError("noise: members that see varied tta work at several sizes; use tta: none")
            noises = [checked_noise(noise, self.estimator, frames[0], noises[0])]
        # Member m sees view m modulo their number.
        noises = [drawn[number :: len(looks)] for number, drawn in enumerate(noises)]
        notes = list(sampling.notes)
        if sampling.deterministic and settings.ensemble > len(looks):
            noises = [drawn[:1] for drawn in noises]
            notes.append(f"the checkpoint starts from nothing random, so that {_repeated(len(looks))}")
        found: list[Tensor] = []
        for look, frame, drawn in zip(looks, frames, noises, strict=True):
            values, more = self._members(look.show(photo), frame, drawn, sampling, watch)
            height, width = (found[0] if found else values).shape[-2:]
            found.append(look.back(self.estimator.modality, values, height, width))
            notes += more
        return torch.cat(found), frames[0], notes

    def _members(
        self, photo: Tensor, frame: AnyFrame, noise: Tensor, sampling: Sampling, watch: Stopwatch
    ) -> tuple[Tensor, list[str]]:
        """The members' values, all of them numbers, and a note when that took a second attempt in float32."""
        notes: list[str] = []
        values = self._attempt(photo, frame, noise, sampling, watch)
        if not values.isfinite().all() and self.plan.dtype != torch.float32:
            notes.append(f"{precision_name(self.plan.dtype)} overflowed; computed in fp32")
            self.plan = replace(self.plan, dtype=torch.float32)
            self.estimator = apply(self.estimator, self.plan)
            values = self._attempt(photo, frame, noise, sampling, watch)
        if not values.isfinite().all():
            name = self.estimator.card.name
            raise CheckpointError(f"{name}: its weights give no numbers (NaN); fetch or train the checkpoint again")
        return values, notes

    def _attempt(self, photo: Tensor, frame: AnyFrame, noise: Tensor, sampling: Sampling, watch: Stopwatch) -> Tensor:
        """The members' values; one member at a time from when the device's memory does not hold more."""
        try:
            return members(self.estimator, self.plan, photo, frame, noise, sampling, watch)
        except RuntimeError as error:
            if not _memory_is_full(error):
                raise
            if not self.plan.pixels_at_once:
                size = f"{frame.width} x {frame.height} pixels"
                raise DeviceMemoryError(
                    f"resolution: {size} do not fit into {self.plan.device}; choose less"
                ) from error
        self.plan = replace(self.plan, pixels_at_once=0)
        return self._attempt(photo, frame, noise, sampling, watch)

    def _merge(
        self, values: Tensor, rules: Rules, size: tuple[int, int] | None, watch: Stopwatch
    ) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Members [E, C, h, w] to maps of a size, or as they are, and their uncertainty if there are enough of them."""
        modality = self.estimator.modality
        with watch("ensemble"):
            merged, uncertainty = rules.ensemble(modality, values)
        with watch("resize"):
            if size:
                merged = rules.resize(modality, merged, *size)
            maps = {name: _as_array(value) for name, value in modality.split(merged).items()}
            if len(values) < rules.fewest_for_uncertainty:
                return maps, None
            return maps, _as_array(rules.resize_uncertainty(uncertainty, *size) if size else uncertainty)

    def _report(
        self, photo: Tensor, frame: AnyFrame, settings: Settings, watch: Stopwatch, notes: list[str]
    ) -> dict[str, Any]:
        card = self.estimator.card
        return {
            "modality": name_of(self.estimator.modality),
            "checkpoint": {"name": card.name, "revision": card.revision, "licence": card.licence},
            "settings": {
                **asdict(settings),
                "precision": precision_name(self.plan.dtype),
                "device": str(self.plan.device),
            },
            "photo_size": {"height": photo.shape[-2], "width": photo.shape[-1]},
            "working_size": {"height": frame.height, "width": frame.width},
            "seconds": {stage: round(seconds, 4) for stage, seconds in watch.seconds.items()},
            "notes": notes,
            "marigold": VERSION,
        }


def _repeated(tta: int) -> str:
    return "all members are the same; took one" if tta == 1 else f"members of one view are the same; took {tta}"


def _memory_is_full(error: RuntimeError) -> bool:
    """A GPU's memory has an error of its own; the computer's is told by its words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _as_array(values: Tensor) -> np.ndarray:
    """[C, H, W] as float32 [H, W], or [H, W, C] when there are several channels."""
    array = values.float().cpu().numpy()
    return np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))


def _as_bytes(photo: Tensor, size: tuple[int, int]) -> np.ndarray:
    """[3, H, W] in 0 to 1 at the size of the maps, as [H, W, 3] uint8."""
    return (resize(photo[None], *size)[0] * 255).round_().byte().permute(1, 2, 0).contiguous().numpy()
