"""Procedural surfaces: the texture of every hit point from its packed material row (see `layout.py`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.noise import octaves
from marigold_scenes.patterns import cloth, masonry, prints, solid, wood
from marigold_scenes.patterns.texture import Texture, TexturePoints

Pattern = Callable[[TexturePoints], Texture]

PATTERNS: tuple[Pattern, ...] = (
    *(solid.plain, solid.noise, solid.ridged, solid.pebbles, solid.foliage, wood.wood),
    *(masonry.masonry, masonry.facade),
    *(cloth.stripes, cloth.checks, cloth.weave, cloth.dots, cloth.ornament),
    *(prints.scenery, prints.blocks, prints.lettering, prints.portrait),
)
"""The kinds of pattern: a row's KIND is an index into this tuple."""

PATTERN_NAMES = tuple(pattern.__name__ for pattern in PATTERNS)

SURFACE_CHANNELS = (3, 1, 1, 3, 3)
"""Albedo, roughness, metallicity, bump, emission."""

_WIDTH = sum(SURFACE_CHANNELS)

CACHED_POINTS = 8192
"""Points evaluated at a time on a CPU, so that all that lies between two kernels stays in its cache."""


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
    # [WIDTH + 7, N] columns, sorted by kind, so that each pattern gets a run of them
    kind = rows[:, layout.KIND].to(torch.uint8)
    order = kind.argsort(stable=True)
    counts = torch.bincount(kind, minlength=len(PATTERNS)).tolist()
    columns = torch.cat([rows, points, normals, footprint[:, None]], 1).index_select(0, order).T.contiguous()
    runs = zip(PATTERNS, columns.split(counts, 1), strict=True)
    results = [torch.empty_like(columns[:_WIDTH, :0])]
    results += [textured(pattern, chunk) for pattern, run in runs for chunk in _chunks(run)]
    # [11, N] => [N, 11] in the order of the arguments
    packed = torch.empty_like(columns[:_WIDTH].T).index_copy_(0, order, torch.cat(results, 1).T)
    return Surface(*packed.split(SURFACE_CHANNELS, 1))


def _chunks(columns: Tensor) -> Iterator[Tensor]:
    size = CACHED_POINTS if columns.device.type == "cpu" else max(columns.shape[1], 1)
    return (chunk for chunk in columns.split(size, 1) if chunk.shape[1])


def textured(pattern: Pattern, columns: Tensor) -> Tensor:
    """Albedo, roughness, metallicity, bump and emission [11, N] of points that share one pattern function.

    `columns` [WIDTH + 7, N]: the row, the point, the normal and the footprint. A pure function, fit for compilation.
    """
    row, point, normal, footprint = columns.split((layout.WIDTH, 3, 3, 1))
    points = TexturePoints(row, point, normal, footprint[0].clamp(min=1e-6))
    texture = pattern(points)
    albedo, rough = _age(points, texture)
    roughness = torch.lerp(points[layout.ROUGH_LOW], points[layout.ROUGH_HIGH], rough.clamp(0, 1)).clamp(0.03, 1)
    emission = texture.glow * points.colour(layout.GLOW)
    return torch.cat(
        [albedo.clamp(0.01, 0.95), roughness[None], points[layout.METAL][None], _bump(points, texture), emission]
    )


def _age(points: TexturePoints, texture: Texture) -> tuple[Tensor, Tensor]:
    """Albedo [3, N] and gloss [N] with uneven tone, a drift of hue, and dirt, all from three octaves of one noise."""
    drift, _ = octaves(points.point, points[layout.VARY_PERIOD], points.footprint, points.seed + 101, 3, 0.6)
    tone, hue = drift * points[layout.VARY], drift * points[layout.HUE]
    gain = 1 + torch.stack([tone + hue, tone, tone - hue])
    # The noise rarely leaves +-0.7, so a share of 0 is clean and a share of 1 is covered.
    level = 0.7 - 1.4 * points[layout.DIRT_SHARE]
    dirt = ((drift - level) * 1.6 + 0.3).clamp(0, 1) * points[layout.DIRT]
    return torch.lerp(texture.albedo * gain, points.colour(layout.DIRT_COLOUR), dirt), texture.rough + dirt * 0.7


def _bump(points: TexturePoints, texture: Texture) -> Tensor:
    """The tangential part [3, N] of the downhill direction of the relief, limited to 45 degrees."""
    if texture.slope is None:
        return torch.zeros_like(points.normal)
    # s - (s . n) n
    slope = texture.slope - points.normal * (texture.slope * points.normal).sum(0)
    relief = points[layout.RELIEF]
    return slope * (-relief / (relief * (slope * slope).sum(0).sqrt()).clamp(min=1))
