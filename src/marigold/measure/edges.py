"""How well a depth map has its jumps where the truth has them, and how sharp they are.

All functions take aligned depth in metres, [H, W], above 0. A number that nothing counts for, such as the precision of
no predicted edge, is NaN.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.errors import MissingExtraError

CANNY_SIGMA, CANNY_LOW, CANNY_HIGH = math.sqrt(2), 0.15, 0.3
"""Canny's settings on a map stretched to 0 to 1 (Koch et al. 2018, their script)."""
FARTHEST_EDGE = 10.0
"""Pixels; edges farther apart do not belong together (Koch et al. 2018)."""
GRADIENTS = (0.25, 0.5, 1.0)
"""Metres; a Sobel gradient above it is an edge (Hu et al. 2019)."""
RATIOS = tuple(1.05 + 0.2 * index / 9 for index in range(10))
"""Ratios of neighbouring depths above which there is an occluding edge (Bochkovskii et al. 2024)."""
LEAST_DEPTH = 1e-6
DISPARITY_JUMP = 0.05
"""1/metre; neighbours whose inverse depths differ by more make a boundary (Chen et al. 2019; Marigold V2's runs)."""
PATCHES = (3, 5, 7)
"""Pixels; the sides of the patches in which a boundary pixel may find its depth."""
FLYING_RATIO, FLYING_REACH, FLYING_MARGIN = 1.1, 3, 0.1
"""A jump of depth, the pixels around it, and the share of the gap at either end that still is the surface there."""


def canny(map_: Tensor, valid: Tensor) -> Tensor:
    """The edges of a map [H, W], bool, by Canny's method on the map stretched to 0 to 1 over its valid pixels.

    Raises `MissingExtraError`.
    """
    try:
        from skimage.feature import canny as found
    except ImportError as error:
        raise MissingExtraError("scikit-image", "eval", "the depth boundary error") from error
    inside = map_[valid].double()
    if not len(inside) or not float(inside.max() > inside.min()):
        return torch.zeros_like(valid)
    stretched = torch.where(valid, (map_.double() - inside.min()) / (inside.max() - inside.min()), 0.0)
    edges = found(
        stretched.cpu().numpy(),
        sigma=CANNY_SIGMA,
        low_threshold=CANNY_LOW,
        high_threshold=CANNY_HIGH,
        mask=None if bool(valid.all()) else valid.cpu().numpy(),
    )
    return torch.from_numpy(edges).to(valid.device)


def boundary_errors(predicted: Tensor, true: Tensor) -> dict[str, float]:
    """The depth boundary errors in pixels of two maps of edges [H, W], bool (Koch et al. 2018); 0 is right.

    `dbe_accuracy` is the mean distance to the nearest true edge of those predicted edges that are within
    `FARTHEST_EDGE` of one. `dbe_completeness` is the mean distance of true edges to the nearest predicted one, at most
    `FARTHEST_EDGE`, as the paper has it; `dbe_completeness_symmetric` is the mean of such distances of the edges of
    both maps, which the published script calls completeness. Where no predicted edge is near a true one all are
    `FARTHEST_EDGE`; without a true edge they are NaN. Raises `MissingExtraError`.
    """
    names = ("dbe_accuracy", "dbe_completeness", "dbe_completeness_symmetric")
    y, y_true = (edges.cpu().numpy() for edges in (predicted, true))
    if not y_true.any():
        return dict.fromkeys(names, math.nan)
    to_true = _distance(y_true)[y]
    if not (to_true < FARTHEST_EDGE).any():
        return dict.fromkeys(names, FARTHEST_EDGE)
    to_predicted = _distance(y)[y_true].clip(max=FARTHEST_EDGE)
    both = np.concatenate([to_true.clip(max=FARTHEST_EDGE), to_predicted])
    found = (to_true[to_true < FARTHEST_EDGE].mean(), to_predicted.mean(), both.mean())
    return dict(zip(names, map(float, found), strict=True))


