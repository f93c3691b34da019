"""What is asked of anything that is evaluated: an answer to a photo, as maps, with or without its own uncertainty."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from marigold.core.sample import Sample


@dataclass(frozen=True)
class Answer:
    """What was predicted for one photo, at the photo's size."""

    values: Tensor
    """[C, H, W] in the modality's unit, its outputs one after another (`Modality.outputs`)."""
    uncertainty: Tensor | None = None
    """[1, H, W], larger where less is known; None where nothing is said of it."""
    interval: tuple[Tensor, Tensor] | None = None
    """The lower and the upper end of the values, [C, H, W] each; None where no interval is given."""
    level: float = 0.0
    """The share of pixels that the interval is to hold, 0 to 1."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each stage took."""


class Answers(ABC):
    """A source of answers: a checkpoint, somebody's model, or a folder of somebody's predictions."""

    name: str
    """What tables call it."""

    @abstractmethod
    def answer(self, sample: Sample) -> Answer:
        """The answer to `sample.image`; nothing else of a sample but its key may be looked at.

        Raises `MissingPredictionError` where there is none, and `DataError` for one that cannot be used.
        """

    def check(self, keys: Sequence[str]) -> None:
        """Looks at the keys of a set before it is answered. Raises `DataError` where two would get one answer."""
