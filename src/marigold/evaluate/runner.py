"""Scores an estimator on a data set: the same code for `marigold evaluate`, for validation and for the benchmarks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from marigold.checkpoints.convention import TTA
from marigold.compat.base import RULES
from marigold.core.sample import unstack
from marigold.datasets.base import Dataset
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.tally import Tally, merge
from marigold.modalities.base import Modality
from marigold.predict.augmentation import VIEWS, View
from marigold.predict.members import noise_shape
from marigold.predict.settings import check_tta
from marigold.predict.working_size import Frame

Paint = Callable[[Tensor], Tensor]
"""Photos [B, 3, H, W] in 0 to 1 to values [B, C, H, W]."""

PAINTED_TRUTH = "truth as painted"
"""The method that encodes the truth as pictures and decodes them again: the best that any painter can score."""


@dataclass(frozen=True)
class Scores:
    """What an evaluation found."""

    methods: dict[str, dict[str, Tally]]
    """For every method its metrics: the estimator first, then the truth as painted, then the trivial answers."""
    rows: list[dict[str, float | str]] = field(default_factory=list)
    """The estimator's metrics on every sample, with the sample's `key`."""

    def means(self, method: str | None = None) -> dict[str, float]:
        """The mean of every metric over the images, of the estimator or of a named method."""
        chosen = next(iter(self.methods)) if method is None else method
        return {name: tally.mean for name, tally in self.methods[chosen].items()}


def evaluate(
    paint: Paint,
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
) -> Scores:
    """Scores what `paint` makes of every photo, beside the truth as painted and the modality's baselines.

    Samples are read `batch` at a time, which must then be of one size; scores do not depend on it. Raises `DataError`
    for a sample without valid truth.
    """
    methods: dict[str, dict[str, Tally]] = {name: {}}
    rows: list[dict[str, float | str]] = []
    with tqdm(total=len(keys), desc=name, unit="photo", disable=None if progress else True) as bar:
        for first in range(0, len(keys), batch):
            chosen = list(keys[first : first + batch])
            sample = dataset.read_many(root, chosen, device)
            values = paint(sample.image)
            for answer, one in zip(values, unstack(sample, chosen), strict=True):
                painted = modality.decode(modality.encode(one)[0][None])[0]
                answers = {name: answer, PAINTED_TRUTH: painted, **modality.baselines(one)}
                scored = {method: modality.score(found, one, protocol) for method, found in answers.items()}
                methods = {method: merge([methods.get(method, {}), tallies]) for method, tallies in scored.items()}
                rows.append({"key": one.key, **{metric: tally.mean for metric, tally in scored[name].items()}})
            bar.update(len(chosen))
    return Scores(methods, rows)


def painter(
    estimator: Estimator,
    *,
    steps: int,
    ensemble: int = 1,
    resolution: int = 0,
    seed: int = 0,
    tta: TTA | Sequence[View] = "none",
) -> Paint:
    """An estimator as a function from photos to values, by whole batches.

    Every member's noise depends on (seed, member) alone, as in prediction, so batch mates do not matter. `resolution`
    is the longest side at work; 0 works at the photo's own size. `tta` is what the members see, by name or one after
    the other. Raises `ConfigError` for varied tta of one member.
    """
    if isinstance(tta, str):
        check_tta(tta, ensemble)
        tta = VIEWS[tta]
    looks, modality = tta[:ensemble], estimator.modality

    def latent(condition: Tensor | None, sampling: Sampling, noise: Tensor, photos: int) -> Tensor:
        # The noises [S, N * C, h, w] of a member are the same for every photo of the batch.
        start, *later = noise[:, None].expand(-1, photos, -1, -1, -1)
        return estimator.sample(condition, start, sampling, fresh=later.__getitem__)

    @torch.no_grad()
    def paint(image: Tensor) -> Tensor:
        sampling, members = estimator.sampling(steps), []
        size = Frame.of(image, resolution, estimator.backbone.stride)
        for number, look in enumerate(looks):
            frame = Frame.of(image, look.resolution(image, resolution), estimator.backbone.stride)
            seen = frame.fill(look.show(image))
            condition = estimator.encode_image(seen) if estimator.backbone.conditions else None
            drawn = RULES["none"].draw(noise_shape(estimator, frame), ensemble, sampling.draws, seed).to(image.device)
            for noise in drawn[number :: len(looks)]:
                found = frame.crop(estimator.decode(latent(condition, sampling, noise, len(image))))
                members.append(look.back(modality, found, size.height, size.width))
        merged = [modality.ensemble(of_one)[0] for of_one in torch.stack(members).unbind(1)]
        return modality.resize(torch.stack(merged), *image.shape[-2:])

    return paint
