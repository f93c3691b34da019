"""Test-time augmentation: the members of an ensemble take turns at a photo as it is, flipped and scaled."""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from marigold.checkpoints.convention import TTA
from marigold.compat.base import Rules, WorkingSize
from marigold.modalities.base import Modality
from marigold.predict.settings import Settings


@dataclass(frozen=True)
class Transform:
    """What some members see of the photo, and the way back."""

    flip: bool = False
    """Left and right exchanged."""
    scale: Fraction = Fraction(1)
    """The working size, as a multiple of the asked one."""

    def working_size(self, rules: Rules, photo: Tensor, settings: Settings, stride: int) -> WorkingSize:
        """The working size of a photo [..., H, W]."""
        height, width = photo.shape[-2:]
        resolution, sizing = settings.resolution, settings.sizing
        if self.scale != 1 and not resolution:
            resolution, sizing = max(height, width), "longest"
        resolution = resolution * self.scale.numerator // self.scale.denominator
        return rules.working_size(height, width, resolution, sizing, stride)

    def forward(self, photo: Tensor) -> Tensor:
        """A photo [..., H, W], at its own size."""
        return photo.flip(-1) if self.flip else photo

    def backward(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """What was predicted of it, [B, C, h, w], as values of the photo [B, C, height, width]."""
        values = modality.mirrored(values) if self.flip else values
        return values if values.shape[-2:] == (height, width) else modality.resize(values, height, width)


LARGER = Fraction(10, 9)
TRANSFORMS: dict[TTA, tuple[Transform, ...]] = {
    "none": (Transform(),),
    "flip-scale": (
        Transform(),
        Transform(flip=True, scale=LARGER),
        Transform(scale=LARGER),
        Transform(flip=True),
    ),
}
"""By the names of `Request.tta`: member m has transform m modulo their number. Two that differ in both come first."""
MOST_TRANSFORMS = max(map(len, TRANSFORMS.values()))
