"""Validation: held-out loss, previews, and the scores that `marigold evaluate` prints."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from marigold.core import seeds
from marigold.core.sample import Batch
from marigold.data.mix import Mix
from marigold.data.source import Source
from marigold.estimator import Estimator
from marigold.evaluate.runner import evaluate, painter
from marigold.objectives.base import Objective
from marigold.train.recipe import Recipe

ROWS = 6
"""Samples in a preview."""
GAP = 4
"""White pixels between the images of a preview."""


@dataclass(frozen=True)
class Criterion:
    """An objective with the network that it keeps, in a recipe's precision and with its random streams."""

    objective: Objective
    kept: nn.Module
    estimator: Estimator
    recipe: Recipe
    device: str

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """What the loss needs of a batch."""
        with self._precision():
            return self.objective.prepare(self.estimator, batch)

    def loss(self, prepared: dict[str, Tensor], purpose: str, position: int) -> Tensor:
        """The scalar to minimise, with the random draws of this purpose and position."""
        with self._precision():
            return self.objective.loss(self.estimator, prepared, self.kept, self._rng(purpose, position))

    def preview(self, batch: Batch) -> Tensor:
        """What a person looks at, [rows, columns, 3, H, W] in -1 to 1."""
        with self._precision():
            return self.objective.preview(self.estimator, batch, self._rng("preview", 0))

    def _rng(self, *path: str | int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seeds.number(self.recipe.seed, *path))

    def _precision(self) -> AbstractContextManager:
        if self.recipe.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)


@torch.no_grad()
def validate(criterion: Criterion, mix: Mix) -> Iterator[tuple[str, dict[str, float], Tensor]]:
    """For every source its name, its numbers and a preview."""
    for position, source in enumerate(mix.sources):
        batches = [mix.batch_of(position, step) for step in range(criterion.recipe.validation_batches)]
        losses = [criterion.loss(criterion.prepare(batch), "validate", step) for step, batch in enumerate(batches)]
        numbers = {"loss": float(torch.stack(losses).mean())}
        if mix.modality(source) is criterion.estimator.modality and criterion.recipe.scored:
            numbers |= validation_scores(criterion.estimator, source, criterion.recipe.scored, criterion.device)
        yield f"{source.name}_{position}", numbers, criterion.preview(batches[0].first(ROWS))


def validation_scores(estimator: Estimator, source: Source, count: int, device: str) -> dict[str, float]:
    """The metrics that `marigold evaluate` prints for the first samples of a source; none for a generator."""
    if not (estimator.modality.needs and estimator.backbone.conditions):
        return {}
    keys = source.dataset.scan(source.root, source.split)[:count]
    defaults = estimator.card.defaults
    paint = painter(estimator, steps=int(defaults.get("steps", 4)), resolution=int(defaults.get("resolution", 0)))
    found = evaluate(
        paint,
        estimator.modality,
        source.dataset,
        source.root,
        keys,
        batch=1 if source.side else 8,  # samples of several sizes
        device=device,
        progress=False,
    )
    return found.means()


def save_preview(preview: Tensor, path: Path) -> None:
    """Writes [rows, columns, 3, H, W] in -1 to 1 as one JPEG."""
    framed = F.pad(preview.float().cpu().clamp(-1, 1), (0, GAP, 0, GAP), value=1.0)
    # [rows, columns, 3, H, W] to [rows * H, columns * W, 3]
    sheet = framed.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)[:-GAP, :-GAP]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((sheet + 1) * 127.5).round().byte().numpy()).save(path, quality=90)
