"""A checkpoint's answers: the maps that `marigold predict` gives, to the bit."""

from dataclasses import replace

from marigold.core.images import to_image
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer, Answers
from marigold.predict import interval
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch


class CheckpointAnswers(Answers):
    """What a predictor says by settings with nothing left open, with intervals where those ask for them."""

    def __init__(self, predictor: Predictor, settings: Settings, name: str) -> None:
        """Raises `ConfigError` for intervals that the checkpoint is not calibrated for."""
        self.predictor, self.settings, self.name = predictor, settings, name
        self._choice = interval.choose(predictor.estimator.card, settings)
        self.notes = self._choice.notes

    def answer(self, sample: Sample) -> Answer:
        """The values, and the members' disagreement where there are enough of them. Raises what `infer` raises."""
        watch = Stopwatch(self.predictor.plan.device)
        (found,) = self.predictor.infer_many([to_image(sample.image.cpu())], self.settings, watch=watch)
        answer = Answer(found.values, found.uncertainty, seconds=dict(watch.seconds))
        calibration, level = self._choice.calibration, self._choice.level
        if calibration is None or found.uncertainty is None:
            return answer
        modality = self.predictor.estimator.modality
        ends = interval.bounds(found.values, found.uncertainty, calibration, level, modality)
        return replace(answer, interval=ends, level=level)
