"""The contract of a loss on what one step predicts. A concrete loss is a frozen dataclass; its fields are its settings.

Its file's name is its name in a recipe: `losses: [{loss: affine, weight: 1}, {loss: sink, block: 5}]`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from marigold.core.sample import Batch
from marigold.estimator import Estimator


@dataclass(frozen=True)
class Outcome:
    """What one step predicts of a batch, and what it should have been.

    Latents are those of all its samples; target images and truth those of the first ones, as many as are decoded.
    """

    latent: Tensor
    """[B, N * C, h, w], float32: the clean latents as predicted."""
    pixels: Tensor
    """[D, N, 3, H, W], about -1 to 1, float32: the predicted target images of the first D samples."""
    truth: Batch
    """D samples; `truth.truth` holds the maps that losses ask for in `fields`, and `image` is the photo."""
    clean: Tensor | None = None
    """Alike: the latents of the true target images, where a loss compares latents."""
    cells: Tensor | None = None
    """Which of their elements may be used, alike, bool."""


class MapLoss(ABC):
    """A scalar that is small when a prediction is right, and zero with zero gradient where no pixel is valid."""

    outputs: ClassVar[tuple[str, ...]] = ()
    """The maps that a modality must predict for this to mean anything; none: any."""
    fields: ClassVar[tuple[str, ...]] = ()
    """The physical maps that it reads beside the target images."""
    decodes: ClassVar[bool] = True
    """It looks at decoded target images; otherwise at latents, `clean` and `cells`."""

    def setup(self, estimator: Estimator) -> nn.Module:
        """A frozen network that it compares by, kept beside the estimator; here an empty one."""
        return nn.Module()

    @abstractmethod
    def loss(self, estimator: Estimator, outcome: Outcome, kept: nn.Module) -> Tensor:
        """The scalar, differentiable with respect to what was predicted."""
