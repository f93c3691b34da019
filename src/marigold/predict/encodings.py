"""Estimators that share an autoencoder encode a photo, and every view of it, once."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from marigold.estimator import Estimator
from marigold.predict.augmentation import MOST_VIEWS
from marigold.predict.predictor import Predictor

PROBE_CELLS = 4
"""The side, in latent cells, of the picture that tells whether two autoencoders encode alike."""


def share_encodings(predictors: Iterable[Predictor]) -> None:
    """Lets predictors whose autoencoders are the same remember the last encoded pictures together.

    Each keeps its own autoencoder, so that one of them may change its precision.
    """
    for group in _groups(predictors):
        if len(group) > 1:
            _share([predictor.estimator for predictor in group])


def _groups(predictors: Iterable[Predictor]) -> list[list[Predictor]]:
    """Groups of predictors that encode alike."""
    groups: list[list[Predictor]] = []
    for predictor in predictors:
        group = next((group for group in groups if _encode_alike(group[0], predictor)), None)
        if group:
            group.append(predictor)
        else:
            groups.append([predictor])
    return groups


@torch.inference_mode()
def _encode_alike(one: Predictor, other: Predictor) -> bool:
    """The autoencoders have the same weights, and give the same latent (to the bit) for one small picture."""
    if one.plan != other.plan or one.estimator.backbone.stride != other.estimator.backbone.stride:
        return False
    weights, others = (predictor.estimator.backbone.autoencoder.state_dict() for predictor in (one, other))
    if weights.keys() != others.keys() or not all(_equal(weights[key], others[key]) for key in weights):
        return False
    side = PROBE_CELLS * one.estimator.backbone.stride
    picture = torch.linspace(-1, 1, 3 * side * side, device=one.plan.device).view(1, 3, side, side)
    return _equal(one.estimator.encode_image(picture), other.estimator.encode_image(picture))


def _share(estimators: Sequence[Estimator]) -> None:
    known: deque[_Encoding] = deque(maxlen=MOST_VIEWS)
    for estimator in estimators:
        encode = partial(_encode, known, estimator.encode_image, estimator.backbone.autoencoder)
        estimator.encode_image = encode  # type: ignore[method-assign]


@dataclass(frozen=True)
class _Encoding:
    """A picture [1, 3, H, W] that was encoded, the number type that it was encoded in, and its latent."""

    image: Tensor
    dtype: torch.dtype
    latent: Tensor


def _encode(
    known: deque[_Encoding], encode: Callable[[Tensor], Tensor], autoencoder: nn.Module, image: Tensor
) -> Tensor:
    """The latent of the picture; only what is none of the known pictures in the same precision is encoded."""
    dtype = next(autoencoder.parameters()).dtype
    for one in known:
        if one.dtype == dtype and _equal(one.image, image):
            return one.latent
    known.append(_Encoding(image, dtype, encode(image)))
    return known[-1].latent


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
