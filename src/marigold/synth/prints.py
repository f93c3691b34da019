"""Flat pictures that fill a frame around the object's origin: landscapes, blocks of colour, text, portraits."""

import torch
from torch import Tensor

from marigold.synth import layout
from marigold.synth.noise import fade, octaves
from marigold.synth.patterns import Look, Spot, blend
from marigold.synth.plane import band, byte, cell_bits
from marigold.synth.tilings import flat


def scenery(spot: Spot) -> Look:
    """A painted view: sky A to B, hills of C behind hills of D."""
    u, v, width, bits = _frame(spot)
    rough, _ = octaves((u, v, torch.zeros_like(u)), torch.full_like(u, 0.6), width, spot.seed + 1, 4, 0.55)
    albedo = blend(spot.colour(layout.COLOUR_B), spot.colour(layout.COLOUR_A), v + 0.5 + rough * 0.6)
    for layer, (colour, low) in enumerate(((layout.COLOUR_C, 0.1), (layout.COLOUR_D, -0.15))):
        ridge, _ = octaves(
            (u, torch.full_like(u, layer * 3.0), byte(bits, layer)),
            torch.full_like(u, 0.8),
            width,
            spot.seed + 2 + layer,
            3,
        )
        height = low + (byte(bits, layer) - 0.5) * 0.4 + ridge * 0.3
        tone = spot.colour(colour) * (1 + rough * 0.8)
        albedo = blend(albedo, tone, (height - v) / width.clamp(min=0.01) + 0.5)
    return _print(spot, albedo)


def blocks(spot: Spot) -> Look:
    """An abstract print: four colours in rectangles of uneven sizes. P0: rectangles across."""
    u, v, width, _ = _frame(spot)
    count = spot[layout.P0]
    warp_u, warp_v = u + 0.22 * torch.sin(u * 9), v + 0.22 * torch.sin(v * 7 + 1)
    row = torch.floor(warp_v * count)
    column = torch.floor(warp_u * count + byte(cell_bits(row, row, spot.seed), 0))
    bits = cell_bits(row, column, spot.seed)
    pick = byte(bits, 0)
    colours = [spot.colour(c) for c in (layout.COLOUR_A, layout.COLOUR_B, layout.COLOUR_C, layout.COLOUR_D)]
    albedo = torch.where(pick < 0.45, colours[0], torch.where(pick < 0.65, colours[1], colours[2]))
    albedo = torch.where(pick > 0.88, colours[3], albedo)
    mean = 0.45 * colours[0] + 0.2 * colours[1] + 0.23 * colours[2] + 0.12 * colours[3]
    return _print(spot, blend(mean, albedo, fade(0.7 / count, width)))


def lettering(spot: Spot) -> Look:
    """A page or cover: paper A, ink B, a title in C, a picture box in D. P0: lines to the page; P1: share of ink."""
    u, v, width, bits = _frame(spot)
    lines = spot[layout.P0]
    albedo = _ink(spot, u, v, lines, width)
    title = _words(u, v, lines * 0.22, width, spot.seed + 11)
    top = 0.2 + 0.2 * byte(bits, 0)
    in_title = band(v, top, top + 0.22, width) * band(u, -0.42, 0.42, width)
    albedo = blend(albedo, spot.colour(layout.COLOUR_A), in_title)
    albedo = blend(albedo, spot.colour(layout.COLOUR_C), in_title * title)
    low = -0.45 + 0.2 * byte(bits, 1)
    box = band(u, -0.4, byte(bits, 2) * 0.5 - 0.1, width) * band(v, low, low + 0.35, width)
    rough, _ = octaves((u, v, torch.zeros_like(u)), torch.full_like(u, 0.15), width, spot.seed + 4, 3)
    return _print(spot, blend(albedo, spot.colour(layout.COLOUR_D) * (1 + rough), box))


def portrait(spot: Spot) -> Look:
    """A few soft shapes before a shaded ground: ground A, shapes B, C, D."""
    u, v, width, bits = _frame(spot)
    rough, gradient = octaves((u, v, torch.zeros_like(u)), torch.full_like(u, 0.5), width, spot.seed + 1, 3, 0.55)
    u, v = u + gradient[0] * 0.03, v + gradient[1] * 0.03
    albedo = spot.colour(layout.COLOUR_A) * (1 + 0.5 * v + rough * 0.5)
    shapes = (
        (layout.COLOUR_B, -0.35, 0.34, 0.3),
        (layout.COLOUR_C, 0.1, 0.17, 0.22),
        (layout.COLOUR_D, 0.24, 0.19, 0.1),
    )
    for index, (colour, at, wide, high) in enumerate(shapes):
        stray = (byte(bits, index) - 0.5) * 0.15
        distance = (((u - stray) / wide).square() + ((v - at - stray) / high).square()).sqrt()
        inside = (1 - distance) / (width / wide + 0.05) + 0.5
        albedo = blend(albedo, spot.colour(colour) * (1 + rough * 0.6 + 0.4 * (v - u)), inside)
    return _print(spot, albedo)


def _frame(spot: Spot) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Coordinates in the picture (0 in its middle, +-0.5 at its sides), the footprint in them, and a hash of it."""
    face = flat(spot)
    u, v = face.u / spot[layout.PERIOD], face.v / (spot[layout.PERIOD] * spot[layout.ASPECT])
    column, row = torch.floor(u + 0.5), torch.floor(v + 0.5)
    bits = cell_bits(column, row, spot.seed)
    return u - column, v - row, spot.footprint / spot[layout.PERIOD], bits


def _ink(spot: Spot, u: Tensor, v: Tensor, lines: Tensor, width: Tensor) -> Tensor:
    margin = band(u, -0.4, 0.4, width) * band(v, -0.44, 0.44, width)
    words = _words(u, v, lines, width, spot.seed) * margin * spot[layout.P1]
    return blend(spot.colour(layout.COLOUR_A), spot.colour(layout.COLOUR_B), words)


def _words(u: Tensor, v: Tensor, lines: Tensor, width: Tensor, seed: Tensor) -> Tensor:
    """Coverage [N] of lines of words made of strokes."""
    y = v * lines
    row = torch.floor(y)
    body = band(y - row, 0.22, 0.78, width * lines)
    word = byte(cell_bits(torch.floor(u * lines * 0.45), row, seed), 0) > 0.15
    stroke = byte(cell_bits(torch.floor(u * lines * 3), row, seed + 1), 1)
    fine = 0.55 + (stroke - 0.5) * fade(0.33 / lines, width)
    return torch.lerp(torch.full_like(u, 0.26), body * word * fine, fade(1 / lines, width))


def _print(spot: Spot, albedo: Tensor) -> Look:
    zero = torch.zeros_like(spot.footprint)
    return Look(albedo, zero + 0.5, (zero, zero, zero), zero + 1)
