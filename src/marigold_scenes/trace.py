"""Casting rays at many solids: rays travel in groups, and a group is only tested against the solids it can reach.

A group is one square tile of the picture; `culling` says which solids it can reach. The answer depends neither on the
grouping nor on the other scenes of a batch: of solids that are hit at one distance, the first of its scene counts.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes.hit_tests import HIT_TESTS
from marigold_scenes.shapes import KINDS, MISS, PLANES


@dataclass(frozen=True)
class Solids:
    """The solids of B scenes, padded to N and sorted by kind; `counts` is the padded number of each kind."""

    counts: tuple[int, ...]
    to_local: Tensor
    """[B, N, 3, 4] rigid maps from the world to local metres."""
    half: Tensor
    """[B, N, 3] half the local bounding box in metres."""
    shape: Tensor
    """[B, N, SHAPE_WIDTH] packed forms."""

    @property
    def unit(self) -> Tensor:
        """[B, N, 3, 4] affine maps from the world to the cube -1 to 1."""
        return self.to_local / self.half.unsqueeze(-1)


@dataclass(frozen=True)
class Tables:
    """What the tests of each kind read, gathered by solid: one row per solid of the whole batch."""

    counts: tuple[int, ...]
    unit: Tensor
    """[B, N, 3, 4]."""
    maps: tuple[Tensor, ...]
    """Per kind [B * count, rows * 4]: the affine map into the space that the test works in."""
    forms: tuple[Tensor, ...]
    """Per kind [B * count, 5]: the first numbers of the form."""


@dataclass(frozen=True)
class Rays:
    """T groups of P rays `origin + t * direction` in world axes."""

    owner: Tensor
    """[T] the scene of each group."""
    origin: Tensor
    """[T, 3, P], or [T, 3, 1] for rays from one point."""
    direction: Tensor
    """[T, 3, P]."""

    def only(self, groups: Tensor) -> "Rays":
        """Some of the groups."""
        return Rays(self.owner[groups], self.origin[groups], self.direction[groups])


def tables(solids: Solids) -> Tables:
    """Prepares solids for `cast`."""
    unit = solids.unit
    maps, forms = [], []
    by_kind = zip(*(x.split(solids.counts, 1) for x in (solids.to_local, unit, solids.shape)), strict=True)
    for name, (to_local, cube, shape) in zip(KINDS, by_kind, strict=True):
        used = _half_spaces(shape, cube) if name == "polytope" else to_local if name == "round" else cube
        # [B, count, rows, 4] => [B * count, rows * 4]
        maps.append(used.flatten(0, 1).flatten(1).contiguous())
        forms.append(shape[..., :5].flatten(0, 1).contiguous())
    return Tables(solids.counts, unit, tuple(maps), tuple(forms))


def _half_spaces(shape: Tensor, cube: Tensor) -> Tensor:
    """Maps [B, N, 8, 4] from the world to the values of the half-spaces n . x + d of polytopes."""
    # [B, N, 8, 4]: (n, d) in the space of the cube
    planes = shape.unflatten(-1, (PLANES, 4))
    # n . (A x + b) + d = (n A) . x + (n . b + d)
    own = planes[..., :3] @ cube
    return torch.cat((own[..., :3], own[..., 3:] + planes[..., 3:]), -1)


def cast(table: Tables, rays: Rays, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """First hits: `t` [T, P] (`MISS` for none) and the index [T, P] of the solid in its scene.

    `wanted` [T, N] bool says which solids a group may reach.
    """
    best = torch.full_like(rays.direction[:, 0], MISS)
    index = torch.zeros_like(best, dtype=torch.int32)
    start = 0
    for kind, count in enumerate(table.counts):
        if count:
            # [T, count]
            mask = wanted[:, start : start + count]
            for groups, reach in _schedule(mask.sum(1), rays.direction.shape[-1]):
                t, which = _test(table, kind, rays.only(groups), mask[groups], reach)
                nearer = t < best[groups]
                best[groups] = torch.where(nearer, t, best[groups])
                index[groups] = torch.where(nearer, which + start, index[groups])
        start += count
    return best, index


def _schedule(reach: Tensor, rays: int) -> Iterator[tuple[Tensor, int]]:
    """Groups of similar reach, and the most solids that any of them needs, in chunks that fit in cache or memory.

    Groups that reach nothing are left out. One host synchronisation. On a GPU a few large chunks; the busiest groups,
    which are few, stay by themselves.
    """
    reach, order = reach.sort(descending=True)
    total = len(order)
    if reach.device.type == "cpu":
        budget, starts = 1 << 15, list(range(0, total, max(1, 2048 // rays)))
        ends = [total] * len(starts)
    else:
        budget, starts = 1 << 25, sorted({int(total * share) for share in (0.0, 0.03, 0.1, 0.25, 0.5)})
        ends = [*starts[1:], total]
    *most, busy = torch.cat((reach[starts], reach.count_nonzero().view(1))).tolist()
    start = 0
    while start < busy:
        place = bisect_right(starts, start) - 1
        end = min(busy, ends[place], start + max(1, budget // (most[place] * rays)))
        yield order[start:end], most[place]
        start = end


def _test(table: Tables, kind: int, rays: Rays, mask: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """First hits [T, P] with solids of one kind, and their index among these.

    A group wants at least one and at most `reach` of them.
    """
    chosen = _chosen(mask, reach)
    rows = (rays.owner.unsqueeze(1) * table.counts[kind] + chosen).flatten()
    # [T, K, rows, 4] affine maps, and [T, K, 5, 1] forms
    matrix = table.maps[kind][rows].view(*chosen.shape, -1, 4)
    form = table.forms[kind][rows].view(*chosen.shape, 5, 1)
    t, slot = HIT_TESTS[kind](matrix, form, rays.origin, rays.direction)
    # [T, P]: from the slot among the chosen to the solid
    return t, chosen.gather(1, slot).to(torch.int32)


def _chosen(mask: Tensor, reach: int) -> Tensor:
    """The indexes [T, reach] of the solids that each group wants, in order; the first of them fills up the rest.

    `mask` [T, N] bool, with 1 to `reach` wanted.
    """
    places = torch.where(mask, mask.cumsum(1) - 1, reach)
    first = mask.to(torch.uint8).argmax(1, keepdim=True)
    numbers = torch.arange(mask.shape[1], device=mask.device).expand_as(places)
    # What is not wanted goes to a place past the end.
    return first.repeat(1, reach + 1).scatter_(1, places, numbers)[:, :reach]
