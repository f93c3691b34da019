"""Frames of one shot as they are predicted, kept on disk until the shot is complete."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from marigold.core.errors import ImageError
from marigold.predict.prediction import Prediction
from marigold.predict.settings import Request
from marigold.predict.together import LazyPredictors, MultiPredictor
from marigold.video.carry import start
from marigold.video.frames import Frame
from marigold.video.work import Work

LATENT, PHOTO, SIZE, UNCERTAINTY = "latent", "photo", "size", "uncertainty"
"""What is kept of a frame beside its maps, which have a dot before their names."""


class FramePredictor:
    """Predicts frames that are not kept yet, several at a time where they share no latents."""

    def __init__(self, predictors: MultiPredictor | LazyPredictors, request: Request, carry: float, work: Work) -> None:
        self._lazy, self._carry, self._work = predictors, carry, work
        self._request = replace(request, match_input=False)
        self._modalities = list(predictors.provenance(request))
        self._previous: dict[str, np.ndarray] = {}
        self.seconds = 0.0
        """Spent by networks on the frames of this run."""
        self.predicted = 0
        """Frames of this run."""

    def forget(self) -> None:
        """The next frame begins a shot."""
        self._previous = {}

    def most(self, frame: Frame) -> int:
        """How many frames like this one are predicted together."""
        if self._carry or frame.photo is None or self._is_kept(frame):
            return 1
        return self._lazy.loaded().group(frame.photo, self._request).most

    def predict(self, frames: Sequence[Frame]) -> dict[int, str]:
        """Keeps what is predicted of frames, and returns why some could not be, by number.

        Raises `ConfigError` and `CheckpointError`, which are about all frames.
        """
        missing = [frame for frame in frames if frame.photo is not None and not self._is_kept(frame)]
        failed = {frame.number: frame.error for frame in frames if frame.photo is None}
        for frame in frames:
            if self._carry and frame.photo is not None and frame not in missing:
                self._recall(frame)
        for part in [[frame] for frame in missing] if self._carry else [missing]:
            if part:
                failed |= self._predicted(part)
        return failed

    def _is_kept(self, frame: Frame) -> bool:
        return all(self._work.has(modality, frame.number) for modality in self._modalities)

    def _recall(self, frame: Frame) -> None:
        """Goes on from the latents of a frame that an earlier run has predicted."""
        kept = {modality: self._work.load(modality, frame.number) for modality in self._modalities}
        self._previous = {modality: arrays[LATENT] for modality, arrays in kept.items() if arrays and LATENT in arrays}

    def _predicted(self, frames: Sequence[Frame]) -> dict[int, str]:
        try:
            found = self._alone(frames[0]) if self._carry else self._together(frames)
        except ImageError as error:
            if len(frames) == 1:
                return {frames[0].number: str(error)}
            return {number: why for frame in frames for number, why in self._predicted([frame]).items()}
        for frame, predictions in zip(frames, found, strict=True):
            self._keep(frame, predictions)
        self.predicted += len(frames)
        return {}

    def _together(self, frames: Sequence[Frame]) -> list[dict[str, Prediction]]:
        return self._lazy.loaded().predict_many([frame.photo for frame in frames if frame.photo], self._request)

    def _alone(self, frame: Frame) -> list[dict[str, Prediction]]:
        """The predictions of one frame, from the latents of the one before it."""
        assert frame.photo is not None
        together, found = self._lazy.loaded(), {}
        for modality, predictor in together.predictors.items():
            noise = start(predictor, frame.photo, self._request, self._previous.get(modality), self._carry)
            found[modality] = predictor.predict_request(
                frame.photo, self._request, noise=noise, output_latent=True, batch=together.batch
            )
        self._previous = {modality: made.latent for modality, made in found.items() if made.latent is not None}
        return [found]

    def _keep(self, frame: Frame, predictions: Mapping[str, Prediction]) -> None:
        assert frame.photo is not None
        for modality, made in predictions.items():
            arrays = {f".{name}": values for name, values in made.maps.items()}
            assert made.photo is not None
            arrays |= {SIZE: np.array(frame.photo.size), PHOTO: made.photo}
            arrays |= {UNCERTAINTY: made.uncertainty} if made.uncertainty is not None else {}
            arrays |= {LATENT: made.latent} if made.latent is not None else {}
            self._work.save(modality, frame.number, arrays)
            self.seconds += sum(made.report["seconds"].values())
            if self._work.noted(f"report_{modality}") is None:
                self._work.note(f"report_{modality}", made.report)
