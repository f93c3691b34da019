"""Albedo against what people see and what instruments measure at some places of a photo."""

import torch
from torch import Tensor

from marigold.core.errors import DataError

DELTA = 0.10
"""Reflectances whose ratio is within one plus this are equal (Bell et al. 2014)."""
LEAST = 1e-10
"""The darkest reflectance that is compared."""
WHITE = (0.95047, 1.0, 1.08883)
"""The reference white D65 in XYZ."""
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""Linear sRGB to XYZ (IEC 61966-2-1)."""


def whdr(albedo: Tensor, judgements: Tensor, delta: float = DELTA) -> tuple[float, float]:
    """The weight of the judgements that an albedo contradicts, and the weight of all (Bell et al. 2014).

    Their ratio is the weighted human disagreement rate. `albedo` is [3, H, W] in linear light; `judgements` is [N, 6]:
    x1, y1, x2, y2 as shares of width and height, which point is darker (0 neither, 1, 2), and a weight. The albedo's
    own answer is the mean of the channels at the pixels that hold the points: point 1 is darker where the other is more
    than `1 + delta` times as bright.
    """
    grey = albedo.double().mean(dim=0).clamp(min=LEAST)
    x1, y1, x2, y2, darker, weight = judgements.double().unbind(dim=1)
    first, second = _at(grey, x1, y1), _at(grey, x2, y2)
    answer = torch.where(second / first > 1 + delta, 1, torch.where(first / second > 1 + delta, 2, 0))
    return float(weight[answer != darker].sum()), float(weight.sum())


def _at(grey: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The values of [H, W] at points, [N] each, as shares; a share of 1 is the last pixel."""
    height, width = grey.shape
    column, row = ((share * size).long().clamp(0, size - 1) for share, size in ((x, width), (y, height)))
    return grey[row, column]


def region_means(albedo: Tensor, regions: Tensor, count: int) -> Tensor:
    """The mean albedo of every region, [count, 3], float64; NaN of one without pixels.

    `albedo` is [3, H, W] in linear light, `regions` [1, H, W]: 1 to `count`, 0 for none.
    """
    label = regions[0].long().clamp(0, count).flatten()
    sums = torch.zeros(count + 1, 4, dtype=torch.float64, device=albedo.device)
    counted = torch.cat([albedo.double().flatten(1), torch.ones_like(label, dtype=torch.float64)[None]])
    sums.index_add_(0, label, counted.T)
    return sums[1:, :3] / sums[1:, 3:]


def region_errors(found: Tensor, measured: Tensor) -> dict[str, Tensor]:
    """Intensity and chromaticity errors of the mean albedos of regions, [R, 3] each in linear sRGB (Wu et al. 2023).

    `intensity`: 100 times the mean squared difference of the intensities, the mean of the channels, after the best
    scale of the photo. `chromaticity`: the mean CIE 1976 colour difference of the two colours, each at the intensity of
    the measured one. That the intensity is the channels' mean, and how the colours are brought to one intensity, is not
    confirmed by the publication. Raises `DataError` when no region has both.
    """
    known = (found.isfinite() & measured.isfinite()).all(dim=1)
    if not bool(known.any()):
        raise DataError("no region has both a measured and a predicted albedo; check the map of regions")
    found, measured = found[known].double(), measured[known].double()
    own, true = found.mean(dim=1), measured.mean(dim=1)
    square = own.square().sum()
    scale = (own * true).sum() / torch.where(square > 0, square, 1.0)
    # A black region has no colour: it is compared as grey.
    colour = torch.where(own[:, None] > LEAST, found / own.clamp(min=LEAST)[:, None], 1.0)
    away = lab(colour * true[:, None]) - lab(measured)
    return {"intensity": 100 * (scale * own - true).square().mean(), "chromaticity": away.norm(dim=1).mean()}


def lab(linear: Tensor) -> Tensor:
    """CIE 1976 L*a*b* of linear sRGB [N, 3], against the white D65."""
    xyz = linear @ linear.new_tensor(TO_XYZ).T / linear.new_tensor(WHITE)
    edge = 6 / 29
    root = torch.where(xyz > edge**3, xyz.clamp(min=edge**3) ** (1 / 3), xyz / (3 * edge**2) + 4 / 29)
    x, y, z = root.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
