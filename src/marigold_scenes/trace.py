"""Casting rays at many solids: rays travel in groups, and a group is only tested against the solids it can reach.

A group is one square tile of the image. Three tests say which solids it can reach: the solid's outline on the image for
camera rays, a swept sphere against its box for shadow and reflection rays, a sphere for short ambient rays. All are
conservative, so the answer never depends on the grouping.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import shapes
from marigold_scenes.shapes import KINDS, MISS, PLANES

TILE = 16


@dataclass(frozen=True)
class Solids:
    """The solids of B scenes, padded to N and sorted by kind; `counts` is the padded number of each kind."""

    counts: tuple[int, ...]
    frame: Tensor
    """[B, N, 3, 4] rigid maps from the world to local metres."""
    half: Tensor
    """[B, N, 3] half the local bounding box in metres."""
    shape: Tensor
    """[B, N, SHAPE_WIDTH] packed forms."""

    @property
    def unit(self) -> Tensor:
        """[B, N, 3, 4] affine maps from the world to the cube -1 to 1."""
        return self.frame / self.half.unsqueeze(-1)


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


def tables(solids: Solids) -> Tables:
    """Prepares solids for `cast`."""
    unit = solids.unit
    maps, forms = [], []
    for kind, (frame, cube, shape) in enumerate(
        zip(*(x.split(solids.counts, 1) for x in (solids.frame, unit, solids.shape)), strict=True)
    ):
        if KINDS[kind] == "polytope":
            planes = shape.unflatten(-1, (PLANES, 4))
            own = planes[..., :3] @ cube
            used = torch.cat((own[..., :3], own[..., 3:] + planes[..., 3:]), -1)
        else:
            used = frame if KINDS[kind] == "round" else cube
        maps.append(used.flatten(0, 1).flatten(1).contiguous())
        forms.append(shape[..., :5].flatten(0, 1).contiguous())
    return Tables(solids.counts, unit, tuple(maps), tuple(forms))


def cast(table: Tables, owner: Tensor, origin: Tensor, direction: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """First hits of grouped rays: `t` [T, P] (`MISS` for none) and the solid's index [T, P] in its scene.

    `owner` [T] is the scene of each group, `origin` [T, 3, P or 1], `direction` [T, 3, P], `wanted` [T, N] bool the
    solids that a group may reach.
    """
    best = torch.full_like(direction[:, 0], MISS)
    index = torch.zeros_like(best, dtype=torch.int32)
    start = 0
    for kind, count in enumerate(table.counts):
        if count:
            mask = wanted[:, start : start + count]
            for groups, reach in _schedule(mask.sum(1), direction.shape[-1]):
                t, which = _test(table, kind, owner[groups], origin[groups], direction[groups], mask[groups], reach)
                nearer = t < best[groups]
                best[groups] = torch.where(nearer, t, best[groups])
                index[groups] = torch.where(nearer, which + start, index[groups])
        start += count
    return best, index


def _schedule(reach: Tensor, rays: int) -> Iterator[tuple[Tensor, int]]:
    """Groups of similar reach, and the most solids that any of them needs, in chunks that fit in cache or memory.

    One host synchronisation. On a GPU a few large chunks; the busiest groups, which are few, stay by themselves.
    """
    reach, order = reach.sort(descending=True)
    total = len(order)
    if reach.device.type == "cpu":
        budget, starts = 1 << 15, list(range(0, total, max(1, 2048 // rays)))
        ends = [total] * len(starts)
    else:
        budget, starts = 1 << 25, sorted({int(total * share) for share in (0.0, 0.03, 0.1, 0.25, 0.5)})
        ends = [*starts[1:], total]
    most = reach[starts].tolist()
    start = 0
    while start < total:
        place = bisect_right(starts, start) - 1
        if most[place] == 0:
            return
        end = min(ends[place], start + max(1, budget // (most[place] * rays)))
        yield order[start:end], most[place]
        start = end


def _test(
    table: Tables, kind: int, owner: Tensor, origin: Tensor, direction: Tensor, mask: Tensor, reach: int
) -> tuple[Tensor, Tensor]:
    chosen = mask.to(torch.uint8).topk(reach, dim=1, sorted=False).indices
    rows = (owner.unsqueeze(1) * table.counts[kind] + chosen).flatten()
    groups = len(owner)
    matrix = table.maps[kind][rows].view(groups, -1, 4)
    form = table.forms[kind][rows].view(groups, reach, 5, 1)
    local_direction = torch.bmm(matrix[..., :3], direction).unflatten(1, (reach, -1))
    local_origin = torch.baddbmm(matrix[..., 3:], matrix[..., :3], origin).unflatten(1, (reach, -1))
    t, slot = nearest[kind](local_origin, local_direction, form)
    return t, chosen.gather(1, slot).to(torch.int32)


_HITS = (
    lambda origin, direction, form: shapes.box(origin, direction),
    lambda origin, direction, form: shapes.polytope(origin, direction),
    shapes.quadric,
    shapes.leaves,
    shapes.round_solid,
)

Nearest = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _nearest(hits: Callable[..., Tensor]) -> Nearest:
    def nearest(origin: Tensor, direction: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        return hits(origin, direction, form).min(1)

    return nearest


nearest: list[Nearest] = [_nearest(hits) for hits in _HITS]
"""For each kind: the first hit [T, P] of every ray with K solids, and with which; `accel.compile` may replace them."""


def seen(
    solids: Solids, eye: Tensor, turn: Tensor, focal: Tensor, high: int, wide: int, width: int, height: int
) -> Tensor:
    """Which tiles each solid's bounding box may show in: [B, tiles, N] bool, for a pinhole of `focal` [B] pixels.

    The image is `width` by `height` pixels, padded to `wide` by `high`.
    """
    rotation, offset = solids.frame[..., :3], solids.frame[..., 3:]
    # Local axes and centre in camera axes: rows of the rigid map are the local axes in the world.
    axes = (rotation * solids.half.unsqueeze(-1)) @ turn.unsqueeze(1)
    centre = ((-(rotation.mT @ offset)).squeeze(-1) - eye.unsqueeze(1)) @ turn
    signs = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)], device=eye.device)
    corners = centre.unsqueeze(2) + signs @ axes
    ahead = -corners[..., 2]
    scale = focal.view(-1, 1, 1) / ahead.clamp_min(1e-3)
    x, y = corners[..., 0] * scale + width / 2, height / 2 - corners[..., 1] * scale
    crossing = (ahead < 1e-2).any(-1)
    present = (ahead > 1e-2).any(-1)
    big = 1e7
    left, right = torch.where(crossing, -big, x.amin(-1)), torch.where(crossing, big, x.amax(-1))
    top, bottom = torch.where(crossing, -big, y.amin(-1)), torch.where(crossing, big, y.amax(-1))
    tops = torch.arange(0, high, TILE, device=eye.device).view(1, -1, 1)
    lefts = torch.arange(0, wide, TILE, device=eye.device).view(1, -1, 1)
    rows = (bottom.unsqueeze(1) > tops - 0.5) & (top.unsqueeze(1) < tops + TILE + 0.5) & present.unsqueeze(1)
    columns = (right.unsqueeze(1) > lefts - 0.5) & (left.unsqueeze(1) < lefts + TILE + 0.5)
    return (rows.unsqueeze(2) & columns.unsqueeze(1)).flatten(1, 2)


def swept(table: Tables, centre: Tensor, half: Tensor, end: Tensor, end_half: Tensor) -> Tensor:
    """Which solids [B, G, N] may be touched by a box that moves from `centre` to `end` while its size changes.

    All [B, G, 3]; `half` and `end_half` are half the box's size along the world's axes at both ends.
    """
    start, extent = _local(table, centre, half)
    stop, last = _local(table, end, end_half)
    move, growth = stop - start, last - extent
    # Per axis the box covers the cube while |start + s move| <= extent + s growth: two half-lines of s.
    low, high = torch.zeros_like(start[..., 0]), torch.ones_like(start[..., 0])
    for axis in range(3):
        for sign in (1, -1):
            slope = sign * move[..., axis] - growth[..., axis]
            bound = (extent[..., axis] - sign * start[..., axis]) / torch.where(slope.abs() < 1e-9, 1e-9, slope)
            high = torch.where(slope > 0, torch.minimum(high, bound), high)
            low = torch.where(slope > 0, low, torch.maximum(low, bound))
    return low <= high


def around(table: Tables, centre: Tensor, half: Tensor) -> Tensor:
    """Which solids [B, G, N] may touch boxes around `centre` [B, G, 3] of half size `half` along the world's axes."""
    local, extent = _local(table, centre, half)
    return (local.abs() <= extent).all(-1)


def _local(table: Tables, centre: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes in the space of every solid, [B, G, N, 3]: their centre, and the cube's reach grown by their extent."""
    linear = table.unit[..., :3].flatten(1, 2)
    local = (centre @ linear.mT).unflatten(-1, (-1, 3)) + table.unit[..., 3].unsqueeze(1)
    return local, 1 + (half @ linear.abs().mT).unflatten(-1, (-1, 3))


def to_tiles(image: Tensor, side: int = TILE) -> Tensor:
    """Pictures [B, C, H, W], whose height and width are multiples of `side`, as groups [B * tiles, C, side * side]."""
    batch, channels, height, width = image.shape
    tiles = image.reshape(batch, channels, height // side, side, width // side, side)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side * side)


def from_tiles(groups: Tensor, height: int, width: int, side: int = TILE) -> Tensor:
    """The inverse of `to_tiles`."""
    rows, columns = height // side, width // side
    tiles = groups.view(-1, rows, columns, groups.shape[1], side, side)
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(-1, groups.shape[1], height, width)
