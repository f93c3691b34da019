"""The maps of an answer in linear light."""

from torch import Tensor

from marigold.core.colour import srgb_to_linear
from marigold.evaluate.answers import Answer
from marigold.modalities.base import Modality


def linear(answer: Answer, output: str, modality: Modality) -> Tensor:
    """One output of an answer, [C, H, W], in linear light."""
    values = modality.split(answer.values)[output]
    return srgb_to_linear(values.clamp(0, 1)) if modality.meaning(output) == "srgb" else values
