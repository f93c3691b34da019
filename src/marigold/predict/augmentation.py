"""Ways to look at a photo: the members of an ensemble may take turns at them."""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from marigold.modalities.base import Modality


@dataclass(frozen=True)
class View:
    """How some members see the photo."""

    mirrored: bool = False
    """Left and right exchanged."""
    scale: Fraction = Fraction(1)
    """The working size, as a multiple of the asked one."""

    def resolution(self, photo: Tensor, asked: int) -> int:
        """The longest side at work for a photo [..., H, W]; 0, which keeps the photo's size, stays 0 at scale 1."""
        if self.scale == 1:
            return asked
        return (asked or max(photo.shape[-2:])) * self.scale.numerator // self.scale.denominator

    def show(self, photo: Tensor) -> Tensor:
        """A photo [..., H, W] as this view has it, at its own size."""
        return photo.flip(-1) if self.mirrored else photo

    def back(self, modality: Modality, values: Tensor, height: int, width: int) -> Tensor:
        """What was predicted of the view, [B, C, h, w], as values of the photo [B, C, height, width]."""
        values = modality.mirrored(values) if self.mirrored else values
        return values if values.shape[-2:] == (height, width) else modality.resize(values, height, width)


LARGER = Fraction(10, 9)
VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "flip-scale": (View(), View(mirrored=True, scale=LARGER), View(scale=LARGER), View(mirrored=True)),
}
"""By the names of `Request.tta`: what the members see, in turn. Two that differ in both ways come first."""
MOST_VIEWS = max(map(len, VIEWS.values()))
