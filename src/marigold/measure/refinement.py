"""What refining a map must not do: change the layout that it was shown, or show where its tiles lie.

Maps are [H, W] in any unit. Nothing here looks at a truth.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.measure.alignment import least_squares

CELLS = 32
"""Cells of the longer side to which maps are averaged: what remains is layout, without edges."""


def layout_change(refined: Tensor, coarse: Tensor, cells: int = CELLS) -> float:
    """How far the layout of a refined map is from that of the coarse one, relative to how much the latter varies.

    Both, of any sizes, become means over `cells` cells of the longer side; the refined one is fitted to the coarse one
    by least squares; the root mean square of what is left is divided by the standard deviation of the coarse one. 0 is
    the same layout up to scale and shift; 1 is no better than a constant. NaN for a coarse map without any layout.
    """
    height, width = coarse.shape
    factor = cells / max(height, width)
    sides = max(1, round(height * factor)), max(1, round(width * factor))
    found, shown = (F.adaptive_avg_pool2d(map_[None].double(), sides)[0] for map_ in (refined, coarse))
    spread = float(shown.std(correction=0))
    if spread <= 1e-9 * float(shown.abs().max()):
        return math.nan
    scale, shift = least_squares(found, shown, torch.ones_like(shown, dtype=torch.bool))
    return float((scale * found + shift - shown).square().mean().sqrt()) / spread


def seam_ratio(values: Tensor, beside: Tensor) -> float:
    """How large the steps between neighbouring pixels are beside the borders of tiles, relative to those elsewhere.

    `beside` [H, W] is bool. A step counts as beside a border where both of its pixels are. The mean of |step| of one
    kind by that of the other; about 1 where nothing shows the tiles. NaN without steps of both kinds, or where there
    are none elsewhere.
    """
    near, far = [], []
    for dim in (0, 1):
        steps = values.double().diff(dim=dim).abs()
        length = beside.shape[dim] - 1
        inside = beside.narrow(dim, 0, length) & beside.narrow(dim, 1, length)
        near.append(steps[inside])
        far.append(steps[~inside])
    one, other = torch.cat(near), torch.cat(far)
    if not len(one) or not len(other) or not float(other.mean()):
        return math.nan
    return float(one.mean() / other.mean())
