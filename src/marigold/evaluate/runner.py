"""Scores predictions on a data set: the same code for `marigold evaluate`, for validation and for the benchmarks."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.accel.plan import make_plan
from marigold.core.console import printable
from marigold.core.errors import DataError, ImageError, RefusedSampleError
from marigold.core.images import to_image
from marigold.core.sample import Sample, unstack
from marigold.data import border
from marigold.datasets.base import Dataset
from marigold.estimator import Estimator
from marigold.evaluate import ceiling
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally, merge
from marigold.modalities.base import Modality
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request, Settings

Predict = Callable[[Tensor], Tensor]
"""Photos [B, 3, H, W] in 0 to 1 to values [B, C, H, W] in the modality's unit."""
LeaveOut = Callable[[str, str], object]
"""Takes the key of a sample that cannot be read, and why."""


@dataclass(frozen=True)
class Scores:
    """What an evaluation found."""

    methods: dict[str, dict[str, Tally]]
    """For every method its metrics: what is evaluated first, then the representation ceiling, then the baselines."""
    rows: list[dict[str, float | str]] = field(default_factory=list)
    """The first method's metrics on every sample, with the sample's `key`."""
    metrics: tuple[Metric, ...] = ()
    """Unit and direction of those metrics that the modality states."""

    def means(self, method: str | None = None) -> dict[str, float]:
        """The mean of every metric over the images, of the first or of a named method."""
        chosen = next(iter(self.methods)) if method is None else method
        return {name: tally.mean for name, tally in self.methods[chosen].items()}


def evaluate(
    predict: Predict,
    modality: Modality,
    dataset: Dataset,
    root: Path,
    keys: Sequence[str],
    *,
    name: str = "estimator",
    protocol: Protocol = STANDARD,
    batch: int = 8,
    device: str = "cpu",
    progress: bool = True,
    leave_out: LeaveOut | None = None,
) -> Scores:
    """Scores what `predict` makes of every photo, beside the representation ceiling and the modality's baselines.

    Samples are read `batch` at a time, which must then be of one size; scores do not depend on it. Raises `DataError`
    for a sample without valid truth, and for values of a wrong shape or that are no numbers. Samples that the data
    set's own rules refuse are left out; it is an error if that is all. `leave_out` is called with the key of a sample
    that cannot be read and why, which then is left out, too; without it that is an error.
    """
    methods: dict[str, dict[str, Tally]] = {name: {}}
    rows: list[dict[str, float | str]] = []
    with tqdm(total=len(keys), desc=printable(name), unit="photo", disable=None if progress else True) as bar:
        for first in range(0, len(keys), batch):
            together = list(keys[first : first + batch])
            chosen, sample = _read(dataset, root, together, device, leave_out)
            bar.update(len(together) - len(chosen))
            if sample is None:
                continue
            try:
                values = _checked(predict(sample.image), modality, sample, name)
            except ImageError as error:
                raise DataError(f"{sample.key}: {error}; correct the data set") from error
            for answer, one in zip(values, unstack(sample, chosen), strict=True):
                reached = ceiling.encoded(modality, one).values
                answers = {name: answer, ceiling.CEILING: reached, **modality.baselines(one)}
                scored = {method: modality.score(found, one, protocol) for method, found in answers.items()}
                methods = {method: merge([methods.get(method, {}), tallies]) for method, tallies in scored.items()}
                rows.append({"key": one.key, **{metric: tally.mean for metric, tally in scored[name].items()}})
            bar.update(len(chosen))
    if keys and not rows:
        raise DataError(f"{root}: the data set's own rules refuse all {len(keys)} samples; choose others")
    return Scores(methods, rows, modality.metrics)


def score(
    predictor: Predictor,
    dataset: Dataset,
    root: Path,
    keys: Sequence[str],
    *,
    request: Request = Request(),  # noqa: B008 frozen
    protocol: Protocol | None = None,
    name: str = "",
    batch: int = 8,
    progress: bool = True,
    leave_out: LeaveOut | None = None,
) -> Scores:
    """Scores a predictor: its values are those that a user gets, to the bit.

    Settings that the request leaves open are as the checkpoint's card recommends; without a protocol, depth is fitted
    by least squares in depth and clipped to the range that the data set's card states. Raises what `evaluate` and
    `infer` raise.
    """
    estimator = predictor.estimator
    settings = predictor.settings(request)
    return evaluate(
        function(predictor, settings),
        estimator.modality,
        dataset,
        root,
        keys,
        name=name or estimator.card.name,
        protocol=protocol or Protocol("depth", *border.card(dataset, root).depth_range),
        batch=batch,
        device=str(predictor.plan.device),
        progress=progress,
        leave_out=leave_out,
    )


def function(predictor: Predictor, settings: Settings) -> Predict:
    """A predictor as a function from photos to values, one photo after another."""

    def predict(image: Tensor) -> Tensor:
        return torch.stack([predictor.infer_many([to_image(one.cpu())], settings)[0].values for one in image])

    return predict


def snapshot(estimator: Estimator, request: Request = Request()) -> Predictor:  # noqa: B008 frozen
    """A predictor with a copy of the estimator as it is by now, on the device and in the precision of the request.

    It predicts what the estimator would predict once saved and opened again.
    """
    return Predictor(copy.deepcopy(estimator), make_plan(request.device, request.precision))


def _read(
    dataset: Dataset, root: Path, keys: list[str], device: str, leave_out: LeaveOut | None
) -> tuple[list[str], Sample | None]:
    """The samples of those keys that can be scored, as one; None where none can."""
    left_out = DataError if leave_out else RefusedSampleError
    try:
        return keys, border.read_many(dataset, root, keys, device)
    except left_out:
        left = [key for key in keys if _is_usable(dataset, root, key, leave_out)]
        return left, border.read_many(dataset, root, left, device) if left else None


def _is_usable(dataset: Dataset, root: Path, key: str, leave_out: LeaveOut | None) -> bool:
    """Whether the data set gives a sample; where it cannot be read, that is told to `leave_out`."""
    try:
        border.read(dataset, root, key)
    except RefusedSampleError:
        return False
    except DataError as error:
        if leave_out is None:
            raise
        leave_out(key, str(error))
        return False
    return True


def _checked(values: Tensor, modality: Modality, sample: Sample, name: str) -> Tensor:
    """Values that can be scored; another shape would be broadcast against the truth, and NaN be left out of a mean."""
    wanted = (len(sample.image), sum(modality.channels), *sample.image.shape[-2:])
    if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
        found = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise DataError(f"{sample.key}: {name} gives {found} for photos that ask for {list(wanted)}; return that shape")
    if not values.isfinite().all():
        raise DataError(f"{sample.key}: {name} gives NaN or infinite values; give a number for every pixel")
    return values.to(sample.image.device)
