"""Merges ensembles as the public implementations of Marigold do, for comparison with them.

The modalities merge otherwise (`measure/ensemble.py` for depth). The alignment of depth here is a gradient search over
differences that single precision rounds away: it stays close to its start, and a change of its input in the seventh
digit can change its result in the second. It is kept as it is because results are compared with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.choices import Reduction
from marigold.core.errors import ConfigError, MissingExtraError
from marigold.modalities.base import Modality

PULL = 0.02
"""The weight of the merged map's range in what the search minimises."""
LONGEST = 1024
"""The search looks at members of at most this many pixels on the longest side."""
LEAST_RANGE = 1e-6


@dataclass(frozen=True)
class Search:
    """When the search for the members' scales and shifts stops."""

    iterations: int
    tolerance: float


DIFFUSERS, OFFICIAL = Search(2, 1e-3), Search(50, 1e-6)
"""The defaults of diffusers' pipeline and of the official code."""


def merge(
    modality: Modality, values: Tensor, search: Search, reduction: Reduction | None = None
) -> tuple[Tensor, Tensor]:
    """Members [E, C, H, W] to the merged values [C, H, W] and their uncertainty [1, H, W]; one is left as it is.

    Directions by the closest to their mean or the mean itself, depth after the search for scales and shifts, all else
    by the median or the mean. `reduction` None is the modality's own.
    """
    if len(values) == 1:
        return values[0], torch.zeros_like(values[0, :1])
    values, chosen = values.float(), reduction or modality.reduction
    meanings = {modality.meaning(output) for output in modality.outputs}
    if meanings == {"direction"}:
        return merge_directions(values, chosen)
    if meanings == {"metric"}:
        open_ = modality.ambiguity
        merged, deviation = merge_depth(values[:, 0], search, scale=open_.scale, shift=open_.shift, reduction=chosen)
        return merged[None], deviation[None]
    merged, deviation = merge_values(values, chosen)
    return merged, deviation.mean(dim=0, keepdim=True)


def merge_depth(
    members: Tensor, search: Search, *, scale: bool, shift: bool, reduction: Reduction = "median"
) -> tuple[Tensor, Tensor]:
    """Aligned members [E, H, W], merged and stretched to 0 to 1, and their deviation.

    Both are [H, W]. Without `shift` the result is divided by its maximum. Members without `scale` and `shift`, which
    the public implementations refuse, are merged as they are. Raises `ConfigError` for a shift without a scale, and
    `MissingExtraError` without scipy.
    """
    if shift and not scale:
        raise ConfigError("compat: members that share their scale cannot be merged by this method; leave compat out")
    if not scale:
        return merge_values(members, reduction)
    aligned = _aligned(members, _found(members, search, shift, reduction))
    merged, deviation = merge_values(aligned, reduction)
    low = merged.min() if shift else torch.zeros_like(merged.min())
    extent = (merged.max() - low).clamp(min=LEAST_RANGE)
    return (merged - low) / extent, deviation / extent


def merge_directions(members: Tensor, reduction: Reduction = "closest") -> tuple[Tensor, Tensor]:
    """Of the unit vectors [E, 3, H, W] at each pixel the one closest to their mean, or the mean, [3, H, W].

    Of equally close ones the first. With it the mean angle to the mean direction [1, H, W], as a share of 180 degrees.
    """
    mean = F.normalize(members.mean(dim=0, keepdim=True), dim=1, eps=LEAST_RANGE)
    cosine = (mean * members).sum(dim=1, keepdim=True).clamp(-1, 1)
    uncertainty = cosine.arccos().mean(dim=0) / torch.pi
    if reduction == "mean":
        return mean[0], uncertainty
    closest = cosine.argmax(dim=0, keepdim=True).expand(-1, 3, -1, -1)
    return members.gather(0, closest)[0], uncertainty


def merge_values(members: Tensor, reduction: Reduction = "median") -> tuple[Tensor, Tensor]:
    """Over the first dimension: the median and the median absolute deviation, of two middle values the lower.

    Or the mean and the standard deviation.
    """
    if reduction == "mean":
        return members.mean(dim=0), members.std(dim=0)
    merged = members.median(dim=0).values
    return merged, (members - merged).abs().median(dim=0).values


def _found(members: Tensor, search: Search, shift: bool, reduction: Reduction) -> np.ndarray:
    """The scales of the members, [E], and after them, with `shift`, their shifts."""
    looked_at = _no_longer_than(members, LONGEST)
    found = _minimizer()(
        lambda guess: _cost(looked_at, guess, reduction),
        _start(looked_at, shift),
        method="BFGS",
        tol=search.tolerance,
        options={"maxiter": search.iterations},
    )
    return found.x


def _start(members: Tensor, shift: bool) -> np.ndarray:
    """What brings every member to 0 to 1, or its maximum to 1."""
    high = members.flatten(1).amax(dim=1)
    if not shift:
        return (1 / high.clamp(min=LEAST_RANGE)).cpu().double().numpy()
    low = members.flatten(1).amin(dim=1)
    gain = 1 / (high - low).clamp(min=LEAST_RANGE)
    return torch.cat([gain, -gain * low]).cpu().double().numpy()


def _aligned(members: Tensor, found: np.ndarray) -> Tensor:
    # The parameters are rounded to the members' precision: that is what stops the search.
    gain, *offset = torch.from_numpy(found).to(members.dtype).to(members.device).view(-1, len(members), 1, 1)
    return members * gain + offset[0] if offset else members * gain


def _cost(members: Tensor, found: np.ndarray, reduction: Reduction) -> float:
    """The root mean square differences of all pairs, summed, and how far the merged map is from 0 to 1."""
    aligned = _aligned(members, found)
    differences = sum((a - b).square().mean().sqrt().item() for a, b in combinations(aligned, 2))
    merged, _ = merge_values(aligned, reduction)
    return differences + PULL * (merged.min().abs().item() + (1 - merged.max()).abs().item())


def _no_longer_than(members: Tensor, most: int) -> Tensor:
    height, width = members.shape[-2:]
    longest = max(height, width)
    if longest <= most:
        return members
    return F.interpolate(members[None], (height * most // longest, width * most // longest), mode="nearest-exact")[0]


def _minimizer() -> Callable[..., Any]:
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise MissingExtraError("scipy", "eval", "merging depth as other implementations do") from None
    return minimize
