"""Split-conformal intervals of maps: how wide they have to be is read off images that nothing was fitted to.

The pixels of an image are like each other, and images are not. What is exchangeable are images (Dunn, Wasserman and
Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical models"; Lee, Barber and Willett 2023,
"Distribution-free inference with hierarchical data"): every image counts as much as any other, however many pixels it
has, and the image that is still to come counts as one more, whose error is infinite. A pixel of another image drawn
from the same source then lies in its interval with at least the stated probability.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from marigold.core.errors import DataError

FLOORS = 97
"""How many floors are tried, from `LEAST` to `MOST` times the mean deviation."""
LEAST, MOST = 1e-3, 1e3


def fitted_spread(errors: Sequence[Tensor], deviations: Sequence[Tensor]) -> tuple[float, float]:
    """The (scale, floor) for which `scale * (deviation + floor)` says best how large errors are.

    `errors` and `deviations` hold a vector [P] for every image, at least 0, which count alike. By maximum likelihood of
    a Laplace distribution, whose scale is the mean error: least is the mean of `log(spread) + error / spread`. For a
    floor the best scale is known, the mean of `error / (deviation + floor)`; the floor is the best of a fixed row.
    Raises `DataError` where there is nothing to fit to, or no error at all.
    """
    usual = _mean_of_means(deviations)
    if not _mean_of_means(errors) > 0:
        raise DataError("calibration: the predictions are without error; check that the truth is not their source")
    ladder = torch.logspace(0, 1, FLOORS, base=MOST / LEAST, dtype=torch.float64) * LEAST * (usual or 1.0)
    best = min(ladder.tolist(), key=lambda floor: _surprise(errors, deviations, floor))
    return _scale(errors, deviations, best), best


def expected_error(deviation: Tensor, scale: float, floor: float) -> Tensor:
    """What `fitted_spread` expects of an error where the members' deviation is this, of the same shape."""
    return scale * (deviation + floor)


def hierarchical_quantiles(scores: Sequence[Tensor], levels: Sequence[float]) -> list[float]:
    """The smallest score that, at each level, at least this share of the N images and the one to come lie below.

    `scores` holds a vector [P] for every image. Each of its P scores weighs 1 / ((N + 1) P), and 1 / (N + 1) lies at
    infinity, which is the result for levels above N / (N + 1). With one score an image this is the score of rank
    ceil(level * (N + 1)). Raises `DataError` without images.
    """
    if not scores or any(not len(one) for one in scores):
        raise DataError("calibration: there is no image with a valid pixel; name a split that has some")
    values = torch.cat([one.double() for one in scores])
    image = 1 / (len(scores) + 1)
    weights = torch.cat([torch.full_like(one, image / len(one), dtype=torch.float64) for one in scores])
    ordered, order = values.sort()
    below = weights[order].cumsum(0)
    # What is missing to the level by rounding alone is not missing.
    places = torch.searchsorted(below, torch.tensor(levels, dtype=torch.float64) - 1e-9)
    return torch.cat([ordered, ordered.new_tensor([torch.inf])])[places].tolist()


def _scale(errors: Sequence[Tensor], deviations: Sequence[Tensor], floor: float) -> float:
    ratios = [
        error.double() / (deviation.double() + floor) for error, deviation in zip(errors, deviations, strict=True)
    ]
    return _mean_of_means(ratios)


def _surprise(errors: Sequence[Tensor], deviations: Sequence[Tensor], floor: float) -> float:
    """The mean negative log-likelihood for a floor and the scale that is best for it, up to a constant."""
    scale = torch.tensor(_scale(errors, deviations, floor), dtype=torch.float64)
    return _mean_of_means([(deviation.double() + floor).log() for deviation in deviations]) + float(scale.log())


def _mean_of_means(vectors: Sequence[Tensor]) -> float:
    """The mean over images of each image's mean; 0 without images."""
    means = [float(one.double().mean()) for one in vectors if len(one)]
    return sum(means) / len(means) if means else 0.0
