"""The latents of photos, kept for estimators that share an autoencoder: each input is encoded once."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.accel.runtime import Runtime

PROBE_CELLS = 4
"""The side, in latent cells, of the picture that tells whether two autoencoders encode alike."""


@dataclass(frozen=True)
class _Encoding:
    """The latents [B, C, h, w] of photos, which are kept so that no others can be taken for them."""

    photos: tuple[Tensor, ...]
    latents: Tensor


class Encodings:
    """The latents of the photos of one call, whichever of the estimators encoded them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Encoding] = {}

    def get(self, photos: Sequence[Tensor], how: Hashable, encode: Callable[[], Tensor]) -> Tensor:
        """The latents of these very tensors, seen and encoded in the way `how`; `encode` makes those not known yet."""
        key = (tuple(map(id, photos)), how)
        if key not in self._known:
            self._known[key] = _Encoding(tuple(photos), encode())
        return self._known[key].latents


def shared(runtimes: Iterable[Runtime]) -> list[int]:
    """For each runtime the number of its group: those of one number have the same autoencoder."""
    groups: list[Runtime] = []
    found = []
    for runtime in runtimes:
        known = (number for number, other in enumerate(groups) if _encode_alike(other, runtime))
        number = next(known, len(groups))
        if number == len(groups):
            groups.append(runtime)
        found.append(number)
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