def _distance(edges: np.ndarray) -> np.ndarray:
    """The Euclidean distance of every pixel to the nearest edge."""
    try:
        from scipy.ndimage import distance_transform_edt
    except ImportError as error:
        raise MissingExtraError("scipy", "eval", "the depth boundary error") from error
    return np.asarray(distance_transform_edt(~edges))


def gradient_edges(prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of edges, pixel by pixel, for each of `GRADIENTS` (Hu et al. 2019).

    An edge is where the length of the Sobel gradient of depth in metres, whose kernel is (1, 2, 1) times (-1, 0, 1)
    without a divisor, is above the threshold; pixels whose 3 x 3 neighbours are not all valid are left out. That the
    kernel has no divisor is not confirmed by the publication. Without a predicted edge precision is NaN, without a true
    one all are.
    """
    inside = _shrunk(valid, 1)[1:-1, 1:-1]
    found, true = (_gradient(torch.where(valid, depth.double(), 0.0))[inside] for depth in (prediction, truth))
    scores: dict[str, float] = {}
    for threshold in GRADIENTS:
        edge, wanted = found > threshold, true > threshold
        hits, count, total = (int(mask.sum()) for mask in (edge & wanted, edge, wanted))
        scores[f"edge_precision_{threshold:g}"] = hits / count if count and total else math.nan
        scores[f"edge_recall_{threshold:g}"] = hits / total if total else math.nan
        scores[f"edge_f1_{threshold:g}"] = 2 * hits / (count + total) if total else math.nan
    return scores


def _gradient(depth: Tensor) -> Tensor:
    """The length of the Sobel gradient of [H, W], [H - 2, W - 2]."""
    along = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=depth.dtype, device=depth.device)
    both = F.conv2d(depth[None, None], torch.stack([along, along.T])[:, None])[0]
    return both.square().sum(dim=0).sqrt()


def boundary_f1(prediction: Tensor, truth: Tensor, valid: Tensor) -> float:
    """The F1 score of occluding edges, 0 to 1, averaged over thresholds (Bochkovskii et al. 2024, Depth Pro, sec. 3.2).

    At a threshold t a pixel is an edge in one of four directions where its inverse depth is more than t times that of
    its neighbour. Precision is the mean over the directions of the edges of both maps by those of the prediction,
    recall by those of the truth; thresholds `RATIOS` weigh by their own size. It does not depend on the scale of depth,
    but on a shift. NaN for a truth without such an edge at any threshold.
    """
    # Where neither map has an edge at the lowest threshold, none has one at another.
    pairs = zip(_jumps(prediction, valid), _jumps(truth, valid), strict=True)
    jumps = [(one[some], other[some]) for one, other in pairs for some in [torch.maximum(one, other) > RATIOS[0]]]
    if not any(bool((true > RATIOS[0]).any()) for _, true in jumps):
        return math.nan
    return sum(ratio * _f1(jumps, ratio) for ratio in RATIOS) / sum(RATIOS)


def _jumps(depth: Tensor, valid: Tensor) -> list[Tensor]:
    """How many times as near each pixel is as its neighbour, in four directions; 0 where one of them is not valid."""
    depth = depth.double().clamp(min=LEAST_DEPTH)
    pairs = [(depth[:, 1:] / depth[:, :-1], valid[:, 1:] & valid[:, :-1])]
    pairs += [(depth[1:] / depth[:-1], valid[1:] & valid[:-1])]
    return [torch.where(both, one, 0.0) for ratio, both in pairs for one in (ratio, 1 / ratio)]


def _f1(jumps: list[tuple[Tensor, Tensor]], ratio: float) -> float:
    precision = recall = 0.0
    for one, other in jumps:
        edge, wanted = one > ratio, other > ratio
        hits = int((edge & wanted).sum())
        precision += hits / max(int(edge.sum()), 1) / len(jumps)
        recall += hits / max(int(wanted.sum()), 1) / len(jumps)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def soft_edge_errors(prediction: Tensor, truth: Tensor, valid: Tensor) -> dict[str, float]:
    """The soft edge errors in metres for patches of `PATCHES` pixels (Chen et al. 2019, as Marigold V2 measures them).

    The mean over boundary pixels of the least |prediction - truth| over the true depths in a patch around the pixel. A
    boundary pixel has a neighbour, of four, whose inverse true depth differs by more than `DISPARITY_JUMP`. The text of
    the latter speaks of errors of disparity; its published code takes those of depth, as here. NaN without a boundary.
    """
    disparity = 1 / torch.where(valid, truth, 1.0).double()
    boundary = _touched((disparity[:, 1:] - disparity[:, :-1]).abs() > DISPARITY_JUMP, valid, 1)
    boundary |= _touched((disparity[1:] - disparity[:-1]).abs() > DISPARITY_JUMP, valid, 0)
    if not bool(boundary.any()):
        return {f"see_{side}": math.nan for side in PATCHES}
    depth, places = torch.where(valid, truth.double(), math.inf), boundary.nonzero(as_tuple=True)
    wanted = prediction.double()[places]
    return {f"see_{side}": float(_nearest_difference(wanted, depth, places, side).mean()) for side in PATCHES}


def _touched(jump: Tensor, valid: Tensor, dim: int) -> Tensor:
    """The pixels on either side of a jump between neighbours along `dim` that are both valid, [H, W]."""
    size = valid.shape[dim]
    jump = jump & valid.narrow(dim, 1, size - 1) & valid.narrow(dim, 0, size - 1)
    touched = torch.zeros_like(valid)
    touched.narrow(dim, 0, size - 1).logical_or_(jump)
    touched.narrow(dim, 1, size - 1).logical_or_(jump)
    return touched


def _nearest_difference(wanted: Tensor, depth: Tensor, places: tuple[Tensor, ...], side: int) -> Tensor:
    """The least |wanted - depth| over a patch of a map [H, W] around each of N places (rows, columns), [N]."""
    padded, (rows, columns) = F.pad(depth, (side // 2,) * 4, value=math.inf), places
    least = torch.full_like(wanted, math.inf)
    for down in range(side):
        for right in range(side):
            least = torch.minimum(least, (wanted - padded[rows + down, columns + right]).abs())
    return least


def flying_pixel_rate(prediction: Tensor, truth: Tensor, valid: Tensor) -> float:
    """The share of pixels near a true jump that lie between foreground and background, where nothing is; 0 to 1.

    Near is within `FLYING_REACH` pixels (rows and columns) of two neighbours whose true depths have a ratio above
    `FLYING_RATIO`; foreground and background are the least and the largest true depth within one pixel more, so that
    both sides of the jump count. A prediction flies that keeps more than `FLYING_MARGIN` of the gap from both. Pixels
    whose truth does so itself, such as those of a slanted surface in between, are left out, so that the truth has none.
    A measure of this project. NaN without a jump.
    """
    near = torch.where(valid, truth.double(), math.inf)
    near = -_largest(-near, FLYING_REACH + 1)
    far = _largest(torch.where(valid, truth.double(), -math.inf), FLYING_REACH + 1)
    jump = torch.zeros_like(valid)
    depth = torch.where(valid, truth.double(), 1.0)
    for dim in (0, 1):
        size = valid.shape[dim]
        ratio = depth.narrow(dim, 1, size - 1) / depth.narrow(dim, 0, size - 1)
        jump |= _touched(torch.maximum(ratio, 1 / ratio) > FLYING_RATIO, valid, dim)
    margin = FLYING_MARGIN * (far - near)

    def between(depth: Tensor) -> Tensor:
        return (depth > near + margin) & (depth < far - margin)

    counted = valid & (_largest(jump.double(), FLYING_REACH) > 0) & ~between(truth.double())
    return float(between(prediction.double())[counted].double().mean()) if bool(counted.any()) else math.nan


def _largest(map_: Tensor, reach: int) -> Tensor:
    """The largest value within so many pixels of every pixel of [H, W]."""
    return F.max_pool2d(map_[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]


def _shrunk(valid: Tensor, reach: int) -> Tensor:
    """Where all pixels within `reach` are valid, [H, W]."""
    return _largest((~valid).float(), reach) == 0
