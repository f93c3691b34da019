"""A checkpoint's answers: the maps that `marigold predict` gives, to the bit."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from marigold.core.images import to_image
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer, Answers
from marigold.predict.infer import infer
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Settings
from marigold.predict.stopwatch import Stopwatch

Bounds = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Values [C, H, W] and their uncertainty [1, H, W] to the ends of an interval, [C, H, W] each."""


class CheckpointAnswers(Answers):
    """What a predictor says by settings with nothing left open."""

    def __init__(
        self, predictor: Predictor, settings: Settings, name: str, bounds: Bounds | None = None, level: float = 0.0
    ) -> None:
        """With `bounds` answers have an interval, which is to hold the share `level` of the pixels."""
        self.predictor, self.settings, self.name = predictor, settings, name
        self._bounds, self._level = bounds, level

    def answer(self, sample: Sample) -> Answer:
        """The values, and the members' disagreement where there are enough of them. Raises what `infer` raises."""
        watch = Stopwatch(self.predictor.plan.device)
        found = infer(self.predictor.runtime, to_image(sample.image.cpu()), self.settings, watch=watch)
        answer = Answer(found.values, found.uncertainty, seconds=dict(watch.seconds))
        if self._bounds is None or found.uncertainty is None:
            return answer
        return replace(answer, interval=self._bounds(found.values, found.uncertainty), level=self._level)
