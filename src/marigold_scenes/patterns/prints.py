"""Flat pictures around the object's origin: landscapes, blocks of colour, text, portraits."""

import torch
from torch import Tensor

from marigold_scenes import layout
from marigold_scenes.hashing import byte, three_bytes
from marigold_scenes.noise import fade, octaves
from marigold_scenes.patterns.plane import band, cell_bits, flat
from marigold_scenes.patterns.texture import Texture, TexturePoints, blend


def scenery(points: TexturePoints) -> Texture:
    """A view: sky A over B, hills of C behind hills of D."""
    u, v, width, bits = _in_picture(points)
    rough, _ = _brush(points, u, v, width, 0.5)
    albedo = blend(points.colour(layout.COLOUR_B), points.colour(layout.COLOUR_A), v + 0.5 + rough * 0.6)
    # Two lines of hills, each a noise of u, the nearer one lower
    for layer, (colour, low) in enumerate(((layout.COLOUR_C, 0.1), (layout.COLOUR_D, -0.15))):
        profile = torch.stack([u, torch.full_like(u, layer * 3.0), byte(bits, layer)])
        ridge, _ = octaves(profile, torch.full_like(u, 0.8), width, points.seed + 2 + layer, 2)
        height = low + (byte(bits, layer) - 0.5) * 0.4 + ridge * 0.3
        albedo = blend(albedo, points.colour(colour) * (1 + rough), (height - v) / width.clamp(min=0.01) + 0.5)
    return _seen(points, albedo, (0.2, 0.2, 0.2, 0.4))


def blocks(points: TexturePoints) -> Texture:
    """An abstract print: four colours in rectangles of uneven sizes. P0: rectangles across."""
    u, v, _, _ = _in_picture(points)
    count = points[layout.P0]
    # Uneven rectangles: a grid bent by sines, its rows shifted at random
    uneven_u, uneven_v = u + 0.08 * torch.sin(u * 9), v + 0.08 * torch.sin(v * 7 + 1)
    row = torch.floor(uneven_v * count)
    column = torch.floor(uneven_u * count + byte(cell_bits(row, row, points.seed), 0))
    pick = byte(cell_bits(row, column, points.seed), 0)
    albedo = points.colour(layout.COLOUR_A)
    for colour, share in ((layout.COLOUR_B, 0.55), (layout.COLOUR_C, 0.35), (layout.COLOUR_D, 0.12)):
        albedo = blend(albedo, points.colour(colour), (pick < share).float())
    return _seen(points, albedo, (0.45, 0.2, 0.23, 0.12), 0.7 / count)


def lettering(points: TexturePoints) -> Texture:
    """A page or cover: paper A, ink B, a title in C, a picture box in D. P0: lines to the page; P1: share of ink."""
    u, v, width, bits = _in_picture(points)
    top, low, right = three_bytes(bits)
    paper, ink, accent, box = points.palette()
    lines = points[layout.P0]
    # Lines of words inside the margins
    text = _words(u, v, lines, width, points.seed) * band(u, -0.4, 0.4, width) * band(v, -0.44, 0.44, width)
    albedo = blend(paper, ink, text * points[layout.P1])
    top = 0.1 + 0.2 * top
    heading = band(v, top, top + 0.24, width) * band(u, -0.42, 0.42, width)
    title = _words(u, v - top, torch.full_like(v, 8.0), width, points.seed + 11)
    albedo = blend(albedo, blend(paper, accent, title), heading)
    low = -0.45 + 0.2 * low
    printed = band(u, -0.4, right * 0.5 - 0.1, width) * band(v, low, low + 0.35, width)
    rough, _ = _brush(points, u, v, width, 0.15)
    return _seen(points, blend(albedo, box * (1 + rough), printed), (0.65, 0.15, 0.05, 0.15))


def portrait(points: TexturePoints) -> Texture:
    """A few soft shapes before a shaded ground: ground A, shapes B, C, D."""
    u, v, width, bits = _in_picture(points)
    rough, gradient = _brush(points, u, v, width, 0.4)
    u, v = u + gradient[0] * 0.012, v + gradient[1] * 0.012
    albedo = points.colour(layout.COLOUR_A) * (1 + 0.5 * v + rough * 0.5)
    for index, (colour, at, wide, high) in enumerate(
        ((layout.COLOUR_B, -0.4, 0.34, 0.3), (layout.COLOUR_C, 0.07, 0.17, 0.22), (layout.COLOUR_D, 0.24, 0.18, 0.09))
    ):
        stray = (byte(bits, index) - 0.5) * 0.12
        # An ellipse: shaded from the upper left, its edge a pixel wide
        radius = (((u - stray) / wide).square() + ((v - at) / high).square()).sqrt()
        shaded = points.colour(colour) * (1 + rough * 0.6 + 0.8 * (v - at - u + stray))
        albedo = blend(albedo, shaded, (1 - radius) / (width / wide + 0.05) + 0.5)
    return _seen(points, albedo, (0.57, 0.27, 0.11, 0.05))


def _seen(
    points: TexturePoints, albedo: Tensor, shares: tuple[float, float, float, float], period: Tensor | float = 1.0
) -> Texture:
    """A print that melts into its colours by their shares where `period` (in pictures) is too small to see.

    A print that glows does so in its colours.
    """
    mean = torch.stack([colour * share for colour, share in zip(points.palette(), shares, strict=True)]).sum(0)
    albedo = torch.lerp(mean, albedo, fade(period, points.footprint / points[layout.PERIOD]))
    return Texture(albedo, glow=albedo)


def _in_picture(points: TexturePoints) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Coordinates in the picture (0 in its middle, +-0.5 at its sides), the footprint in them, and a hash of it."""
    # In pictures: the nearest picture's middle is the origin.
    face = flat(points)
    u, v = face.u / points[layout.PERIOD], face.v / (points[layout.PERIOD] * points[layout.ASPECT])
    column, row = torch.floor(u + 0.5), torch.floor(v + 0.5)
    return u - column, v - row, points.footprint / points[layout.PERIOD], cell_bits(column, row, points.seed)


def _brush(points: TexturePoints, u: Tensor, v: Tensor, width: Tensor, period: float) -> tuple[Tensor, Tensor]:
    """The noise of brush strokes or of a photograph's texture."""
    plane = torch.stack([u, v, torch.zeros_like(u)])
    return octaves(plane, torch.full_like(u, period), width, points.seed + 1, 3, 0.6)


def _words(u: Tensor, v: Tensor, lines: Tensor, width: Tensor, seed: Tensor) -> Tensor:
    """Coverage [N] of lines of words made of strokes."""
    row = torch.floor(v * lines)
    body = band(v * lines - row, 0.25, 0.75, width * lines)
    word = (byte(cell_bits(torch.floor(u * lines * 0.45), row, seed), 0) > 0.15).float()
    stroke = byte(cell_bits(torch.floor(u * lines * 4), row, seed + 1), 1)
    fine = 0.6 + (stroke - 0.5) * 0.9 * fade(0.25 / lines, width)
    return torch.lerp(torch.full_like(u, 0.25), body * word * fine, fade(1 / lines, width))
