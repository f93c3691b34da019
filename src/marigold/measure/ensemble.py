"""Merges several predictions that are each right up to their own scale and shift.

Every member is modelled as `member = scale * common + shift + noise`. The common map and the members' parameters are
found in turn: the median of the aligned members, then a robust closed-form fit of every member to it. The common map
is pinned by two quantiles of itself, so nothing can collapse or drift, and a member's scale stays within a factor of
`SLACK` of its own quantile range, so an outlier can neither blow up nor turn around. A member that stays much farther
from the common map than is usual gives way to the mean of the others. Every step is a continuous function of the
members: their order does not matter, and small changes stay small.
"""

import torch
from torch import Tensor

from marigold.core.choices import Reduction
from marigold.measure.quantiles import deviation, masked_quantiles, median

ROUNDS = 10
"""Alternations; members that differ by curves and noise as well are within 1e-4 of the limit by then."""
POINTS = 16384
"""The fit looks at a regular grid of about this many pixels."""
ANCHORS = (0.05, 0.95)
"""The quantiles that pin a map's scale and shift."""
SLACK = 2.0
"""A member's fitted scale lies within this factor of what its own quantiles say."""
TOLERANCE = 0.05
"""Residuals beyond this share of the range count less and less."""
USUAL, ODD = 1.5, 3.0
"""A member that is off by `USUAL` times what is usual counts in full, from `ODD` times on not at all."""
LEAST_SPREAD = 0.005
"""Members that are off by no more than this share of the range are never odd."""
LEAST_RANGE = 1e-3
"""A map whose anchors are closer than this is treated as constant."""


def merge_affine(
    members: Tensor, *, scale: bool = True, shift: bool = True, reduction: Reduction = "median"
) -> tuple[Tensor, Tensor]:
    """The median of the aligned members and the median of all members' distances to it, both [H, W].

    Or, with `reduction` "mean", the mean of those that count and the standard deviation of all.

    `members` is [E, H, W] in 0 to 1; the result is in 0 to 1 too, on the members' typical (median) scale and shift, so
    that equal members are returned as they are. `scale` and `shift` say which of the two each member may have of its
    own; without both it is the plain median.
    """
    if len(members) == 1:
        return members[0], torch.zeros_like(members[0])
    if not (scale or shift):
        return _merged(members, torch.ones(len(members), device=members.device), reduction)
    gain, offset, weight = _joint_fit(_subsampled(members), scale=scale, shift=shift)
    aligned = members * gain.to(members.dtype)[:, None, None] + offset.to(members.dtype)[:, None, None]
    return _merged(aligned, weight, reduction)


def _merged(aligned: Tensor, weight: Tensor, reduction: Reduction) -> tuple[Tensor, Tensor]:
    """Aligned members [E, H, W] that count by `weight` [E], merged and clipped to 0 to 1, and their deviation."""
    if reduction == "mean":
        return _mean(aligned, weight).clamp(0, 1), deviation(aligned)
    merged = _consensus(aligned, weight)
    return merged.clamp(0, 1), median((aligned - merged).abs())


def _subsampled(members: Tensor) -> Tensor:
    """About `POINTS` pixels of every member, [E, P], float64 where the device has it."""
    height, width = members.shape[-2:]
    step = max(1, round((height * width / POINTS) ** 0.5))
    points = members[:, step // 2 :: step, step // 2 :: step].flatten(1)
    return points.float() if points.device.type == "mps" else points.double()


def _joint_fit(members: Tensor, *, scale: bool, shift: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The gain and offset, [E] each, that bring every member [E, P] onto the common map at its typical scale.

    And how much each member counts, [E] in 0 to 1.
    """
    low, high = _anchors(members, shift)
    typical = (high - low)[:, None] if scale else torch.ones_like(low)[:, None]
    own_scale, own_shift = typical, low[:, None]
    weight = torch.ones_like(low)
    for _ in range(ROUNDS):
        aligned = (members - own_shift) / own_scale
        common = _consensus(aligned, weight)
        weight = _weights(aligned, common)
        trust = 1 / (1 + ((aligned - common) / TOLERANCE).square())
        common = _pinned(common, scale, shift)
        own_scale, own_shift = _fit(members, common, trust, typical, scale=scale, shift=shift)
    # The common map is 0 and 1 at its anchors, so these are what the members show there.
    bottom = median(own_shift) if shift else own_shift[0]
    top = median(own_shift + own_scale)
    gain = (top - bottom) / own_scale
    return gain[:, 0], (bottom - gain * own_shift)[:, 0], weight


def _weights(aligned: Tensor, common: Tensor) -> Tensor:
    """How much each member [E, P] counts, [E] in 0 to 1, by its mean distance to the common map [P]."""
    spread = (aligned - common).abs().mean(dim=1)
    usual = median(spread).clamp(min=LEAST_SPREAD)
    return ((ODD - spread / usual) / (ODD - USUAL)).clamp(0, 1)


def _consensus(aligned: Tensor, weight: Tensor) -> Tensor:
    """The median of members [E, ...]; one that counts less is moved towards the mean of those that count."""
    return median(torch.lerp(_mean(aligned, weight), aligned, _like(weight, aligned)))


def _mean(aligned: Tensor, weight: Tensor) -> Tensor:
    return (aligned * _like(weight, aligned)).sum(dim=0) / weight.to(aligned.dtype).sum()


def _like(weight: Tensor, aligned: Tensor) -> Tensor:
    """Weights [E] that multiply members [E, ...]."""
    return weight.to(aligned.dtype).view(-1, *[1] * (aligned.ndim - 1))


def _anchors(maps: Tensor, shift: bool) -> tuple[Tensor, Tensor]:
    """The two values that pin each map [..., P]: two quantiles, the lower being 0 when maps have no shift."""
    low, high = masked_quantiles(maps, torch.ones_like(maps, dtype=torch.bool), ANCHORS)
    low = low if shift else torch.zeros_like(low)
    return low, torch.maximum(high, low + LEAST_RANGE)


def _pinned(common: Tensor, scale: bool, shift: bool) -> Tensor:
    low, high = _anchors(common, shift)
    return (common - low) / (high - low) if scale else common - low


def _fit(
    members: Tensor, common: Tensor, trust: Tensor, typical: Tensor, *, scale: bool, shift: bool
) -> tuple[Tensor, Tensor]:
    """Scale and shift, [E, 1] each, of `member = scale * common + shift` by weighted least squares."""
    total = trust.sum(dim=1, keepdim=True)
    mean_x = (trust * common).sum(dim=1, keepdim=True) / total if shift else torch.zeros_like(total)
    mean_y = (trust * members).sum(dim=1, keepdim=True) / total if shift else torch.zeros_like(total)
    own_scale = typical
    if scale:
        away = trust * (common - mean_x)
        variance = (away * (common - mean_x)).sum(dim=1, keepdim=True)
        covariance = (away * (members - mean_y)).sum(dim=1, keepdim=True)
        own_scale = covariance / variance.clamp(min=torch.finfo(variance.dtype).tiny)
        own_scale = torch.minimum(torch.maximum(own_scale, typical / SLACK), typical * SLACK)
    return own_scale, mean_y - own_scale * mean_x
