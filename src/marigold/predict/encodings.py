"""The latents of a photo, kept for estimators that share an autoencoder: each input is encoded once."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.accel.runtime import Runtime
from marigold.estimator import Estimator
from marigold.predict.augmentation import MOST_TRANSFORMS

PROBE_CELLS = 4
"""The side, in latent cells, of the picture that tells whether two autoencoders encode alike."""


@dataclass(frozen=True)
class _Encoding:
    """A picture [1, 3, H, W] that was encoded, the number type that it was encoded in, and its latent."""

    image: Tensor
    dtype: torch.dtype
    latent: Tensor


class Encodings:
    """The latents of the last few pictures, whichever of the estimators encoded them."""

    def __init__(self) -> None:
        self._known: deque[_Encoding] = deque(maxlen=MOST_TRANSFORMS)

    def encode(self, estimator: Estimator, image: Tensor) -> Tensor:
        """The latent of a picture [1, 3, H, W] in -1 to 1; what is known in the same precision is not encoded again."""
        dtype = next(estimator.backbone.autoencoder.parameters()).dtype
        for one in self._known:
            if one.dtype == dtype and _equal(one.image, image):
                return one.latent
        self._known.append(_Encoding(image, dtype, estimator.encode_image(image)))
        return self._known[-1].latent


def shared(runtimes: Iterable[Runtime]) -> list[Encodings]:
    """For each runtime its encodings; those whose autoencoders are the same have one object together."""
    groups: list[tuple[Runtime, Encodings]] = []
    found = []
    for runtime in runtimes:
        known = next((encodings for other, encodings in groups if _encode_alike(other, runtime)), None)
        if known is None:
            known = Encodings()
            groups.append((runtime, known))
        found.append(known)
    return found


@torch.inference_mode()
def _encode_alike(one: Runtime, other: Runtime) -> bool:
    """The autoencoders have the same weights, and give the same latent (to the bit) for one small picture."""
    if one.plan != other.plan or one.estimator.backbone.stride != other.estimator.backbone.stride:
        return False
    weights, others = (runtime.estimator.backbone.autoencoder.state_dict() for runtime in (one, other))
    if weights.keys() != others.keys() or not all(_equal(weights[key], others[key]) for key in weights):
        return False
    side = PROBE_CELLS * one.estimator.backbone.stride
    picture = torch.linspace(-1, 1, 3 * side * side, device=one.plan.device).view(1, 3, side, side)
    return _equal(one.estimator.encode_image(picture), other.estimator.encode_image(picture))


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
