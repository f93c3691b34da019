"""Procedural surfaces: the look of every hit point from its packed material row (see `layout.py`)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from marigold.synth import layout, patterns, prints, tilings
from marigold.synth.noise import octaves
from marigold.synth.patterns import Look, Spot

PATTERNS = tuple(
    next(getattr(home, name) for home in (patterns, tilings, prints) if hasattr(home, name)) for name in layout.KINDS
)
"""A pure function of a `Spot` for each kind, in the order of `layout.KINDS`."""


@dataclass(frozen=True)
class Surface:
    """What light meets at each point.

    albedo [N, 3] linear base colour in 0 to 1; roughness [N, 1] and metallicity [N, 1] in 0 to 1; bump [N, 3] to add to
    the local unit normal before normalising; emission [N, 3] radiance, where 1 is a white surface in full light.
    """

    albedo: Tensor
    roughness: Tensor
    metallicity: Tensor
    bump: Tensor
    emission: Tensor


def evaluate(rows: Tensor, points: Tensor, normals: Tensor, footprint: Tensor) -> Surface:
    """The surface at N points; call it once for many points, because each kind costs a fixed number of kernels.

    `rows` [N, WIDTH] packed materials; `points` [N, 3] object-local positions in metres; `normals` [N, 3] object-local
    unit normals; `footprint` [N] metres per pixel at the hit. A point's result depends on its own arguments alone.
    Points are sorted by kind: one host synchronisation on a GPU.
    """
    kind = rows[:, layout.KIND].to(torch.uint8)
    order = kind.argsort(stable=True)
    counts = torch.bincount(kind, minlength=len(PATTERNS)).tolist()
    columns = torch.cat([rows, points, normals, footprint[:, None]], 1)[order].T.contiguous()
    parts = [paint(PATTERNS[i], part) for i, part in enumerate(columns.split(counts, 1)) if part.shape[1]]
    packed = columns.new_empty(len(points), 11)
    packed[order] = torch.cat(parts, 1).T if parts else packed
    return Surface(*packed.split((3, 1, 1, 3, 3), 1))


def paint(pattern, columns: Tensor) -> Tensor:
    """Albedo, roughness, metallicity, bump and emission [11, n] of points that share one pattern function.

    `columns` [WIDTH + 7, n]: the row, the point, the normal and the footprint. A pure function, fit for compilation.
    """
    spot = Spot(
        columns[: layout.WIDTH],
        columns[layout.WIDTH : layout.WIDTH + 3].unbind(0),
        columns[layout.WIDTH + 3 : layout.WIDTH + 6].unbind(0),
        columns[-1],
    )
    look = pattern(spot)
    albedo, rough = _age(spot, look)
    roughness = torch.lerp(spot[layout.ROUGH_LOW], spot[layout.ROUGH_HIGH], rough.clamp(0, 1))
    emission = look.glow * spot.colour(layout.GLOW)
    return torch.cat(
        [
            albedo.clamp(0.01, 0.95),
            roughness.clamp(0.03, 1)[None],
            spot[layout.METAL][None],
            _bump(spot, look),
            emission,
        ]
    )


def _age(spot: Spot, look: Look) -> tuple[Tensor, Tensor]:
    """Uneven tone, a drift of hue, and dirt, from two octaves of one noise."""
    drift, _ = octaves(spot.point, spot[layout.VARY_PERIOD], spot.footprint, spot.seed + 101, 2)
    tone, hue = drift * spot[layout.VARY], drift * spot[layout.HUE]
    gain = torch.stack([1 + tone + hue, 1 + tone, 1 + tone - hue])
    # The noise rarely leaves +-0.7, so a share of 0 is clean and a share of 1 is covered.
    level = 0.7 - 1.4 * spot[layout.DIRT_SHARE]
    dirt = ((drift - level) * 4 + 0.5).clamp(0, 1) * spot[layout.DIRT]
    return torch.lerp(look.albedo * gain, spot.colour(layout.DIRT_COLOUR), dirt), look.rough + dirt


def _bump(spot: Spot, look: Look) -> Tensor:
    """The tangential part of the downhill direction of the relief, limited to 45 degrees."""
    slope, normal = torch.stack(look.slope), torch.stack(spot.normal)
    slope = slope - normal * (slope * normal).sum(0)
    slope = -slope * spot[layout.RELIEF]
    return slope / slope.norm(dim=0).clamp(min=1)
